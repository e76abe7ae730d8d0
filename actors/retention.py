"""Old months of audit go: first every tenant's chain says, signed, what goes; then it goes."""

from datetime import datetime
from typing import Any
from uuid import UUID

from actors.sealing import seal
from konstruct.audit.anchor_file import AnchorFile
from konstruct.audit.chain import instant, own_hash, row
from konstruct.audit.signing import Signer
from konstruct.audit.statements import Anchor
from konstruct.database import audit, audit_months
from konstruct.database.audit_months import StillUnsealed
from konstruct.database.pool import Database
from konstruct.errors import KonstructError


class SealingGoesOn(KonstructError):
    """The Auditor seals at this moment; try again in a moment."""

    permanent = False


async def state_drop(
    database: Database, signer: Signer, anchor_file: AnchorFile, before: datetime
) -> list[tuple[UUID, int]]:
    """A signed checkpoint for each tenant that has rows before that moment: tenants, and up to which place.

    Repeating it states nothing anew. Raises StillUnsealed or, while the Auditor seals, SealingGoesOn.
    """
    stated = []
    for tenant in await audit.tenants(database):
        anchor, through = await _state(database, signer, tenant, before)
        if anchor is not None:
            anchor_file.write(anchor)
            stated.append((tenant, through))
    return stated


async def _state(database: Database, signer: Signer, tenant: UUID, before: datetime) -> tuple[Anchor | None, int]:
    known = await audit_months.latest_drop(database, tenant)
    async with database.tenant(tenant, seconds=audit.SEAL_SECONDS) as connection:
        head = await audit.head(connection)
        if not head.ours:
            raise SealingGoesOn
        end = await audit_months.drop_end(connection, before)
        if end is not None and end.unsealed:
            raise StillUnsealed
        if end is None or (known is not None and f'"through":{end.through}' in known.content):
            return None, 0
        kept = [
            (seq, own_hash(row(tenant, seq, event))) for seq, event in await audit_months.kept(connection, before, end)
        ]
        dropped: dict[str, Any] = {
            "before": instant(before), "through": end.through, "hash": end.hash.hex(), "kept": kept,
        }  # fmt: skip
        return await seal(connection, head, signer, [], floor=end.floor, dropped=dropped), end.through
