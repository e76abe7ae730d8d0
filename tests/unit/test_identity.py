"""Identities never change: rows written by an older version must be found by a newer one."""

import subprocess
import sys
from collections.abc import Callable
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from konstruct import identity
from konstruct.identity import SHARDS

ACME = identity.tenant_id("acme")
GLOBEX = identity.tenant_id("globex")


def test_known_identities_stay_what_they_are() -> None:
    conversation = identity.conversation_id(ACME, "slack", "T0ACME:D0ALICE:")
    turn = identity.turn_id(ACME, conversation, 7)
    known = {
        "tenant": (ACME, "d4c741a1-148e-5688-bcbb-6d3eb4549597"),
        "conversation": (conversation, "6fdbac04-4d7e-5fec-b77b-e8f90e1a7eab"),
        "turn": (turn, "c763d20e-5f62-58c9-b715-8b2bbcc4defd"),
        "reply": (identity.reply_id(ACME, turn, 0), "b89ee7d5-5edf-58e9-bbbd-476b145beab6"),
        "contact": (identity.contact_id(ACME, "slack", "U0ALICE"), "09f289b3-bb1d-56b1-b86c-29607f26517d"),
        "employee": (identity.employee_id(ACME, "Ada"), "557c6aa8-4571-5f6b-acca-26bc14e04688"),
    }
    assert {name: str(found) for name, (found, _) in known.items()} == {n: was for n, (_, was) in known.items()}
    assert identity.shard_of(conversation) == 52


def test_identities_are_the_same_in_another_process() -> None:
    code = (
        "from konstruct import identity as i; print(i.shard_of(i.conversation_id(i.tenant_id('acme'), 'slack', 'x')))"
    )
    elsewhere = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(elsewhere) == identity.shard_of(identity.conversation_id(ACME, "slack", "x"))


def test_the_same_place_of_two_tenants_gives_different_identities() -> None:
    makers: list[Callable[[UUID], UUID]] = [
        lambda tenant: identity.conversation_id(tenant, "slack", "T0:C0:"),
        lambda tenant: identity.contact_id(tenant, "slack", "U0"),
        lambda tenant: identity.employee_id(tenant, "Ada"),
        lambda tenant: identity.turn_id(tenant, UUID(int=1), 1),
        lambda tenant: identity.reply_id(tenant, UUID(int=1), 0),
    ]
    assert [make for make in makers if make(ACME) == make(GLOBEX)] == []


def test_every_kind_of_identity_has_a_space_of_its_own() -> None:
    one = UUID(int=1)
    made = [
        identity.conversation_id(ACME, "slack", "x"),
        identity.contact_id(ACME, "slack", "x"),
        identity.employee_id(ACME, "slack:x"),
        identity.turn_id(ACME, one, 1),
        identity.reply_id(ACME, one, 1),
    ]
    assert len(set(made)) == len(made)


@given(st.uuids())
def test_a_shard_is_always_in_range(conversation: UUID) -> None:
    assert 0 <= identity.shard_of(conversation) < SHARDS


def test_shards_are_evenly_filled() -> None:
    counts = [0] * SHARDS
    for n in range(20_000):
        counts[identity.shard_of(identity.conversation_id(ACME, "slack", f"T:D{n}:"))] += 1
    assert min(counts) > 0
    assert max(counts) < 60


@given(st.uuids(), st.integers(0, 2**63), st.integers(0, 2**63))
def test_turns_that_begin_with_different_messages_differ(conversation: UUID, one: int, other: int) -> None:
    same = identity.turn_id(ACME, conversation, one) == identity.turn_id(ACME, conversation, other)
    assert same == (one == other)
