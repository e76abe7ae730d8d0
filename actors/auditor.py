"""Seals audit rows into one hash chain per tenant, and signs how far each is. Several may run; one seals at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from actors.sealing import seal
from konstruct.audit.anchor_file import AnchorFile
from konstruct.audit.chain import instant
from konstruct.audit.signing import Signer
from konstruct.audit.statements import Anchor, NewKey, Signed
from konstruct.database import audit
from konstruct.database.audit import Horizon, Waiting
from konstruct.database.pool import Database
from konstruct.errors import AlreadyTaken, DatabaseUnavailable, KonstructError
from konstruct.failpoints import Failpoint, disarmed
from konstruct.metrics import Metrics

ROUND_SECONDS = 15.0
MONTHS_SECONDS = 6 * 3600.0
BATCH_ROWS = 5_000

log = structlog.get_logger()

Look = Callable[[], Awaitable[object]]


class Auditor:
    """One round seals what is older than the oldest running transaction: nothing can come before it any more."""

    def __init__(
        self,
        database: Database,
        signer: Signer,
        metrics: Metrics,
        anchor_file: AnchorFile,
        *,
        failpoint: Failpoint = disarmed,
        looks: Sequence[Look] = (),
    ) -> None:
        """`anchor_file`: outside the database, so that a tail cut off there is missed.

        `looks` are made beside the rounds, each again and again: one of them takes hours where there is much audit.
        """
        self._database = database
        self._signer = signer
        self._metrics = metrics
        self._anchor_file = anchor_file
        self._failpoint = failpoint
        self._looks = looks
        self._floor: int | None = None
        self._is_vouched = False
        self._months_at = -MONTHS_SECONDS
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Seal round after round, and look."""
        steps = [("seal", self.seal_once), *(("look", look) for look in self._looks)]
        self._tasks = [asyncio.create_task(self._repeat(what, step)) for what, step in steps]

    async def stop(self) -> None:
        """End at once; what is not sealed yet waits."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def check_health(self) -> None:
        """Raises RuntimeError where nobody seals any more, or looks."""
        if not self._tasks or any(task.done() for task in self._tasks):
            raise RuntimeError("Audit sealing has ended.")

    async def _repeat(self, what: str, step: Look) -> None:
        """Whatever goes wrong in one round is told, and the next one is made."""
        while True:
            try:
                await step()
            except Exception as error:
                self._metrics.count("konstruct_audit_failures_total", what)
                if isinstance(error, KonstructError):
                    log.warning("audit waits", step=what, reason=str(error))
                else:
                    log.exception("audit failed", step=what, reason=f"{type(error).__name__}: {error}")
            await asyncio.sleep(ROUND_SECONDS)

    async def seal_once(self) -> int:
        """One round; how many rows it sealed. Raises KonstructError; what was sealed before that stays."""
        await self._prepare()
        span = await audit.horizon(self._database, self._floor)
        done = _Round()
        for who in await audit.waiting(self._database, span):
            await self._seal_tenant(who, span, done)
        if done.is_whole:
            self._floor = span.next_floor
        if done.anchor is not None:
            self._anchor_file.write(done.anchor)
            self._failpoint("seal_remembered")
        if done.blocked:
            log.error("audit cannot be sealed; `konstruct audit verify --all` says why", tenants=done.blocked)
        self._metrics.gauge("konstruct_audit_blocked_tenants", len(done.blocked))
        self._metrics.count("konstruct_audit_sealed_total", by=done.rows)
        return done.rows

    async def _prepare(self) -> None:
        if not self._is_vouched:
            await self._vouch()
            self._is_vouched = True
        if time.monotonic() - self._months_at >= MONTHS_SECONDS:
            await audit.prepare_months(self._database)
            self._months_at = time.monotonic()

    async def _vouch(self) -> None:
        """A new key vouches for the one before, as long as that one's master key is still among ours."""
        keys = await audit.keys(self._database)
        newest = _newest(keys)
        if newest == self._signer.public_key:
            return
        if newest and newest not in self._signer.known:
            log.error("the audit's key changed and nothing vouches for the one before; was a master key dropped early?")
        before = newest if newest in self._signer.known else ""
        key = NewKey(len(keys) + 1, self._signer.public_key, before, instant(datetime.now(UTC)))
        with suppress(AlreadyTaken):
            await audit.add_key(self._database, Signed(key.number, key.content, self._signer.sign(key.content)))

    async def _seal_tenant(self, who: Waiting, span: Horizon, done: "_Round") -> None:
        """What somebody broke in one tenant's chain keeps no other tenant's from going on."""
        try:
            while (batch := await self._seal_batch(who, span)) is not None:
                done.rows, done.anchor = done.rows + batch[0], batch[1] or done.anchor
                if batch[0] < BATCH_ROWS:
                    return
        except DatabaseUnavailable:
            raise
        except (KonstructError, ValueError, TypeError, LookupError) as error:
            done.blocked.append(f"{who.tenant}: {type(error).__name__}: {error}")
        done.is_whole = False

    async def _seal_batch(self, who: Waiting, span: Horizon) -> tuple[int, Anchor | None] | None:
        """How many rows, and the anchor that stands for them; None where somebody else seals."""
        try:
            async with self._database.tenant(who.tenant, seconds=audit.SEAL_SECONDS) as connection:
                head = await audit.head(connection)
                if not head.ours:
                    return None
                events = await audit.unsealed(connection, who, span, BATCH_ROWS)
                self._failpoint("seal_read")
                anchor = await seal(connection, head, self._signer, events, floor=span.floor) if events else None
                self._failpoint("seal_written")
        except AlreadyTaken:
            return None
        self._failpoint("seal_committed")
        return len(events), anchor


def _newest(keys: Sequence[Signed]) -> str:
    """The last public key that can be read, "" without any."""
    for signed in reversed(keys):
        with suppress(ValueError):
            return NewKey.parse(signed.content).key
    return ""


@dataclass
class _Round:
    """What one round did; `blocked` says of tenants why their chains cannot go on."""

    rows: int = 0
    anchor: Anchor | None = None
    is_whole: bool = True
    blocked: list[str] = field(default_factory=list)
