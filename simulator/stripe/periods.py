"""Billing periods: calendar months and years from an anchor, whatever the length of the months between."""

import calendar
from datetime import UTC, datetime, timedelta

from simulator.stripe.store import Thing


def later(at: int, recurring: Thing, anchor: int) -> int:
    """Return the end of the period that begins at `at`."""
    count, unit = recurring["interval_count"], recurring["interval"]
    begun = datetime.fromtimestamp(at, UTC)
    if unit in ("day", "week"):
        return int((begun + timedelta(days=count * (7 if unit == "week" else 1))).timestamp())
    months = begun.month - 1 + count * (12 if unit == "year" else 1)
    year, month = begun.year + months // 12, months % 12 + 1
    # 31 January, 28 February, 31 March: the anchor's day counts, not that of the month before.
    day = min(datetime.fromtimestamp(anchor, UTC).day, calendar.monthrange(year, month)[1])
    return int(begun.replace(year=year, month=month, day=day).timestamp())
