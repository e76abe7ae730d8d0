"""The hash chain of one tenant's audit rows: what exactly is hashed (docs/audit.md says it to third parties)."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

FORMAT = "konstruct-audit-1"


@dataclass(frozen=True, slots=True)
class Event:
    """One audit row. `details` holds text, whole numbers, and lists of them."""

    id: UUID
    at: datetime
    actor: str
    action: str
    subject: str
    request: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A place in the chain; `event` is None where the row is gone."""

    seq: int
    hash: bytes
    id: UUID
    at: datetime
    event: Event | None

    @property
    def number(self) -> int:
        """Its place, by the word that statements have for theirs."""
        return self.seq


def canonical(content: Any) -> bytes:
    """JSON with sorted keys, no spaces, UTF-8: the same bytes for the same content, in any language."""
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def digest(content: str) -> str:
    """SHA-256 of a signed content, by which the next one names it."""
    return sha256(content.encode()).hexdigest()


def instant(at: datetime) -> str:
    """UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def beginning(tenant: UUID) -> bytes:
    """The hash before a tenant's first row."""
    return sha256(f"{FORMAT} {tenant}".encode()).digest()


def row(tenant: UUID, seq: int, event: Event) -> dict[str, Any]:
    """The row as it is hashed and exported."""
    return {
        "tenant": str(tenant),
        "seq": seq,
        "id": str(event.id),
        "at": instant(event.at),
        "actor": event.actor,
        "action": event.action,
        "subject": event.subject,
        "request": event.request,
        "details": event.details,
    }


def link(before: bytes, content: dict[str, Any]) -> bytes:
    """The hash after a row."""
    return sha256(before + canonical(content)).digest()


def own_hash(content: dict[str, Any]) -> str:
    """Of a row that has lost its place in the chain, because what came before was dropped."""
    return sha256(canonical(content)).hexdigest()
