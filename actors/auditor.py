"""Seals audit rows into one hash chain per tenant, and signs how far each is. Several may run; one seals at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
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
from konstruct.errors import AlreadyTaken, KonstructError
from konstruct.failpoints import Failpoint, disarmed
from konstruct.metrics import Metrics

ROUND_SECONDS = 15.0
MONTHS_SECONDS = 6 * 3600.0
BATCH_ROWS = 5_000

log = structlog.get_logger()

Nightly = Callable[[], Awaitable[object]]


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
        nightly: Nightly | None = None,
    ) -> None:
        """`anchor_file`: outside the database, so that a tail cut off there is missed. `nightly` follows its clock."""
        self._database = database
        self._signer = signer
        self._metrics = metrics
        self._anchor_file = anchor_file
        self._failpoint = failpoint
        self._nightly = nightly
        self._floor: int | None = None
        self._is_vouched = False
        self._months_at = -MONTHS_SECONDS
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Seal round after round."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End at once; what is not sealed yet waits."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def check_health(self) -> None:
        """Raises RuntimeError where nobody seals any more."""
        if self._task is None or self._task.done():
            raise RuntimeError("Audit sealing has ended.")

    async def _run(self) -> None:
        while True:
            try:
                await self.seal_once()
                if self._nightly is not None:
                    await self._nightly()
            except KonstructError as error:
                log.warning("audit not sealed; it waits", reason=str(error))
            await asyncio.sleep(ROUND_SECONDS)

    async def seal_once(self) -> int:
        """One round; how many rows it sealed. Raises KonstructError; what was sealed before that stays."""
        await self._prepare()
        span = await audit.horizon(self._database, self._floor)
        count, is_whole, anchor = 0, True, None
        for who in await audit.waiting(self._database, span):
            while True:
                batch = await self._seal_batch(who, span)
                if batch is None:
                    is_whole = False
                    break
                count, anchor = count + batch[0], batch[1]
                if batch[0] < BATCH_ROWS:
                    break
        if is_whole:
            self._floor = span.next_floor
        if anchor is not None:
            self._anchor_file.write(anchor)
            self._failpoint("seal_remembered")
        self._metrics.count("konstruct_audit_sealed_total", by=count)
        return count

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
        newest = NewKey.parse(keys[-1].content).key if keys else ""
        if newest == self._signer.public_key:
            return
        if newest and newest not in self._signer.known:
            log.error("the audit's key changed and nothing vouches for the one before; was a master key dropped early?")
        before = newest if newest in self._signer.known else ""
        key = NewKey(len(keys) + 1, self._signer.public_key, before, instant(datetime.now(UTC)))
        with suppress(AlreadyTaken):
            await audit.add_key(self._database, Signed(key.number, key.content, self._signer.sign(key.content)))

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
