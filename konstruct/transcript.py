"""How what was heard reads in the window: messages as they are, everything else in brackets."""

from collections.abc import Iterable

from konstruct.messages import Attachment, Heard, Role


def role_of(heard: Heard) -> Role:
    """Who speaks."""
    return "operator" if heard.kind == "operator" else "contact"


def line_of(heard: Heard) -> str:
    """One entry of the window; empty where there is nothing to remember."""
    match heard.kind:
        case "reaction":
            return f"[reacted with {heard.text}]" if heard.text else ""
        case "unsupported":
            return f"[sent {heard.text}, which cannot be read here]"
        case _:
            return "\n".join(filter(None, [heard.text, *_files(heard.attachments)]))


def _files(attachments: Iterable[Attachment]) -> list[str]:
    return [f"[{attachment.kind}: {attachment.name or attachment.media_type}]" for attachment in attachments]
