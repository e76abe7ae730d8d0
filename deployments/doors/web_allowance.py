"""How fast one visitor may write: a bucket of messages that fills again, in each replica."""

from uuid import UUID

BURST_MESSAGES = 12
MESSAGES_PER_SECOND = 0.5
KEPT_BUCKETS = 20_000


class Allowance:
    """Buckets by conversation."""

    def __init__(self) -> None:
        """Every bucket is full at first."""
        self._buckets: dict[UUID, tuple[float, float]] = {}

    def wait(self, place: UUID, now: float) -> float:
        """Take one message out of the bucket: 0, or how many seconds until there is one. `now` is monotonic."""
        left, at = self._buckets.get(place, (float(BURST_MESSAGES), now))
        left = min(float(BURST_MESSAGES), left + (now - at) * MESSAGES_PER_SECOND)
        if len(self._buckets) >= KEPT_BUCKETS:
            self._buckets.clear()
        if left < 1:
            self._buckets[place] = (left, now)
            return (1 - left) / MESSAGES_PER_SECOND
        self._buckets[place] = (left - 1, now)
        return 0.0
