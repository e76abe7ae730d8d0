"""Texts, media, places, contacts and orders of people; reactions, edits and revocations."""

from base64 import b64decode
from typing import Any

from simulator.delivery import Said
from simulator.timeline import Kind
from simulator.whatsapp.chats import new_id
from simulator.whatsapp.people.acting import ANNA, Acting

MIME_TYPES = {
    "image": "image/jpeg",
    "video": "video/mp4",
    "audio": "audio/ogg; codecs=opus",
    "document": "application/pdf",
    "sticker": "image/webp",
}


class Writing(Acting):
    """Writes something, and what else one does with messages."""

    async def say(
        self,
        text: str,
        *,
        sender: str = ANNA,
        number: str | None = None,
        quote: str | None = None,
        forwarded: str = "",
        product: str = "",
        referral: dict[str, Any] | None = None,
        group: str = "",
    ) -> Said:
        """Write a text. `quote`: a message's id; `forwarded`: "forwarded" or "frequently_forwarded"."""
        context: dict[str, Any] = self._quote(number, quote) or {}
        if forwarded:
            context[forwarded] = True
        if product:
            context["referred_product"] = {"catalog_id": "194836987003835", "product_retailer_id": product}
        more: dict[str, Any] = {"referral": referral} if referral else {}
        more |= {"group_id": group} if group else {}
        return await self._send(sender, number, "text", {"body": text}, text, context or None, **more)

    async def share(
        self,
        kind: str,
        content: str = "",
        *,
        content_base64: str = "",
        mime_type: str = "",
        caption: str = "",
        filename: str = "",
        voice: bool = False,
        animated: bool = False,
        sender: str = ANNA,
        number: str | None = None,
        quote: str | None = None,
    ) -> Said:
        """Send an image, video, audio, document or sticker; `voice`: an audio that was spoken here."""
        raw = b64decode(content_base64) if content_base64 else content.encode()
        business, world = self._world.number(number), self._world
        media = world.media.add(business, mime_type or MIME_TYPES[kind], raw, filename=filename, by_user=True)
        told: dict[str, Any] = {"id": media.id, "mime_type": media.mime_type, "sha256": media.sha256}
        told |= {name: said for name, said in (("caption", caption), ("filename", filename)) if said}
        told |= {"voice": voice} if kind == "audio" else {}
        told |= {"animated": animated} if kind == "sticker" else {}
        told |= {"url": world.media.link(media)} if world.options.media_urls else {}
        return await self._send(sender, number, kind, told, caption, self._quote(number, quote))

    async def locate(
        self,
        latitude: float,
        longitude: float,
        *,
        name: str = "",
        address: str = "",
        sender: str = ANNA,
        number: str | None = None,
    ) -> Said:
        """Send a place."""
        named = {key: said for key, said in (("name", name), ("address", address)) if said}
        place = {"latitude": latitude, "longitude": longitude, **named}
        return await self._send(sender, number, "location", place, name or f"{latitude},{longitude}")

    async def introduce(self, *names: str, sender: str = ANNA, number: str | None = None) -> Said:
        """Send contact cards."""
        cards = [
            {
                "name": {"formatted_name": name, "first_name": name.split(" ", maxsplit=1)[0]},
                "phones": [{"phone": "+1 415 555 0829", "wa_id": "14155550829", "type": "MOBILE"}],
            }
            for name in names
        ]
        return await self._send(sender, number, "contacts", cards, ", ".join(names))

    async def order(
        self, items: dict[str, int], *, text: str = "", sender: str = ANNA, number: str | None = None
    ) -> Said:
        """Order so many pieces of products, by their retailer ids."""
        priced = [
            {"product_retailer_id": item, "quantity": count, "item_price": 9.5, "currency": "EUR"}
            for item, count in items.items()
        ]
        order = {"catalog_id": "194836987003835", "text": text, "product_items": priced}
        return await self._send(sender, number, "order", order, text)

    async def send_unsupported(
        self, what: str = "poll_creation", *, sender: str = ANNA, number: str | None = None
    ) -> Said:
        """Send what the API has no words for."""
        details = {"details": "Message type is currently not supported."}
        error = {"code": 131051, "title": "Message type unknown", "message": "Message type unknown"}
        return await self._send(
            sender, number, "unsupported", {"type": what}, "", errors=[error | {"error_data": details}]
        )

    async def react(self, message_id: str, emoji: str, *, sender: str = ANNA, number: str | None = None) -> Said:
        """React to a message; "" takes the reaction back."""
        business, target = self._found(number, message_id)
        kind: Kind = "reaction" if emoji else "reaction_removed"
        self._world.chats.show(kind, business, target, emoji, by_business=False)
        reaction = {"message_id": message_id, "emoji": emoji}
        return await self._tell(
            business, self._world.persons.find(sender), new_id(), "reaction", {"reaction": reaction}
        )

    async def edit(self, message_id: str, text: str, *, number: str | None = None) -> Said:
        """Change one's text, or one's caption."""
        business, message = self._found(number, message_id)
        message.text = text
        name = "body" if message.kind == "text" else "caption"
        message.content = message.content | {name: text}
        self._world.chats.record("edit", business, message)
        changed = {"type": message.kind, message.kind: message.content}
        edit = {"original_message_id": message_id, "message": changed}
        return await self._tell(business, message.person, new_id(), "edit", {"edit": edit})

    async def revoke(self, message_id: str, *, number: str | None = None) -> Said:
        """Take one's message back."""
        business, message = self._found(number, message_id)
        message.deleted = True
        self._world.chats.record("delete", business, message)
        revoke = {"original_message_id": message_id}
        return await self._tell(business, message.person, new_id(), "revoke", {"revoke": revoke})
