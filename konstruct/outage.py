"""Connections that refuse everything until an operator mends them: replies wait, and one of them tries at a time.

And replies that nobody refuses, but that fail and fail.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from konstruct.channels import Channel
from konstruct.errors import ChannelOutcomeUnknown, KonstructError
from konstruct.messages import Reply

# How often one looks whether the connection was configured anew, which is tried at once.
LOOK_SECONDS = 5.0
# What is mended at the provider shows only when it is tried: after a while, then after twice as long, and so on.
FIRST_TRY_SECONDS = 60.0
LONGEST_TRY_SECONDS = 3600.0
# A reply that is not refused, but fails for so long, is told to operators; where others go out from then on, it is set
# aside after as long again. See decisions/0001-claims.md.
STUCK_SECONDS = 900.0
# An answer that is a day old helps nobody, and no window of WhatsApp's is open any longer.
LONGEST_WAIT_SECONDS = 86_400.0

log = structlog.get_logger()

Renew = Callable[[], Awaitable[Channel]]
# Says something to the operators, past the outbox.
Tell = Callable[[KonstructError], Awaitable[None]]


class Trouble:
    """What keeps one reply, and until when it is tried (Unix seconds)."""

    def __init__(self, reply: Reply) -> None:
        """None yet."""
        self.until = (reply.created_at.timestamp() if reply.created_at else time.time()) + LONGEST_WAIT_SECONDS
        self.attempts = 0
        # Why the reply is given up, unless the next look finds it in the channel.
        self.hopeless = ""
        self.forget()

    def forget(self) -> None:
        """What was until now is no sign of what will be. All in monotonic seconds."""
        self.since: float | None = None
        self.told = False
        self.failed_at: float | None = None
        self.alone_since: float | None = None


class Outage:
    """One connection's, as all replies of this host see it that want to go there."""

    def __init__(self, channel: Channel) -> None:
        """`channel`: the one that was refused."""
        self._channel = channel
        self._over = False
        self._pause = FIRST_TRY_SECONDS
        self._try_at = time.monotonic() + self._pause
        self._look_at = time.monotonic() + LOOK_SECONDS

    async def wait(self, renew: Renew, end: float) -> Channel:
        """Wait for the end of the outage, for one's turn to try, or until `end` (Unix seconds); go on with this."""
        while not self._over and time.time() < end:
            now = time.monotonic()
            if now >= self._try_at:
                self._try_at = now + self._pause
                self._pause = min(LONGEST_TRY_SECONDS, self._pause * 2)
                break
            if now >= self._look_at:
                self._look_at = now + LOOK_SECONDS
                await self._look(renew)
            else:
                await asyncio.sleep(min(self._look_at, self._try_at, now + end - time.time()) - now)
        return self._channel

    def pass_on(self) -> None:
        """Whoever's turn it was to try has learned nothing: another one tries."""
        self._try_at = time.monotonic()

    def finish(self) -> None:
        """Something went through: all go on."""
        self._over = True

    async def _look(self, renew: Renew) -> None:
        with suppress(KonstructError):
            channel = await renew()
            if channel is not self._channel:
                self._channel, self._pause = channel, FIRST_TRY_SECONDS
                self.pass_on()


class Outages:
    """Of all connections of a host."""

    def __init__(self) -> None:
        """All is well."""
        self._known: dict[tuple[object, str, str], Outage] = {}
        self._through: dict[tuple[object, str, str], float] = {}
        self._told: dict[tuple[object, str, str], float] = {}

    def of(self, reply: Reply) -> Outage | None:
        """The one that this reply has to wait for."""
        return self._known.get(_connection(reply))

    def begin(self, reply: Reply, channel: Channel, reason: str) -> bool:
        """The connection was refused; False = that is known."""
        if _connection(reply) in self._known:
            return False
        log.error("channel must be connected again", tenant=reply.tenant, channel=reply.channel, reason=reason)
        self._known[_connection(reply)] = Outage(channel)
        return True

    def end(self, reply: Reply) -> None:
        """A reply went through."""
        self._through[_connection(reply)] = time.monotonic()
        if outage := self._known.pop(_connection(reply), None):
            outage.finish()
            log.info("channel is connected again", tenant=reply.tenant, channel=reply.channel)

    async def is_lost(self, reply: Reply, trouble: Trouble, failure: KonstructError, tell: Tell | None) -> bool:
        """It failed again, just now: is it to be given up, even unlooked for? Tells operators."""
        if trouble.hopeless:
            return True
        now = time.monotonic()
        trouble.since = trouble.since or now
        alone = self._fails_alone(reply, trouble, failure, now)
        if alone or time.time() >= trouble.until:
            log.error("reply is hopeless", reply=reply.id, reason=str(failure), alone=alone)
            trouble.hopeless = str(failure)
        elif now >= trouble.since + STUCK_SECONDS:
            log.error("reply does not get out", reply=reply.id, reason=str(failure))
            trouble.since, trouble.told = now, True
            if tell and now - self._told.get(_connection(reply), -STUCK_SECONDS) >= STUCK_SECONDS:
                self._told[_connection(reply)] = now
                await tell(failure)
        return False

    def _fails_alone(self, reply: Reply, trouble: Trouble, failure: KonstructError, now: float) -> bool:
        """Whether others have gone out beside it for long enough, also since it was last tried."""
        if not isinstance(failure, ChannelOutcomeUnknown):
            # Whom the channel asks to wait may be let in next.
            trouble.failed_at = trouble.alone_since = None
            return False
        failed_before, trouble.failed_at = trouble.failed_at, now
        beside = failed_before is not None and self._through.get(_connection(reply), 0.0) > failed_before
        if beside and trouble.told:
            trouble.alone_since = trouble.alone_since or now
        return beside and trouble.alone_since is not None and now >= trouble.alone_since + STUCK_SECONDS


def _connection(reply: Reply) -> tuple[object, str, str]:
    return (reply.tenant, reply.channel, reply.address.team)
