"""Slack's way to say no: HTTP 200 with `ok: false` and the name of the error."""


class Refused(Exception):
    """Slack answers `ok: false`; the message is the error's name, like "channel_not_found"."""

    def __init__(self, error: str, **more: str) -> None:
        """`more`: further fields of the answer."""
        super().__init__(error)
        self.more = more


class Limited(Exception):
    """Slack answers 429; `seconds` is when to try again."""

    def __init__(self, seconds: int) -> None:
        super().__init__("ratelimited")
        self.seconds = seconds
