"""How often something happened in the last minute."""

from collections import deque

MINUTE_SECONDS = 60.0


class Rate:
    """Remembers the last minute, exactly: never more than the limit in any 60 seconds. Times are monotonic."""

    __slots__ = ("_at",)

    def __init__(self) -> None:
        """Nothing happened yet."""
        self._at: deque[float] = deque()

    def wait(self, per_minute: int, now: float) -> float:
        """Seconds until it may happen once more; 0 = now."""
        self._forget(now)
        over = len(self._at) - per_minute
        return 0.0 if over < 0 else self._at[over] + MINUTE_SECONDS - now

    def note(self, now: float) -> None:
        """It happened."""
        self._at.append(now)

    def idle(self, now: float) -> bool:
        """Whether the last minute was empty."""
        self._forget(now)
        return not self._at

    def _forget(self, now: float) -> None:
        while self._at and self._at[0] <= now - MINUTE_SECONDS:
            self._at.popleft()
