"""Slack's three control characters: https://docs.slack.dev/messaging/formatting-message-text#escaping."""


def escape(text: str) -> str:
    """Plain text as Slack wants it sent."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """What a person typed, from what Slack delivers; references such as <@U1> stay as they are."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
