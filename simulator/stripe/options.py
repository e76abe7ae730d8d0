"""How this Stripe behaves where it may behave in several ways."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(slots=True)
class Options:
    """May be changed while it runs."""

    # What the webhook is sent: whole objects, or thin notifications that say what to fetch.
    payload: Literal["snapshot", "thin"] = "snapshot"
    # Whether thin notifications name the whole event that belongs to them.
    names_snapshots: bool = True
    # Events wait until `release` sends them, in any order and number.
    hold_events: bool = False
    # Every event is sent so many times.
    copies: int = 1
    # What the account is set to do: days after which a failed payment is tried again, and what follows the last.
    dunning_days: list[int] = field(default_factory=lambda: [3, 5, 7])
    after_dunning: Literal["canceled", "unpaid", "past_due"] = "canceled"
    # A renewal's invoice stays a draft so long: usage that arrives meanwhile is still on it.
    draft_seconds: float = 3600.0
    # The clock that stamps signatures lies so far behind this machine's.
    signature_age_seconds: float = 0.0
    # The API version that events say they are of.
    api_version: str = "2026-10-28.endive"
    # Until then (simulated seconds since 1970) every call of the API is answered 503.
    down_until: float = 0.0
    # Meters add up with a delay: summaries show what was taken so long ago.
    meter_lag_seconds: float = 0.0
