"""Is a tenant's chain what was sealed? Each place and each checkpoint in order; what is wrong is named."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from konstruct.audit.chain import Sealed, beginning, digest, instant, link, own_hash, row
from konstruct.audit.signing import is_signed
from konstruct.audit.statements import Anchor, Checkpoint, Signed

# Rows are sealed in the order of their transactions, and no transaction of ours lasts long.
BACKDATED = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that cannot be if nobody touched the audit."""

    kind: str  # changed, removed, gap, foreign, unsigned, unchained, cut, backdated, damaged
    what: str

    def __str__(self) -> str:
        """For people."""
        return f"{self.kind}: {self.what}"


class Walk:
    """Follows one tenant's chain. Call `checkpoint` for a page of them, then `place` up to `last`, then `close`."""

    def __init__(self, tenant: UUID, trusted: set[str], drop: Checkpoint | None) -> None:
        """`drop`: the latest statement of what is gone, its signature checked."""
        self._tenant = tenant
        self._trusted = trusted
        self._dropped: dict[str, Any] = drop.dropped if drop else {}
        self._kept = dict(self._dropped.get("kept", ()))
        self._through: int = self._dropped.get("through", 0)
        self._before = bytes.fromhex(self._dropped["hash"]) if drop else beginning(tenant)
        self._boundaries: dict[int, tuple[int, str]] = {}
        self._previous = ""
        self._latest: datetime | None = None
        self.digests: dict[int, str] = {}
        self.keys: dict[int, str] = {}
        self.seq = self._through
        self.number = 0
        self.last = 0

    def checkpoint(self, signed: Signed) -> Iterator[Finding]:
        """The next one."""
        if signed.number != self.number + 1:
            yield Finding("gap", f"checkpoints {self.number + 1} to {signed.number - 1} are missing")
        follows = signed.number == self.number + 1
        self.number = signed.number
        self.digests[signed.number] = digest(signed.content)
        previous, self._previous = self._previous, self.digests[signed.number]
        try:
            found = Checkpoint.parse(signed.content)
        except ValueError as error:
            yield Finding("damaged", f"checkpoint {signed.number} cannot be read: {error}")
            return
        if found.key not in self._trusted or not is_signed(signed.content, signed.signature, found.key):
            yield Finding("unsigned", f"the signature of checkpoint {signed.number} is not the Auditor's")
        if (found.tenant, found.number) != (str(self._tenant), signed.number):
            yield Finding("foreign", f"checkpoint {signed.number} is number {found.number} of tenant {found.tenant}")
        elif follows and (found.previous != previous or found.first != self.last + 1):
            yield Finding("unchained", f"checkpoint {signed.number} does not follow the one before")
        self.keys[signed.number] = found.key
        self.last = max(self.last, found.last)
        if found.kind == "seal" and found.last > self._through:
            self._boundaries[found.last] = (signed.number, found.hash)

    def place(self, found: Sealed) -> Iterator[Finding]:
        """The next place after those that were dropped."""
        is_linked = found.seq == self.seq + 1
        if not is_linked:
            yield self._missing(found.seq - 1)
        yield from self._content(found, is_linked=is_linked)
        self.seq, self._before = found.seq, found.hash
        if found.seq in self._boundaries:
            number, hash_ = self._boundaries.pop(found.seq)
            if hash_ != found.hash.hex():
                yield Finding("changed", f"row {found.seq} ({found.id}) does not end as checkpoint {number} says")

    def close(self) -> Iterator[Finding]:
        """All places up to `last` were given."""
        if self.seq < self.last:
            yield self._missing(self.last)
            self.seq = self.last
            number, hash_ = self._boundaries.pop(self.last, (0, ""))
            self._before = bytes.fromhex(hash_) if number else self._before
        self._boundaries.clear()

    def anchor(self, anchor: Anchor) -> Iterator[Finding]:
        """An anchor of this tenant, its signature checked; all checkpoints were given."""
        if anchor.number > self.number:
            what = f"checkpoint {anchor.number} of {anchor.at} and its rows are gone from the end"
            yield Finding("cut", f"{what}; anchor {anchor.place} knows it")
        elif self.digests.get(anchor.number, anchor.checkpoint) != anchor.checkpoint:
            yield Finding("changed", f"checkpoint {anchor.number} is not the one that anchor {anchor.place} knows")

    def leftover(self, found: Sealed) -> Iterator[Finding]:
        """A place among those that were dropped, in order."""
        kept = self._kept.pop(found.seq, None)
        if kept is None:
            if instant(found.at) >= self._dropped["before"]:
                yield Finding("foreign", f"row {found.seq} ({found.id}) was not there when older ones were dropped")
        elif found.event is None:
            yield Finding("removed", f"row {found.seq} ({found.id}, {instant(found.at)}) is gone")
        elif own_hash(row(self._tenant, found.seq, found.event)) != kept:
            yield Finding("changed", f"row {found.seq} ({found.id}) is not what was sealed")

    def unkept(self) -> Iterator[Finding]:
        """All leftovers were given."""
        for seq in self._kept:
            yield Finding("gap", f"row {seq} is missing, which stayed when older ones were dropped")

    def _content(self, found: Sealed, *, is_linked: bool) -> Iterator[Finding]:
        if found.event is None:
            yield Finding("removed", f"row {found.seq} ({found.id}, {instant(found.at)}) is gone")
            return
        if is_linked and link(self._before, row(self._tenant, found.seq, found.event)) != found.hash:
            yield Finding("changed", f"row {found.seq} ({found.id}) is not what was sealed there: changed, or moved")
        if self._latest is not None and found.at < self._latest - BACKDATED:
            yield Finding("backdated", f"row {found.seq} ({found.id}) claims to be of {instant(found.at)}")
        self._latest = max(found.at, self._latest or found.at)

    def _missing(self, through: int) -> Finding:
        first = self.seq + 1
        if through < first:
            return Finding("gap", f"row {through + 1} is there twice")
        rows = f"row {first} is" if through == first else f"rows {first} to {through} are"
        return Finding("gap", f"{rows} missing from the chain")
