"""One batch of rows becomes part of its tenant's chain: hashed, signed, written, all or nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from konstruct.audit.chain import Event, beginning, digest, instant, link, row
from konstruct.audit.signing import Signer
from konstruct.audit.statements import Anchor, Checkpoint
from konstruct.database import audit
from konstruct.database.audit import Head
from konstruct.database.pool import TenantConnection


async def seal(
    connection: TenantConnection,
    head: Head,
    signer: Signer,
    events: Sequence[Event],
    *,
    floor: int,
    dropped: dict[str, Any] | None = None,
) -> Anchor:
    """Seal these rows or, without any, state what was `dropped`. Raises AlreadyTaken where somebody was faster."""
    hashes = _hashes(connection, head, events)
    last = head.checkpoint.last if head.checkpoint else 0
    end = hashes[-1].hex() if hashes else head.checkpoint.hash if head.checkpoint else ""
    checkpoint = Checkpoint(
        tenant=str(connection.tenant),
        number=head.checkpoint.number + 1 if head.checkpoint else 1,
        kind="seal" if dropped is None else "drop",
        first=last + 1,
        last=last + len(events),
        hash=end,
        previous=digest(head.checkpoint_content) if head.checkpoint else "",
        at=instant(datetime.now(UTC)),
        key=signer.public_key,
        dropped=dropped or {},
    )
    anchor = _anchored(checkpoint, head, signer.marks(connection.tenant)[0].hex())
    signed = (signer.sign(checkpoint.content), signer.sign(anchor.content))
    await audit.seal(connection, events, hashes, (checkpoint, signed[0]), (anchor, signed[1]), floor=floor)
    return anchor


def _hashes(connection: TenantConnection, head: Head, events: Sequence[Event]) -> list[bytes]:
    before = bytes.fromhex(head.checkpoint.hash) if head.checkpoint else beginning(connection.tenant)
    hashes = []
    for seq, event in enumerate(events, head.checkpoint.last + 1 if head.checkpoint else 1):
        before = link(before, row(connection.tenant, seq, event))
        hashes.append(before)
    return hashes


def _anchored(checkpoint: Checkpoint, head: Head, mark: str) -> Anchor:
    return Anchor(
        place=head.anchor.place + 1 if head.anchor else 1,
        mark=mark,
        number=checkpoint.number,
        checkpoint=digest(checkpoint.content),
        previous=digest(head.anchor_content) if head.anchor else "",
        at=checkpoint.at,
        key=checkpoint.key,
    )
