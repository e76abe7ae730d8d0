"""What a business may send, and what of it a person reads; limits are WhatsApp's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulator.whatsapp.interactive import Choices, read_interactive
from simulator.whatsapp.number import Number
from simulator.whatsapp.refusal import Refused
from simulator.whatsapp.world import World

MAX_TEXT_CHARS = 4_096
MAX_CAPTION_CHARS = 1_024
MEDIA_KINDS = ("image", "video", "audio", "document", "sticker")


@dataclass(frozen=True, slots=True)
class Content:
    """What is read, what can be pressed, which files are shown."""

    text: str
    choices: Choices = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)


def read_content(world: World, number: Number, body: dict[str, Any]) -> Content:
    """Return what the message says; raises Refused."""
    kind = body.get("type", "text")
    read = READERS.get(kind)
    if read is None:
        raise Refused(100, f"Param type must be one of {', '.join(sorted(READERS))}.")
    said = body.get(kind)
    if not isinstance(said, dict | list):
        raise Refused(131008, f"The parameter {kind} is required.")
    return read(world, number, kind, said)


def _text(_world: World, _number: Number, _kind: str, said: Any) -> Content:
    text = said.get("body")
    if not isinstance(text, str) or not text.strip():
        raise Refused(131008, "The parameter text['body'] is required.")
    if len(text) > MAX_TEXT_CHARS:
        raise Refused(100, f"Param text['body'] must be at most {MAX_TEXT_CHARS} characters long.")
    return Content(text)


def _media(world: World, number: Number, kind: str, said: Any) -> Content:
    caption, link, media_id = said.get("caption", ""), said.get("link"), said.get("id")
    if bool(link) == bool(media_id):
        raise Refused(100, f"{kind} takes either id or link.")
    if caption and (kind in ("audio", "sticker") or len(caption) > MAX_CAPTION_CHARS):
        raise Refused(100, f"Param {kind}['caption'] is not possible, or over {MAX_CAPTION_CHARS} characters long.")
    shown = {"type": kind, "filename": said.get("filename", "")}
    if link:
        if not str(link).startswith(("http://", "https://")):
            raise Refused(100, f"Param {kind}['link'] is not a valid URL.")
        return Content(caption, files=[shown | {"link": link}])
    media = world.media.find(number, str(media_id))
    if media is None:
        raise Refused(100, f"Param {kind}['id'] is not a valid WhatsApp Business account media attachment ID.")
    return Content(caption, files=[shown | {"id": media.id, "mime_type": media.mime_type, "size": len(media.content)}])


def _interactive(_world: World, _number: Number, _kind: str, said: Any) -> Content:
    text, choices = read_interactive(said)
    return Content(text, choices)


def _template(world: World, _number: Number, _kind: str, said: Any) -> Content:
    name, language = said.get("name"), (said.get("language") or {}).get("code")
    if not name or not language:
        raise Refused(131008, "A template needs a name and a language code.")
    components = said.get("components") or []
    parameters = [
        parameter.get("text", parameter.get("type", ""))
        for component in components
        if component.get("type") == "body"
        for parameter in component.get("parameters", ())
    ]
    _check_template(world, name, parameters)
    if any("\n" in told or "\t" in told or "    " in told for told in parameters):
        raise Refused(100, "A parameter cannot have line breaks, tabs or more than 4 blanks in a row.")
    return Content(f"{name}({', '.join(parameters)})")


def _check_template(world: World, name: str, parameters: list[str]) -> None:
    known = world.options.templates
    if not known:
        return
    if name not in known:
        raise Refused(132001, f"The template {name} does not exist in that language.")
    template = known[name]
    for status, code in (("PAUSED", 132015), ("DISABLED", 132016)):
        if template.get("status") == status:
            raise Refused(code)
    if template.get("parameters", len(parameters)) != len(parameters):
        raise Refused(132000, f"{len(parameters)} parameters were sent, {template['parameters']} are expected.")


def _location(_world: World, _number: Number, _kind: str, said: Any) -> Content:
    if "latitude" not in said or "longitude" not in said:
        raise Refused(131008, "A location needs latitude and longitude.")
    return Content(said.get("name") or f"{said['latitude']},{said['longitude']}")


def _contacts(_world: World, _number: Number, _kind: str, said: Any) -> Content:
    if not isinstance(said, list) or any(not card.get("name", {}).get("formatted_name") for card in said):
        raise Refused(131008, "Each contact needs a formatted name.")
    return Content(", ".join(card["name"]["formatted_name"] for card in said))


READERS: Mapping[str, Callable[[World, Number, str, Any], Content]] = {
    "text": _text,
    **dict.fromkeys(MEDIA_KINDS, _media),
    "interactive": _interactive,
    "template": _template,
    "location": _location,
    "contacts": _contacts,
}
