"""Buttons, list rows, forms and templates' quick replies."""

from typing import Any

import orjson

from simulator.delivery import Said
from simulator.whatsapp.people.acting import ANNA, Acting


class Choosing(Acting):
    """Presses what a business offered."""

    async def choose(self, message_id: str, what: str, *, number: str | None = None) -> Said:
        """Press a button or choose a row of a message, named by its title or id."""
        _, message = self._found(number, message_id)
        for choice in message.choices:
            kind = choice.get("reply")
            if kind and what in (choice["id"], choice["title"]):
                reply = {name: choice[name] for name in ("id", "title", "description") if name in choice}
                said = {"type": kind, kind: reply}
                context = self._quote(number, message_id)
                sender = message.person.phone or message.person.user_id
                return await self._send(sender, number, "interactive", said, choice["title"], context)
        raise LookupError(f"Message {message_id} offers nothing called {what!r}.")

    async def fill_form(
        self, message_id: str, answers: dict[str, Any], *, sender: str = ANNA, number: str | None = None
    ) -> Said:
        """Send the form (flow) of a message."""
        reply = {"name": "flow", "body": "Sent", "response_json": orjson.dumps(answers).decode()}
        said = {"type": "nfm_reply", "nfm_reply": reply}
        return await self._send(sender, number, "interactive", said, "Sent", self._quote(number, message_id))

    async def reply_to_template(
        self, message_id: str, text: str, *, payload: str = "", sender: str = ANNA, number: str | None = None
    ) -> Said:
        """Press a template's quick reply."""
        button = {"payload": payload or text, "text": text}
        return await self._send(sender, number, "button", button, text, self._quote(number, message_id))
