"""How fast WhatsApp may be written to: its pair rate, and growing pauses after it asked for one."""

import time
from collections.abc import Callable

from konstruct.errors import ChannelBusy

# One message every six seconds to one contact; a burst of 45 may be taken in advance. One less is safe.
PAIR_SECONDS = 6.0
PAIR_BURST = 44
# Meta asks to wait 4^n seconds after the n-th refusal.
PAUSE_BASE_SECONDS = 4.0
LONGEST_PAUSE_SECONDS = 256.0
KEPT_RECIPIENTS = 10_000
# A limit on all that the number sends, not on one recipient.
EVERYBODY = ""


class Pacing:
    """The pace of one number."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nobody was written to yet."""
        self._clock = clock
        # When the pair's allowance is whole again; how often it was refused in a row, and until when it is closed.
        self._spent_until: dict[str, float] = {}
        self._closed: dict[str, tuple[int, float]] = {}

    def check(self, recipient: str) -> None:
        """Raise ChannelBusy while the number, or this recipient, must be left alone."""
        now = self._clock()
        for whom in (EVERYBODY, recipient):
            _, until = self._closed.get(whom, (0, now))
            if until > now:
                raise ChannelBusy(until - now, "WhatsApp asked to wait before the next message.")
        # Beyond the burst, each message waits for the oldest to be six seconds further away.
        ahead = self._spent_until.get(recipient, now) - now - (PAIR_BURST - 1) * PAIR_SECONDS
        if ahead > 0:
            raise ChannelBusy(ahead, "One contact takes no more than one message in six seconds.")

    def spend(self, recipient: str) -> None:
        """A message goes to this recipient."""
        now = self._clock()
        if len(self._spent_until) >= KEPT_RECIPIENTS:
            self._spent_until = {whom: until for whom, until in self._spent_until.items() if until > now}
        self._spent_until[recipient] = max(now, self._spent_until.get(recipient, now)) + PAIR_SECONDS

    def refuse(self, whom: str) -> float:
        """WhatsApp refused for its rate; answers the seconds to wait, more with every refusal in a row."""
        times = self._closed.get(whom, (0, 0.0))[0] + 1
        pause = min(LONGEST_PAUSE_SECONDS, PAUSE_BASE_SECONDS**times)
        self._closed[whom] = (times, self._clock() + pause)
        return pause

    def accept(self, recipient: str) -> None:
        """WhatsApp took a message: what was refused before is forgotten."""
        self._closed.pop(recipient, None)
        self._closed.pop(EVERYBODY, None)
