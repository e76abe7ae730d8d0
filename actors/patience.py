"""How often, and for how long, one turn waits for somebody who is still speaking."""

import asyncio
import random
import time
from collections.abc import Callable

MAX_JOINS = 3
# Who has not spoken for so long has finished.
QUIET_SECONDS = 0.1
# In all, and by chance down to half of it: what one flood began must not recall and commit in one moment.
LONGEST_SECONDS = 3.0

# When somebody last spoke, `time.monotonic()`.
HeardAt = Callable[[], float]


class Patience:
    """A turn's: a burst joins it and begins it anew, a flood must not do so again and again."""

    def __init__(self) -> None:
        """For one turn."""
        self._joins = 0
        self._left = LONGEST_SECONDS * random.uniform(0.5, 1)  # noqa: S311 - jitter

    @property
    def lasts(self) -> bool:
        """Whether a message may still join."""
        return self._joins < MAX_JOINS and self._left > 0

    async def for_joins(self, heard_at: HeardAt) -> None:
        """Somebody spoke on while the turn ran: wait until nobody does."""
        self._joins += 1
        await self.until_quiet(heard_at)

    async def until_quiet(self, heard_at: HeardAt) -> None:
        """Wait until nobody speaks, or patience ends."""
        begun = now = time.monotonic()
        while now < (end := min(begun + self._left, heard_at() + QUIET_SECONDS)):
            await asyncio.sleep(end - now)
            now = time.monotonic()
        self._left -= now - begun
