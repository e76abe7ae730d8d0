"""How this WhatsApp behaves where it may behave in several ways."""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(slots=True)
class Options:
    """May be changed while it runs. Times are in seconds."""

    window_seconds: float = 86_400.0
    # How a message outside the window is refused: at once, or by a failed status later.
    window_error: Literal["refuse", "status"] = "refuse"
    # Which statuses follow a message, how far apart, in which order, and how often each.
    statuses: list[str] = field(default_factory=lambda: ["sent", "delivered", "read"])
    status_seconds: float = 0.0
    shuffle_statuses: bool = False
    duplicate_statuses: bool = False
    # Error codes with which the next accepted messages fail later, one each.
    failures: list[int] = field(default_factory=list)
    # Meta's pages disagree on whether `to` takes a user id.
    user_id_in_to: bool = False
    media_url_seconds: float = 300.0
    # Where a media download is redirected to, such as another host.
    redirect_media_to: str = ""
    # Known templates as {name: {"category", "status", "parameters"}}; empty: any template is known.
    templates: dict[str, dict[str, Any]] = field(default_factory=dict)
    # Webhooks of apps on v24 and later carry the media's URL as well.
    media_urls: bool = False
    # At most so many messages a minute to one person (131056); 0: any number.
    pair_rate: int = 0
