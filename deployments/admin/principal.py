"""Who asks, and what they may do."""

from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID


class Role(IntEnum):
    """What somebody may do; each may do what the ones before may."""

    viewer = 1  # read
    operator = 2  # run it: pause, resume, retry, discard
    owner = 3  # change who and what it is: configuration, keys, tokens, money


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody whose credential was checked; `tenant` None = the whole installation."""

    tenant: UUID | None
    role: Role
    name: str  # for people to read
    actor: str  # for the audit: never a name that somebody bears

    def may_enter(self, tenant: UUID) -> bool:
        """Whether this tenant exists for them at all."""
        return self.tenant is None or self.tenant == tenant
