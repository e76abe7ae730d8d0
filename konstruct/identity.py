"""Deterministic identities: the same message, turn or reply has the same id on every host and after every crash."""

from functools import lru_cache
from hashlib import blake2b
from uuid import UUID, uuid5

SHARDS = 1024
# Ids are asked for again and again while a conversation lasts.
KEPT = 10_000

_ROOT = UUID("5b0d9f7e-6d9a-5a5e-9a57-6b6f6e737472")


def tenant_id(name: str) -> UUID:
    """Id of the tenant called `name` (names are unique in an installation)."""
    return uuid5(_ROOT, name)


def employee_id(tenant: UUID, name: str) -> UUID:
    """Id of one of the tenant's AI employees."""
    return uuid5(tenant, f"employee:{name}")


@lru_cache(KEPT)
def contact_id(tenant: UUID, channel: str, external: str) -> UUID:
    """Id of the person whom the channel calls `external`."""
    return uuid5(tenant, f"contact:{channel}:{external}")


@lru_cache(KEPT)
def conversation_id(tenant: UUID, channel: str, place: str) -> UUID:
    """Id of the conversation held at `place` (for Slack: team, channel and thread)."""
    return uuid5(tenant, f"conversation:{channel}:{place}")


def turn_id(tenant: UUID, conversation: UUID, first_inbox_id: int) -> UUID:
    """Id of the turn that begins with this inbox row: a successor that repeats the turn finds the same id."""
    return uuid5(tenant, f"turn:{conversation}:{first_inbox_id}")


def reply_id(tenant: UUID, turn: UUID, part: int) -> UUID:
    """Id of the turn's visible message number `part`; also the idempotency id towards the channel."""
    return uuid5(tenant, f"reply:{turn}:{part}")


def charge_id(tenant: UUID, channel: str, message: str) -> UUID:
    """Id of what the channel charges for one message of its own id, which may hold a phone number."""
    return uuid5(tenant, f"charge:{channel}:{message}")


def outage_id(tenant: UUID, channel: str, team: str, reason: str, day: int) -> UUID:
    """Id of what operators are told when a connection is refused; on one day, several hosts may tell it."""
    return uuid5(tenant, f"outage:{channel}:{team}:{reason}:{day}")


def notice_id(tenant: UUID, key: str) -> UUID:
    """Id of something that operators are told once, by what it is about."""
    return uuid5(tenant, f"notice:{key}")


def shard_of(conversation: UUID) -> int:
    """Stable shard number in [0, SHARDS); the conversation id already carries the tenant."""
    return int.from_bytes(blake2b(conversation.bytes, digest_size=4).digest()) % SHARDS
