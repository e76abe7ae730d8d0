"""A host with conversations of the test's own: shards, waking, sweeping, draining, passivation."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from actors import conversation_host as hosting_conversations
from actors.conversation_host import Resident
from konstruct.database.hosting import shards_of
from konstruct.errors import DatabaseUnavailable, DatabaseUnfit, EmbedderUnavailable, KonstructError
from konstruct.identity import shard_of
from konstruct.messages import Address, Heard
from tests.unit.mailbox import ACME, Office


@pytest_asyncio.fixture
async def office(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    monkeypatch.setattr(hosting_conversations, "SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(hosting_conversations, "MEMORY_SWEEP_SECONDS", 0.01)
    made = Office()
    yield made
    for mailbox in made.opened:
        mailbox.idle.set()
    await made.host.stop()


def heard(conversation: UUID | None = None, id_: int = 1) -> Heard:
    conversation = conversation or uuid4()
    address = Address("T0", "D0ALICE")
    return Heard(id_, ACME, conversation, shard_of(conversation), 1, 0, "slack", address, "U0ALICE", "hi", "1.1")


def conversation_of(host: int, hosts: int) -> UUID:
    while True:
        found = uuid4()
        if shard_of(found) % hosts == host:
            return found


async def test_a_starting_host_takes_exactly_its_shards(office: Office) -> None:
    await office.host.start(4)
    assert office.shards.taken == [shards_of(0, 4)]
    assert office.host.shards == 256


async def test_a_message_opens_its_conversation_once(office: Office) -> None:
    await office.host.start(1)
    conversation = uuid4()
    office.host.wake([heard(conversation, 1), heard(conversation, 2)])
    office.host.wake([heard(conversation, 3)])
    assert [mailbox.id for mailbox in office.opened] == [conversation]
    assert [message.id for message in office.opened[0].heard] == [1, 2, 3]


async def test_a_message_of_a_foreign_shard_is_left_to_its_owner(office: Office) -> None:
    await office.host.start(2)
    office.host.wake([heard(conversation_of(1, 2)), heard(conversation_of(0, 2))])
    assert len(office.opened) == 1
    assert office.opened[0].shard % 2 == 0


async def test_a_host_that_has_not_started_hears_nothing(office: Office) -> None:
    office.host.wake([heard()])
    assert office.opened == []


async def test_what_waited_before_the_start_is_looked_at_at_once(office: Office) -> None:
    office.shards.waiting = [conversation_of(0, 2), conversation_of(1, 2)]
    await office.host.start(2)
    assert [mailbox.looks for mailbox in office.opened] == [1]


async def test_adopting_again_takes_only_what_is_missing(office: Office) -> None:
    await office.host.start(2)
    await office.host.adopt(1)
    assert office.shards.taken == [shards_of(0, 2), shards_of(1, 2)]
    await office.host.adopt(1)
    assert len(office.shards.taken) == 2


async def test_making_room_keeps_the_conversations_that_stay(office: Office) -> None:
    await office.host.start(1)
    stays, leaves = conversation_of(0, 2), conversation_of(1, 2)
    office.host.wake([heard(stays), heard(leaves)])
    await office.host.make_room(2)
    assert {mailbox.id: mailbox.forgotten for mailbox in office.opened} == {stays: False, leaves: True}
    assert office.host.shards == 512
    assert sorted(office.shards.left) == shards_of(1, 2)


async def test_while_draining_running_turns_end_and_nothing_new_begins(office: Office) -> None:
    await office.host.start(1)
    running = heard()
    office.host.wake([running])
    office.opened[0].idle.clear()
    draining = asyncio.create_task(office.host.release(list(range(1024))))
    await asyncio.sleep(0.01)
    office.host.wake([heard()])
    assert len(office.opened) == 1
    assert not draining.done()
    office.opened[0].idle.set()
    await draining
    assert office.opened[0].forgotten
    assert office.host.loaded == 0
    assert office.host.shards == 0


async def test_what_has_nothing_to_do_hears_nothing_more_while_others_are_waited_for(office: Office) -> None:
    await office.host.start(1)
    idle, running = heard(), heard()
    office.host.wake([idle, running])
    office.opened[1].idle.clear()
    draining = asyncio.create_task(office.host.release(list(range(1024))))
    await asyncio.sleep(0.01)
    office.host.wake([heard(idle.conversation, 2)])
    assert [len(mailbox.heard) for mailbox in office.opened] == [1, 1]
    office.opened[1].idle.set()
    await draining


async def test_a_drain_does_not_wait_for_ever(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting_conversations, "DRAIN_SECONDS", 0.05)
    await office.host.start(1)
    office.host.wake([heard()])
    office.opened[0].idle.clear()
    await office.host.release(list(range(1024)))
    assert office.opened[0].forgotten


async def test_a_fenced_conversation_ends_all_of_its_shard_and_no_other(office: Office) -> None:
    await office.host.start(1)
    fenced, neighbour = uuid4(), uuid4()
    while shard_of(neighbour) == shard_of(fenced):
        neighbour = uuid4()
    office.host.wake([heard(fenced), heard(neighbour)])
    office.opened[0].on_end(cast("Resident", office.opened[0]))
    assert office.opened[0].forgotten
    assert not office.opened[1].forgotten
    office.host.wake([heard(fenced)])
    assert len(office.opened) == 2
    assert office.host.shards == 1023


async def test_idle_conversations_are_let_go_and_busy_ones_are_not(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting_conversations, "IDLE_SECONDS", -1.0)
    monkeypatch.setattr(hosting_conversations, "MEMORY_SWEEP_SECONDS", 3600)
    await office.host.start(1)
    office.host.wake([heard(), heard()])
    office.opened[1].idle.clear()
    office.host._passivate()
    assert [mailbox.forgotten for mailbox in office.opened] == [True, False]
    assert office.host.loaded == 1


async def test_over_the_limit_those_idle_longest_go_first(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosting_conversations, "LOADED_LIMIT", 2)
    await office.host.start(1)
    for _ in range(4):
        office.host.wake([heard()])
    for age, mailbox in enumerate(office.opened):
        mailbox.touched += age
    office.host._passivate()
    assert [mailbox.forgotten for mailbox in office.opened] == [True, True, False, False]


@pytest.mark.parametrize("error", [DatabaseUnavailable, DatabaseUnfit, KonstructError, ZeroDivisionError])
async def test_sweeping_goes_on_after_an_error(office: Office, error: type[Exception]) -> None:
    """Without the sweep, a lost wake-up would be a lost message."""
    await office.host.start(1)
    office.shards.errors = [error()]
    before = office.shards.sweeps
    async with asyncio.timeout(5):
        while office.shards.sweeps <= before + 1:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("error", [DatabaseUnavailable, EmbedderUnavailable, KonstructError, ZeroDivisionError])
async def test_memory_sweeps_and_passivation_go_on_after_an_error(office: Office, error: type[Exception]) -> None:
    await office.host.start(1)
    office.memories.errors = [error()]
    before = office.memories.sweeps
    async with asyncio.timeout(5):
        while office.memories.sweeps <= before + 1:
            await asyncio.sleep(0.01)


async def test_a_stopped_host_sweeps_no_more(office: Office) -> None:
    await office.host.start(1)
    await office.host.stop()
    sweeps = office.shards.sweeps
    await asyncio.sleep(0.05)
    assert office.shards.sweeps == sweeps
