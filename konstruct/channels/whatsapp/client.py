"""WhatsApp's side of the Channel protocol: https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages."""

import asyncio
from typing import Any

import aiohttp
import orjson

from konstruct.channels.channel import Line
from konstruct.channels.emoji import lone_emoji
from konstruct.channels.whatsapp import outgoing
from konstruct.channels.whatsapp.fields import identity, mappings
from konstruct.channels.whatsapp.files import Files
from konstruct.channels.whatsapp.pacing import EVERYBODY, Pacing
from konstruct.channels.whatsapp.verdicts import Refusal, answered, verdict
from konstruct.errors import ChannelBusy, ChannelOutcomeUnknown, ChannelRefused
from konstruct.messages import Address, Attachment, Reply, Sighting

SEND_SECONDS = 4.0


class WhatsAppChannel:
    """One business number under one access token."""

    grows = False
    status_seconds = 20.0  # a typing indicator ends after 25 seconds
    marks_read = True
    # Statuses of what was sent come within seconds, and name our reply.
    reconciles_seconds: tuple[float, ...] = (5.0, 10.0, 20.0)

    def __init__(self, line: Line) -> None:
        """`line.team` is the phone_number_id; `line.api_url` ends with the version."""
        self._api_url = line.api_url.rstrip("/") + "/"
        self._number = line.team
        self._session = line.session
        self._options = line.options
        self._headers = {"Authorization": f"Bearer {line.secrets['access_token']}"}
        self._pacing = Pacing()
        self._files = Files(line.session, self._api_url, self._headers, line.team)

    def split(self, text: str) -> list[str]:
        """Parts of at most 4,096 characters; with choices, a last part that has room for them."""
        return outgoing.parts(text)

    def reacts(self, text: str) -> bool:
        """Whether it is nothing but one emoji."""
        return bool(lone_emoji(text))

    async def send(self, reply: Reply, text: str, *, partial: bool = False) -> str:  # noqa: ARG002
        """One message; answers its wamid. `partial` never happens here: answers do not grow."""
        recipient = reply.address.channel
        self._pacing.check(recipient)
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return await self._send(reply, text)
        except Refusal as refusal:
            busy = refusal.verdict.fate == "busy"
            whom = EVERYBODY if refusal.verdict.scope == "number" else recipient
            raise refusal.as_error(self._pacing.refuse(whom) if busy else 0.0) from refusal
        except aiohttp.ClientConnectorError as error:
            # No connection, so nothing left this machine; try again soon.
            raise ChannelBusy(1.0, f"WhatsApp cannot be reached: {error}.") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ChannelOutcomeUnknown(f"WhatsApp gave no answer: {error or type(error).__name__}.") from error

    async def edit(self, reply: Reply, external_id: str, text: str, *, partial: bool = False) -> None:  # noqa: ARG002
        """WhatsApp has no edits for businesses."""
        raise ChannelRefused(f"WhatsApp message {external_id} cannot be changed once it is sent.")

    async def find(self, reply: Reply) -> Sighting | None:  # noqa: ARG002
        """WhatsApp has no history to search; statuses tell what was sent."""
        return None

    async def show_status(self, address: Address, source_id: str, status: str) -> None:  # noqa: ARG002
        """Mark the contact's message as read and show that somebody types; the next message ends it."""
        if not status or not source_id:
            return
        shown = {
            "messaging_product": "whatsapp",
            "status": "read",
            "message_id": source_id,
            "typing_indicator": {"type": "text"},
        }
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._post(shown)
        except Refusal as refusal:
            raise refusal.as_error(1.0) from refusal
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ChannelOutcomeUnknown(f"WhatsApp gave no answer: {error or type(error).__name__}.") from error

    async def fetch(self, attachment: Attachment, *, limit: int) -> bytes:
        """See Channel.fetch; raises ChannelBusy where a later attempt may succeed."""
        return await self._files.fetch(attachment, limit)

    async def _send(self, reply: Reply, text: str) -> str:
        if outgoing.closed(reply):
            return await self._deliver(reply, outgoing.template(reply, text, self._options))
        message = outgoing.message(reply, text, self._options)
        try:
            return await self._deliver(reply, message)
        except Refusal as refusal:
            if refusal.verdict.fate == "closed" and self._options.get("template"):
                # The window closed earlier than we knew.
                return await self._deliver(reply, outgoing.template(reply, text, self._options))
            if message["type"] == "text" or verdict(refusal.code) is not None:
                raise
            # It is the form that is refused, such as a reaction to a message of last month.
            return await self._deliver(reply, outgoing.plain(reply, text, self._options))

    async def _deliver(self, reply: Reply, message: dict[str, Any]) -> str:
        recipient = reply.address.channel
        self._pacing.spend(recipient)
        answer = await self._post(message)
        sent = next((identity(one.get("id")) for one in mappings(answer.get("messages"))), "")
        if not sent:
            raise ChannelOutcomeUnknown("WhatsApp took the message without giving it an id.")
        self._pacing.accept(recipient)
        return sent

    async def _post(self, message: dict[str, Any]) -> dict[str, Any]:
        headers = self._headers | {"Content-Type": "application/json"}
        url = f"{self._api_url}{self._number}/messages"
        async with self._session.post(
            url, data=orjson.dumps(message), headers=headers, allow_redirects=False
        ) as response:
            return answered(response.status, await response.read())
