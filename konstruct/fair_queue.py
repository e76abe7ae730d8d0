"""Who starts next: tenants share a host's slots evenly, whatever each asks for; nobody waits while there is room."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from uuid import UUID

from konstruct.headroom import SHARED_SECONDS, Headroom
from konstruct.rate import Rate


@dataclass(frozen=True, slots=True)
class Pace:
    """A tenant's own limits; None = no limit."""

    at_once: int | None = None
    per_minute: int | None = None


@dataclass(slots=True)
class _Line:
    """One tenant with something running or waiting; `served`: when it last got a slot, as a running number."""

    served: int
    running: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)

    @property
    def anybody(self) -> bool:
        """Whether somebody still waits; forgets those at the head who gave up."""
        while self.waiting and self.waiting[0].done():
            self.waiting.popleft()
        return bool(self.waiting)


class FairQueue:
    """Of those who wait, the tenant with the fewest slots is next; among equals, who was served longest ago.

    Slots are held for unequal and unknown times, so slots are shared, not starts: decisions/0020-fair-turns.md.
    Within a tenant: first come, first served.
    """

    def __init__(self, at_once: int, each: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """`each`: how many slots one tenant may hold, so that others find one free."""
        self._at_once = at_once
        self._each = each or at_once
        self._clock = clock
        self._lines: dict[UUID, _Line] = {}
        self._paces: dict[UUID, Pace] = {}
        self._rates: dict[UUID, Rate] = {}
        self._numbers = count()
        self._last: UUID | None = None
        self._shared_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.headroom = Headroom(at_once)
        self.running = 0
        # Among how many queues like this one, each on a host of its own, a tenant's limits are divided.
        self.parts = 1

    @property
    def waiting(self) -> int:
        """How many wait for a slot."""
        return sum(len(line.waiting) for line in self._lines.values())

    def set_pace(self, tenant: UUID, pace: Pace) -> None:
        """The tenant's limits, as configured now."""
        if pace == self._paces.get(tenant, Pace()):
            return
        if pace == Pace():
            del self._paces[tenant]
            self._rates.pop(tenant, None)
        else:
            self._paces[tenant] = pace
        self._grant()

    @asynccontextmanager
    async def slot(self, tenant: UUID) -> AsyncIterator[bool]:
        """Hold a slot for the length of the block; waits only where there is none for this tenant.

        Answers whether more of this tenant wait: then nobody should hold a slot for longer than needed.
        """
        await self._enter(tenant)
        try:
            yield self._lines[tenant].anybody
        finally:
            self._leave(tenant)

    def felt(self, seconds: float) -> None:
        """A step that needs the whole host took so long."""
        self.headroom.felt(seconds, full=self.running >= self.headroom.turns)

    async def _enter(self, tenant: UUID) -> None:
        line = self._lines.get(tenant)
        if line is None:
            line = self._lines[tenant] = _Line(next(self._numbers))
        self._note_company(tenant)
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.waiting.append(ticket)
        self._grant()
        if ticket.done():
            return
        try:
            await ticket
        except asyncio.CancelledError:
            if not ticket.cancelled():
                self._leave(tenant)
            self._tidy(tenant)
            raise

    def _leave(self, tenant: UUID) -> None:
        self._lines[tenant].running -= 1
        self.running -= 1
        self._grant()
        self._tidy(tenant)

    def _tidy(self, tenant: UUID) -> None:
        line = self._lines.get(tenant)
        if line is not None and not line.running and not line.anybody:
            del self._lines[tenant]

    def _grant(self) -> None:
        """Start whoever may start."""
        while self.running < self._at_once:
            able = [item for item in self._lines.items() if self._may_start(*item)]
            if not able:
                break
            tenant, line = min(able, key=lambda item: (item[1].running, item[1].served))
            line.waiting.popleft().set_result(None)
            line.running += 1
            line.served = next(self._numbers)
            self.running += 1
            if tenant in self._paces:
                self._rates.setdefault(tenant, Rate()).note(self._clock())

    def _may_start(self, tenant: UUID, line: _Line) -> bool:
        if not line.anybody:
            return False
        room = self.headroom.turns if self._shared else self._at_once
        # A tenant below its share starts although others have filled the room.
        if self.running >= room and line.running >= max(1, room // len(self._lines)):
            return False
        pace = self._paces.get(tenant)
        if pace is None:
            return line.running < self._each
        return line.running < min(self._each, self._part(pace.at_once)) and self._in_pace(tenant, pace)

    def _in_pace(self, tenant: UUID, pace: Pace) -> bool:
        if pace.per_minute is None or tenant not in self._rates:
            return True
        wait = self._rates[tenant].wait(self._part(pace.per_minute), self._clock())
        if wait:
            self._look_again(wait)
        return not wait

    def _look_again(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            if self._timer.when() <= loop.time() + seconds:
                return
            self._timer.cancel()
        self._timer = loop.call_later(seconds, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._grant()

    def _part(self, limit: int | None) -> int:
        return self._each if limit is None else -(-limit // self.parts)

    def _note_company(self, tenant: UUID) -> None:
        if tenant != self._last:
            self._shared_at = None if self._last is None else self._clock()
            self._last = tenant

    @property
    def _shared(self) -> bool:
        return self._shared_at is not None and self._clock() < self._shared_at + SHARED_SECONDS
