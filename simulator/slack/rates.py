"""Slack's rate limits: so many calls per minute, method and workspace."""

from collections import deque
from math import ceil

from simulator.clock import Clock
from simulator.slack.options import Options

WINDOW_SECONDS = 60.0
HISTORY_METHODS = ("conversations.history", "conversations.replies")


class Rates:
    """Counts calls of the last minute."""

    def __init__(self, options: Options, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._calls: dict[tuple[str, str], deque[float]] = {}

    def take(self, team: str, method: str) -> int:
        """Count a call and return 0, or return the seconds to wait where it is one too many."""
        allowed = self._options.rates.get(method)
        if self._options.non_marketplace and method in HISTORY_METHODS:
            allowed = 1
        if allowed is None:
            return 0
        now, calls = self._clock.now(), self._calls.setdefault((team, method), deque())
        while calls and calls[0] <= now - WINDOW_SECONDS:
            calls.popleft()
        if len(calls) >= allowed:
            return max(1, ceil(calls[0] + WINDOW_SECONDS - now)) if calls else int(WINDOW_SECONDS)
        calls.append(now)
        return 0

    def clear(self) -> None:
        """Forget all calls."""
        self._calls.clear()
