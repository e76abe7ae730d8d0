"""One workspace's rate limits, for calls that can wait: https://docs.slack.dev/apis/web-api/rate-limits.

What must go out is counted, and never held back here.
"""

import time
from collections.abc import Callable

# Calls per minute: tiers 2, 3 and 4.
PER_MINUTE = {
    "chat.startStream": 20,
    "chat.stopStream": 20,
    "chat.update": 50,
    "chat.appendStream": 100,
}
# Of a minute's calls: what may go out at once; what may come on top within the minute is the rest.
AT_ONCE = 0.4


class Pace:
    """A bucket per method, so filled that no minute sees more calls than the tier allows."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` counts seconds."""
        self._clock = clock
        self._left = {method: calls * AT_ONCE for method, calls in PER_MINUTE.items()}
        self._seen = dict.fromkeys(PER_MINUTE, clock())
        self._closed_until: dict[str, float] = {}

    def wait(self, method: str, reserve: int = 0) -> float:
        """Seconds until a call that can wait may go out and leave `reserve` calls for others; 0 = now."""
        now = self._clock()
        closed = max(0.0, self._closed_until.get(method, now) - now)
        if method not in PER_MINUTE:
            return closed
        missing = 1.0 + reserve - self._fill(method, now)
        return max(closed, missing / _per_second(method), 0.0)

    def spend(self, method: str) -> None:
        """A call goes out."""
        if method in PER_MINUTE:
            self._left[method] = self._fill(method, self._clock()) - 1.0

    def limited(self, method: str, seconds: float) -> None:
        """Slack wants no call of this method for so long."""
        self._closed_until[method] = self._clock() + seconds

    def _fill(self, method: str, now: float) -> float:
        passed, self._seen[method] = now - self._seen[method], now
        most = PER_MINUTE[method] * AT_ONCE
        self._left[method] = min(most, self._left[method] + passed * _per_second(method))
        return self._left[method]


def _per_second(method: str) -> float:
    return PER_MINUTE[method] * (1 - AT_ONCE) / 60.0
