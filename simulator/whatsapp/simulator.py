"""The simulated WhatsApp: one HTTP server with the Graph API, its media, its faults and its people."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from aiohttp import web

from simulator.control import Control, answered
from simulator.delivery import Courier, Said
from simulator.faults import Fault
from simulator.vendor import Vendor
from simulator.whatsapp.admin import Admin
from simulator.whatsapp.chats import Chats, Message
from simulator.whatsapp.graph import GraphApi
from simulator.whatsapp.media import MediaStore
from simulator.whatsapp.notifier import Notifier
from simulator.whatsapp.number import SECRET_FIELDS, Number
from simulator.whatsapp.options import Options
from simulator.whatsapp.people import People
from simulator.whatsapp.people.acting import ANNA
from simulator.whatsapp.person import Person, Persons
from simulator.whatsapp.sending import Sending
from simulator.whatsapp.statuses import Statuses
from simulator.whatsapp.world import World

# Meta tries again at once, then ever more rarely, for seven days in all.
REDELIVERY_SECONDS = (0.0, *(min(5.0 * 4**n, 43_200.0) for n in range(20)))
ACK_DEADLINE_SECONDS = 20.0
GRAPH_VERSION = "v26.0"
PEOPLES_ACTS = (
    "say",
    "share",
    "locate",
    "introduce",
    "order",
    "send_unsupported",
    "react",
    "edit",
    "revoke",
    "choose",
    "fill_form",
    "reply_to_template",
    "meet",
    "change_number",
    "change_user_id",
    "open_chat",
    "call",
)
ADMINS_ACTS = (
    "verify_webhook",
    "echo",
    "update_account",
    "update_template",
    "prefer",
    "tell_status",
    "tell_raw",
    "tell_bytes",
)


class WhatsAppSimulator(Vendor):
    """`async with WhatsAppSimulator(webhook=…) as whatsapp:` serves the Graph API at `whatsapp.url` meanwhile."""

    MAX_BODY_BYTES = 128 << 20
    SEND_METHOD = "messages"

    def __init__(
        self,
        numbers: Sequence[Number] = (Number(),),
        *,
        persons: Sequence[Person] = (),
        webhook: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        retry_seconds: Sequence[float] = REDELIVERY_SECONDS,
        retry_scale: float = 1.0,
        webhook_deadline: float = ACK_DEADLINE_SECONDS,
        faults: Sequence[Fault] = (),
        seed: int = 0,
        **options: Any,
    ) -> None:
        """Take times in seconds; `retry_scale` 0.001 turns Meta's hour into 3.6 s. `options`: see `Options`."""
        waits = [seconds * retry_scale for seconds in retry_seconds]
        courier = Courier(webhook, waits, webhook_deadline, accepted=lambda status: status == 200)
        super().__init__(courier, host, port, faults, seed)
        self.options = Options(**options)
        self.notifier = Notifier(courier)
        media = MediaStore(self.options, self.clock, lambda: self.address)
        chats = Chats(self.timeline, self.clock)
        self.world = World(
            list(numbers),
            Persons((Person("Anna", ANNA, "DE.13491208655302741918"), *persons)),
            chats,
            media,
            self.notifier,
            self.options,
            self.clock,
        )
        self.statuses = Statuses(self.world, seed)
        self.sending = Sending(self.world, self.statuses)
        self.api = GraphApi(self.world, self.sending, self.faults)
        self.people = People(self.world)
        self.admin = Admin(self.world, courier, self.statuses)
        self.control = Control(self, self.api.gate)
        self.say = self.people.say

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Register the Graph API and the control endpoints."""
        self.api.add_routes(router)
        done = self._acts() | {"options": self.set_options, "batch": self.batch, "settle": self.settle}
        self.control.add_routes(router, {"numbers": self._list_numbers, "messages": self._list_messages}, done)

    def open(self) -> None:
        """Let hangs hang."""
        self.api.gate.open()

    def close(self) -> None:
        """End hangs and event streams."""
        self.api.gate.close()
        self.control.close()

    async def stop(self) -> None:
        """Tell no more statuses, either."""
        await self.statuses.stop()
        await super().stop()

    @property
    def url(self) -> str:
        """Root of the Graph API with its version and a slash, as KONSTRUCT_WHATSAPP_API_URL wants it."""
        return f"{self.address}/{GRAPH_VERSION}/"

    async def batch(self, acts: Sequence[dict[str, Any]]) -> Said:
        """Do several acts, [{"act": "say", …}, …], and tell of all in one request."""
        known = self._acts()
        with self.notifier.held() as held:
            for wanted in acts:
                fields = dict(wanted)
                await known[fields.pop("act")](**fields)
        return await self.notifier.deliver_held(held)

    async def settle(self) -> dict[str, Any]:
        """Wait until all statuses so far are told."""
        await self.statuses.settle()
        return {}

    def messages(self, person: str, *, number: str | None = None) -> list[Message]:
        """Return what reads in the chat with a person now, oldest first."""
        return self.world.chats.of(self.world.number(number), self.world.persons.find(person))

    def set_options(self, **options: Any) -> dict[str, Any]:
        """Change options while it runs and return them all; raises ValueError for one that is not there."""
        for name, value in options.items():
            if not hasattr(self.options, name):
                raise ValueError(f"there is no option {name}")
            setattr(self.options, name, value)
        return {"options": asdict(self.options)}

    def reset(self) -> None:
        """Forget messages, media, log, deliveries, faults and counts; the server stays up."""
        super().reset()
        self.world.chats.clear()
        self.world.media.clear()
        self.sending.clear()
        self.api.calls.clear()

    def _acts(self) -> dict[str, Callable[..., Any]]:
        acts = {act: getattr(self.people, act) for act in PEOPLES_ACTS}
        return acts | {act: getattr(self.admin, act) for act in ADMINS_ACTS}

    async def _list_numbers(self, _: web.Request) -> web.Response:
        shown = [
            {name: told for name, told in asdict(number).items() if name not in SECRET_FIELDS}
            for number in self.world.numbers
        ]
        return answered({"numbers": shown, "webhook": self.courier.webhook})

    async def _list_messages(self, request: web.Request) -> web.Response:
        found = self.messages(request.query["person"], number=request.query.get("number"))
        return answered({"messages": [message.to_json() for message in found]})
