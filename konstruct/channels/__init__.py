"""Channels: one folder each, understandable alone; and the list of all of them."""

from collections.abc import Callable

from konstruct.channels.channel import Channel, Line
from konstruct.channels.slack import SlackChannel
from konstruct.channels.web_chat import WebChatChannel
from konstruct.channels.whatsapp import WhatsAppChannel

__all__ = ["CHANNELS", "Channel", "Line"]

# kind -> constructor
CHANNELS: dict[str, Callable[[Line], Channel]] = {
    "slack": SlackChannel,
    "whatsapp": WhatsAppChannel,
    "web": WebChatChannel,
}
