"""How many turns may run at once while several tenants are at work: fewer where they get into each other's way."""

from math import inf

# A step that takes longer than both is slow: so many seconds, and so many times what it took at its best of late.
SLOW_SECONDS, SLOW_TIMES = 0.02, 3.0
LEAST = 16
SHRINKS_TO = 0.8
SAMPLES = 16
FORGETS = 1.01
# For so long after another tenant was last at work, one alone leaves room for it.
SHARED_SECONDS = 900.0


class Headroom:
    """Follows how long a step takes that needs the whole host: event loop, connections, processor.

    Grows by one and shrinks by a fifth, as TCP does (RFC 5681): where steps are quick, `most` is reached and nothing
    is held back; where they are not, whoever floods gets fewer slots, and the others' steps are quick again. Where
    fewer slots do not help, as with a database that is far away, the best of late becomes slow as well.
    """

    def __init__(self, most: int) -> None:
        """`most`: never more than so many."""
        self._most = self._now = most
        self._best = inf
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
        self._best = min(mean, self._best * FORGETS)
        if mean > max(SLOW_SECONDS, SLOW_TIMES * self._best):
            self._now = max(min(LEAST, self._most), int(self._now * SHRINKS_TO))
        elif full:
            self._now = min(self._most, self._now + 1)
