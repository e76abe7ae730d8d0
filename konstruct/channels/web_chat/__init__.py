"""The web chat: a page of our own, signed visitors in, a table of what is visible out. Knows no vendor."""

from konstruct.channels.web_chat.client import WebChatChannel, conversation
from konstruct.channels.web_chat.message import Message, Unreadable, parse
from konstruct.channels.web_chat.token import sign, verify

__all__ = ["Message", "Unreadable", "WebChatChannel", "conversation", "parse", "sign", "verify"]
