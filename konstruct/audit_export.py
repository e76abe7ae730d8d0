"""A tenant's audit as lines of JSON that a third party can verify alone; docs/audit.md has the recipe."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from konstruct.audit.chain import FORMAT, Sealed, beginning, canonical, digest, instant, row
from konstruct.audit.signing import Signer
from konstruct.audit.statements import Checkpoint, End, Signed
from konstruct.database import audit
from konstruct.database.pool import Database
from konstruct.errors import KonstructError

ALWAYS = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))


class NothingToExport(KonstructError):
    """No sealed rows of that time; the Auditor seals what happens within a minute."""


class ExportImpossible(KonstructError):
    """The audit is not as it was sealed and cannot be exported; `konstruct audit verify` names what is wrong."""


@dataclass
class _Place:
    """Where a chain is."""

    seq: int
    hash: str
    number: int = 0
    previous: str = ""


async def export(
    database: Database, signer: Signer, tenant: UUID, earliest: datetime, latest: datetime
) -> AsyncIterator[bytes]:
    """Lines for all rows between two moments; whole checkpoints, and so there may be a few more rows.

    Raises NothingToExport or, in the middle, ExportImpossible: what was written by then is of no use.
    """
    dropped = await audit.latest_drop(database, tenant)
    drop = Checkpoint.parse(dropped.content).dropped if dropped else {}
    through = drop.get("through", 0)
    span = await audit.span(database, tenant, earliest, latest, through)
    if span is None:
        raise NothingToExport
    place, rows = _Place(through, drop.get("hash", beginning(tenant).hex())), 0
    is_begun = False
    async for signed, checkpoint in _checkpoints(database, tenant):
        if checkpoint.last >= span[0]:
            if not is_begun:
                yield _line("header", format=FORMAT, tenant=str(tenant), **place.__dict__)
                is_begun = True
            async for page in audit.sealed(database, tenant, place.seq, checkpoint.last):
                for found in page:
                    yield _row(tenant, found)
                    rows += 1
            yield _signed("checkpoint", signed.content, signed.signature)
        place = _Place(
            max(place.seq, checkpoint.last),
            checkpoint.hash if checkpoint.last > through else place.hash,
            checkpoint.number,
            digest(signed.content),
        )
        if checkpoint.last >= span[1]:
            break
    end = End(
        str(tenant), rows, place.number, place.hash, instant(earliest), instant(latest),
        instant(datetime.now(UTC)), signer.public_key,
    )  # fmt: skip
    yield _signed("end", end.content, signer.sign(end.content))


async def _checkpoints(database: Database, tenant: UUID) -> AsyncIterator[tuple[Signed, Checkpoint]]:
    async for page in audit.checkpoints(database, tenant):
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
