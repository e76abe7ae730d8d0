"""A tenant's audit as lines of JSON that a third party can verify alone; docs/audit.md has the recipe."""

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from konstruct.audit.chain import FORMAT, Sealed, beginning, canonical, digest, instant, row
from konstruct.audit.signing import Signer
from konstruct.audit.statements import Checkpoint, End, Signed
from konstruct.database import audit, audit_months
from konstruct.database.pool import Database
from konstruct.errors import KonstructError

ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))


class ExportImpossible(KonstructError):
    """The audit is not as it was sealed and cannot be exported; `konstruct audit verify` names what is wrong."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a chain is."""

    seq: int
    hash: str
    number: int = 0
    previous: str = ""

    def after(self, signed: Signed, checkpoint: Checkpoint) -> "_Place":
        """At this checkpoint; one of rows that were dropped has lost its place in the chain."""
        is_ahead = checkpoint.last >= self.seq
        return _Place(
            max(self.seq, checkpoint.last), checkpoint.hash if is_ahead else self.hash, checkpoint.number,
            digest(signed.content),
        )  # fmt: skip


async def export(
    database: Database, signer: Signer, tenant: UUID, earliest: datetime, latest: datetime
) -> AsyncIterator[bytes]:
    """Lines for all sealed rows between two moments; whole checkpoints, and so there may be a few more rows.

    Raises ExportImpossible, also in the middle: what was written by then is of no use.
    """
    place, rows = await _beginning(database, tenant), 0
    span = await audit.span(database, tenant, earliest, latest, place.seq)
    first, last = span or (0, 0)
    async for signed, checkpoint in _checkpoints(database, tenant, 0):
        if checkpoint.last >= first:
            break
        place = place.after(signed, checkpoint)
    yield _line("header", format=FORMAT, tenant=str(tenant), **asdict(place))
    async for signed, checkpoint in _checkpoints(database, tenant, place.number):
        if place.seq >= last:
            break
        async for page in audit.sealed(database, tenant, place.seq, checkpoint.last):
            for found in page:
                yield _row(tenant, found)
                rows += 1
        yield _signed("checkpoint", signed.content, signed.signature)
        place = place.after(signed, checkpoint)
    end = End(
        str(tenant), rows, place.number, place.hash, instant(earliest), instant(latest),
        instant(datetime.now(UTC)), signer.public_key,
    )  # fmt: skip
    yield _signed("end", end.content, signer.sign(end.content))


async def _beginning(database: Database, tenant: UUID) -> _Place:
    dropped = await audit_months.latest_drop(database, tenant)
    if dropped is None:
        return _Place(0, beginning(tenant).hex())
    drop = Checkpoint.parse(dropped.content).dropped
    return _Place(drop["through"], drop["hash"])


async def _checkpoints(database: Database, tenant: UUID, after: int) -> AsyncIterator[tuple[Signed, Checkpoint]]:
    async for page in audit.checkpoints(database, tenant, after):
        for signed in page:
            try:
                yield signed, Checkpoint.parse(signed.content)
            except ValueError as error:
                raise ExportImpossible from error


def _row(tenant: UUID, found: Sealed) -> bytes:
    if found.event is None:
        raise ExportImpossible
    return _line("row", row=row(tenant, found.seq, found.event))


def _signed(kind: str, content: str, signature: bytes) -> bytes:
    return _line(kind, content=content, signature=signature.hex())


def _line(kind: str, **content: Any) -> bytes:
    return canonical({"kind": kind} | content) + b"\n"
