"""What an app may do: the scopes that its person granted, and those that a method asks for."""

from simulator.slack.app import App
from simulator.slack.refusal import Refused

# Each method needs one of these; what is not named needs none. Kinds of channels have scopes of their own.
NEEDED: dict[str, tuple[str, ...]] = {
    "chat.postMessage": ("chat:write",),
    "chat.postEphemeral": ("chat:write",),
    "chat.update": ("chat:write",),
    "chat.delete": ("chat:write",),
    "chat.startStream": ("chat:write",),
    "chat.appendStream": ("chat:write",),
    "chat.stopStream": ("chat:write",),
    "assistant.threads.setStatus": ("chat:write", "assistant:write"),
    "assistant.threads.setSuggestedPrompts": ("chat:write", "assistant:write"),
    "assistant.threads.setTitle": ("chat:write", "assistant:write"),
    "reactions.add": ("reactions:write",),
    "reactions.remove": ("reactions:write",),
    "reactions.get": ("reactions:read",),
    "files.info": ("files:read",),
    "files.getUploadURLExternal": ("files:write",),
    "files.completeUploadExternal": ("files:write",),
    "users.info": ("users:read",),
}
BY_CHANNEL = {"conversations.history": "history", "conversations.replies": "history", "conversations.info": "read"}
KINDS = {"D": ("im",), "G": ("mpim", "groups")}


def check_scope(app: App, method: str, arguments: dict[str, object]) -> None:
    """Raise Refused where the app was not granted what the method needs; an app without scopes may do all."""
    if not app.scopes:
        return
    needed = NEEDED.get(method, ())
    if method in BY_CHANNEL:
        kinds = KINDS.get(str(arguments.get("channel", ""))[:1], ("channels", "groups"))
        needed = tuple(f"{kind}:{BY_CHANNEL[method]}" for kind in kinds)
    if method == "conversations.open":
        needed = ("mpim:write",) if "," in str(arguments.get("users", "")) else ("im:write",)
    if needed and not set(needed) & set(app.scopes):
        raise Refused("missing_scope", needed=needed[0], provided=",".join(app.scopes))
