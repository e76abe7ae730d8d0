"""What Meta and the business's own staff do: checks of the webhook, notices about accounts, the business's phone."""

import secrets
from typing import Any
from urllib.parse import urlencode

from simulator.delivery import Courier, Said
from simulator.whatsapp.chats import Message, new_id
from simulator.whatsapp.notifier import value_of
from simulator.whatsapp.people.acting import ANNA
from simulator.whatsapp.refusal import Refused
from simulator.whatsapp.statuses import Statuses
from simulator.whatsapp.world import World


class Admin:
    """Acts as Meta, or as somebody who holds the business's phone."""

    def __init__(self, world: World, courier: Courier, statuses: Statuses) -> None:
        self._world = world
        self._courier = courier
        self._statuses = statuses

    async def verify_webhook(
        self, *, number: str | None = None, challenge: str = "", token: str | None = None
    ) -> dict[str, Any]:
        """Ask the webhook to give a challenge back; `token` None: the right one."""
        known = self._world.number(number).verify_token
        query = {
            "hub.mode": "subscribe",
            "hub.verify_token": known if token is None else token,
            "hub.challenge": challenge or secrets.token_hex(8),
        }
        status, answer = await self._courier.ask(f"{self._courier.webhook}?{urlencode(query)}")
        return {"status": status, "answer": answer, "challenge": query["hub.challenge"]}

    async def echo(self, text: str, *, to: str = ANNA, number: str | None = None) -> Said:
        """Write to a person in the WhatsApp Business app, as a human of the business."""
        business, person = self._world.number(number), self._world.persons.find(to)
        now = self._world.clock.now()
        message = Message(new_id(), "text", person, by_business=True, text=text, at=now, content={"body": text})
        self._world.chats.add(business, message)
        told = {
            "id": message.id,
            "from": business.display_phone_number,
            "timestamp": str(int(now)),
            "type": "text",
            "text": {"body": text},
            **person.addressee(),
        }
        value = value_of(business, contacts=[person.contact()], message_echoes=[told])
        return await self._world.notifier.tell(business, "smb_message_echoes", value, person.key, message.id)

    async def update_account(self, event: str, *, number: str | None = None, **more: Any) -> Said:
        """Tell about the account: ACCOUNT_RESTRICTION, PARTNER_APP_UNINSTALLED, DISABLED_UPDATE and so on."""
        business = self._world.number(number)
        value = {"event": event, "phone_number": business.display_phone_number, **more}
        return await self._world.notifier.tell(business, "account_update", value)

    async def update_template(self, name: str, event: str, *, reason: str = "", number: str | None = None) -> Said:
        """Tell about a template: PAUSED, DISABLED, APPROVED and so on."""
        business = self._world.number(number)
        value = {
            "event": event,
            "message_template_id": 1,
            "message_template_name": name,
            "message_template_language": "en",
            "reason": reason or "NONE",
        }
        return await self._world.notifier.tell(business, "message_template_status_update", value)

    async def prefer(self, value: str = "stop", *, sender: str = ANNA, number: str | None = None) -> Said:
        """Tell that a person wants no more marketing ("stop"), or wants it again ("resume")."""
        business, person = self._world.number(number), self._world.persons.find(sender)
        preference = {
            "wa_id": person.phone,
            "detail": f"User requested to {value} marketing messages",
            "category": "marketing_messages",
            "value": value,
            "timestamp": int(self._world.clock.now()),
        }
        told = value_of(business, contacts=[person.contact()], user_preferences=[preference])
        return await self._world.notifier.tell(business, "user_preferences", told)

    async def tell_status(
        self, message_id: str, status: str, *, number: str | None = None, code: int | None = None
    ) -> dict[str, Any]:
        """Tell one status of a message once more, or another one: "played", or "failed" with a code."""
        business = self._world.number(number)
        message = self._world.chats.find(business, message_id)
        if message is None:
            raise LookupError(f"There is no message {message_id}.")
        await self._statuses.tell(business, message, status, None if code is None else Refused(code))
        return {}

    async def tell_raw(self, field: str, value: dict[str, Any], *, number: str | None = None) -> Said:
        """Tell any change."""
        business = self._world.number(number)
        return await self._world.notifier.tell(business, field, value)

    async def tell_bytes(self, body: str, *, signature: str | None = None, number: str | None = None) -> Said:
        """Deliver any body, signed rightly unless a signature is given."""
        return await self._world.notifier.raw(self._world.number(number), body.encode(), signature)
