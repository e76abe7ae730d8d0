"""Webhooks do not wait for an erasure, however long it takes; and what interrupts one leaves nothing half forgotten."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio

from konstruct.database import erasure, people, turns
from konstruct.database.people import Whereabouts
from konstruct.errors import NameForgotten, UnknownTenant
from konstruct.forgetting import forget_person, forget_tenant
from konstruct.identity import conversation_id, shard_of
from konstruct.media.store import open_store
from konstruct.messages import Address, Heard, Inbound
from tests.admin_rig import GLOBEX_APP
from tests.database.forgotten import (
    ACME,
    ALICE,
    GLOBEX,
    SECRET,
    TRACES,
    dump,
    replies_below,
    rows,
    until_quiet,
)
from tests.rig import APP, Rig, apply, rig

WITHOUT_AUDIT = ("--exclude-table-data=audit_*", "--exclude-table-data=audit_months.*")


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    """Alice has told acme's employee her secret, alone and among others; globex is there, too."""
    async with rig(database_url, tmp_path) as under_test:
        await apply(under_test, "globex", GLOBEX_APP)
        await under_test.slack.say(SECRET, user="U0ALICE", channel="D0ALICE")
        await under_test.replies(1)
        for _ in range(2):
            said = await under_test.slack.say(f"<@U0BOT> {SECRET}", user="U0ALICE", channel="C0TEAM")
            await replies_below(under_test, said.ts, 1)
        await until_quiet(under_test)
        yield under_test


def said(tenant: UUID, event: str, contact: str = "U0BOB") -> Inbound:
    conversation = conversation_id(tenant, "slack", f"D{contact}")
    address = Address("T0", f"D{contact}", private=True)
    return Inbound(
        tenant, "slack", event, conversation, shard_of(conversation), address, contact, "hello", event,
        said_at=time.time(),
    )  # fmt: skip


async def hear(k: Rig, event: str) -> list[Heard | None]:
    """One batch with a message of each tenant, as the ingress stores it."""
    return await turns.hear(k.database, [said(ACME, event), said(GLOBEX, event)])


@contextmanager
def stuck(k: Rig, which: str) -> Iterator[None]:
    """No erasure gets past these messages."""
    with psycopg.connect(k.settings.database_url or "") as other:
        assert other.execute(f"select from messages where {which} for update".encode()).rowcount
        yield


@asynccontextmanager
async def halfway(k: Rig, erasing: Awaitable[object], which: str) -> AsyncIterator[asyncio.Future[object]]:
    """While an erasure waits for a message that somebody else has locked."""
    with stuck(k, which):
        task = asyncio.ensure_future(erasing)
        async with asyncio.timeout(10):
            while not rows(k, "select 1 from pg_locks where not granted"):
                await asyncio.sleep(0.02)
        yield task
    await asyncio.wait([task])


async def test_messages_of_others_are_stored_while_a_person_is_erased(k: Rig) -> None:
    async with halfway(k, forget_person(k.database, open_store(k.settings), ALICE), "role = 'contact'") as erasing:
        heard = await hear(k, "meanwhile")
        assert not erasing.done()
    assert all(heard)
    assert await erasing


async def test_what_they_said_before_and_is_delivered_again_meanwhile_stays_outside(k: Rig) -> None:
    before = said(ACME, "before", "U0ALICE")
    async with halfway(k, forget_person(k.database, open_store(k.settings), ALICE), "role = 'contact'"):
        assert await turns.hear(k.database, [before]) == [None]


async def test_messages_of_other_tenants_are_stored_while_a_tenant_is_erased_and_its_own_are_not(k: Rig) -> None:
    async with halfway(k, forget_tenant(k.database, open_store(k.settings), ACME), "role = 'contact'") as erasing:
        mine, others = await hear(k, "meanwhile")
        assert not erasing.done()
    assert erasing.exception() is None
    assert mine is None
    assert others
    assert rows(k, "select name from tenants") == [("globex",)]


async def test_a_message_to_a_tenant_that_is_gone_is_left_out_of_its_batch_alone(k: Rig) -> None:
    store = open_store(k.settings)
    await forget_tenant(k.database, store, ACME)
    with pytest.raises(UnknownTenant):
        await forget_tenant(k.database, store, ACME)
    assert len(rows(k, "select 1 from tombstones where tenant_id = %s", ACME)) == 1, "it stays for good"
    elsewhere = Whereabouts(ACME, "whatsapp", "1065")
    found = await people.resolve(k.database, elsewhere, ["4366011"], time.time(), "4366011")
    assert found.contact == "4366011", "it needs no row"
    for event in ("with its tombstone", "without"):
        mine, others = await hear(k, event)
        assert mine is None
        assert others
        await erasure.drop_tombstones(k.database, ACME)
    assert not rows(k, "select 1 from inbox where tenant_id = %s", ACME)


async def test_what_an_erased_person_said_before_is_left_out_of_its_batch_alone(k: Rig) -> None:
    late = said(ACME, "late", "U0ALICE")
    await forget_person(k.database, open_store(k.settings), ALICE)
    heard = await turns.hear(k.database, [late, said(ACME, "new", "U0ALICE"), said(GLOBEX, "other")])
    assert [one is not None for one in heard] == [False, True, True]


async def test_a_person_whose_erasure_was_interrupted_is_erased_by_the_next(
    k: Rig, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "CONVERSATIONS_AT_ONCE", 1)
    forget = partial(forget_person, k.database, open_store(k.settings), ALICE)
    with psycopg.connect(database_url, autocommit=True) as owner:
        [(last,)] = owner.execute("select max(id) from messages where role = 'contact'").fetchall()
    async with halfway(k, forget(), f"id = {last}") as erasing:
        erasing.cancel()
    assert rows(k, "select action from audit_events where action = 'contact.erased'"), "what went is on record"
    assert SECRET in dump(database_url)
    assert await forget()
    await until_quiet(k)
    assert not [trace for trace in TRACES if trace in dump(database_url)]


async def test_a_tenant_whose_erasure_was_interrupted_is_closed_and_erased_by_the_next(
    k: Rig, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "ROWS_AT_ONCE", 1)
    forget = partial(forget_tenant, k.database, open_store(k.settings), ACME)
    async with halfway(k, forget(), "role = 'contact'") as erasing:
        erasing.cancel()
    assert rows(k, "select name from tenants where id = %s", ACME)
    assert rows(k, "select 1 from messages where tenant_id = %s", ACME)
    assert not rows(k, "select 1 from channels where tenant_id = %s", ACME)
    assert (await hear(k, "afterwards"))[0] is None
    with pytest.raises(NameForgotten):
        await apply(k, "acme", APP)
    await forget()
    assert [line for line in dump(database_url, *WITHOUT_AUDIT).splitlines() if str(ACME) in line][1:] == []
    assert len(rows(k, "select 1 from audit_events where action = 'tenant.deleted'")) == 1


async def test_a_turn_under_way_in_a_tenant_that_is_erased_says_nothing(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        k.model.fault("delay", seconds=2.0)
        await k.slack.say(SECRET, user="U0ALICE", channel="D0ALICE")
        async with asyncio.timeout(10):
            while not k.model.calls:
                await asyncio.sleep(0.02)
        await erasure.erase_tenant(k.database, ACME)
        await asyncio.sleep(3.0)
        assert await k.texts() == []
        assert SECRET not in dump(database_url)
