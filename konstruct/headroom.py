"""How many turns may run at once while several tenants are at work: fewer where they get into each other's way."""

TARGET_SECONDS = 0.03
LEAST = 6
SHRINKS_TO = 0.8
SAMPLES = 16
# For so long after another tenant was last at work, one alone leaves room for it.
SHARED_SECONDS = 900.0


class Headroom:
    """Follows how long a step takes that needs the whole host: event loop, connections, processor.

    Grows by one and shrinks by a fifth, as TCP does (RFC 5681): where steps are quick, `most` is reached and nothing
    is held back; where they are not, whoever floods gets fewer slots, and the others' steps are quick again.
    """

    def __init__(self, most: int) -> None:
        """`most`: never more than so many."""
        self._most = most
        self._now = most
        self._sum, self._count = 0.0, 0

    @property
    def turns(self) -> int:
        """How many may run at once now."""
        return self._now

    def felt(self, seconds: float, *, full: bool) -> None:
        """One more step was measured. `full`: as many ran as may, so that more could be tried."""
        self._sum += seconds
        self._count += 1
        if self._count < SAMPLES:
            return
        mean, self._sum, self._count = self._sum / self._count, 0.0, 0
        if mean > TARGET_SECONDS:
            self._now = max(LEAST, min(int(self._now * SHRINKS_TO), self._now - 1))
        elif full:
            self._now = min(self._most, self._now + 1)
