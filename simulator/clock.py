"""The simulated world's clock: this machine's, and as far ahead of it as a test wants."""

import time


class Clock:
    """Seconds since 1970. Put forward, it ages windows, streams, tokens and media without waiting."""

    def __init__(self) -> None:
        self.ahead_seconds = 0.0

    def now(self) -> float:
        """Return the simulated time."""
        return time.time() + self.ahead_seconds

    def advance(self, seconds: float) -> float:
        """Put it forward for good and return how far it is ahead now; raises ValueError for a way back."""
        if seconds < 0:
            raise ValueError("the clock does not go back")
        self.ahead_seconds += seconds
        return self.ahead_seconds
