"""What the Auditor signs: checkpoints of one tenant's chain, anchors of all checkpoints, and its own new keys."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self, get_origin

import orjson

from konstruct.audit.chain import FORMAT, canonical

HEXADECIMAL = frozenset({"hash", "previous", "key", "mark", "checkpoint"})
# What PostgreSQL counts with.
LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Statement:
    """Canonical JSON is what is signed and stored."""

    @property
    def content(self) -> str:
        """What is signed."""
        return canonical(asdict(self) | {"format": FORMAT}).decode()

    @classmethod
    def parse(cls, content: str) -> Self:
        """Raises ValueError where it is no such statement, or is not written canonically."""
        try:
            found = orjson.loads(content)
            if found.pop("format") != FORMAT:
                raise ValueError("of another format")
            statement = cls(**found)
            _check_fields(statement)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a {cls.__name__}") from error
        if statement.content != content:
            raise ValueError("not canonical")
        return statement


def _check_fields(statement: Statement) -> None:
    """Raises TypeError or ValueError where a field holds what no Auditor writes."""
    for field_ in fields(statement):
        value = getattr(statement, field_.name)
        if not isinstance(value, get_origin(field_.type) or field_.type):  # type: ignore[arg-type]
            raise TypeError(field_.name)
        if isinstance(value, int) and not 0 <= value <= LARGEST:
            raise ValueError(f"{field_.name} is out of range")
        if field_.name in HEXADECIMAL:
            bytes.fromhex(value)


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement as it is stored, under its number or place."""

    number: int
    content: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint(Statement):
    """How far a tenant's chain was at `at`: rows `first` to `last` are new, `hash` is the one after `last`.

    A drop adds no rows (`first` is `last` + 1); its `dropped` says what is gone: rows up to `through`, written before
    `before`, after which the hash was `hash`; rows among them that stay are `kept`: pairs of place and own hash.
    """

    tenant: str
    number: int
    kind: str  # seal, drop
    first: int
    last: int
    hash: str
    previous: str  # digest of the checkpoint before; "" for the first
    at: str
    key: str  # public key that signs this
    dropped: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Anchor(Statement):
    """The place of a checkpoint among those of all tenants."""

    place: int
    mark: str
    number: int
    checkpoint: str  # its digest
    previous: str  # digest of the anchor before; "" for the first
    at: str
    key: str


@dataclass(frozen=True, slots=True)
class NewKey(Statement):
    """The first statement under a key; it vouches for the key before."""

    number: int
    key: str
    previous: str
    at: str


@dataclass(frozen=True, slots=True)
class End(Statement):
    """Closes an export: so many rows, up to this checkpoint, and no line more or less."""

    tenant: str
    rows: int
    last: int  # number of the last checkpoint
    hash: str
    earliest: str  # what was asked for
    latest: str
    at: str
    key: str
