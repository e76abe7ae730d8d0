"""How this Slack behaves where Slacks differ."""

from dataclasses import dataclass


@dataclass(slots=True)
class Options:
    """May be changed while it runs."""

    honour_client_msg_id: bool = True
    mentions_twice: bool = True
    # False: a GovSlack, which has no streaming methods.
    streaming: bool = True
    stream_seconds: float = 300.0
