"""Whoever is forgotten is nowhere any more: in no dump, no file, nothing that is sent, nothing that comes late."""

import asyncio
import json
import time
from pathlib import Path

import psycopg
import pytest

from konstruct import tenant_file
from konstruct.database import people, tenants
from konstruct.database.erasure import Person
from konstruct.database.people import Whereabouts
from konstruct.errors import UnknownTenant
from konstruct.forgetting import forget_person, forget_tenant
from konstruct.media.store import open_store
from konstruct.vault import Vault
from simulator import App, Fault
from tests.database.forgotten import (
    ACME,
    ALICE,
    GLOBEX,
    SECRET,
    TRACES,
    dump,
    history,
    replies_below,
    rows,
    until_quiet,
)
from tests.database.test_slack_inbound import until
from tests.rig import APP, TENANT, Rig, apply, rig


async def test_a_person_with_a_history_is_nowhere_in_a_dump_afterwards_and_others_stay(
    database_url: str, tmp_path: Path
) -> None:
    async with rig(database_url, tmp_path) as k:
        store = open_store(k.settings)
        file = await history(k, store)
        assert all(trace in dump(database_url) for trace in TRACES)
        assert await forget_person(k.database, store, ALICE)
        await until_quiet(k)
        after = dump(database_url)
        assert not [trace for trace in TRACES if trace in after]
        assert "bob-is-fine" in after
        assert "U0BOB" in after
        assert not list((tmp_path / "media").rglob(file))
        # What it cost stays: it names nobody.
        assert len(rows(k, "select 1 from usage where tenant_id = %s", ACME)) == 2
        assert not await forget_person(k.database, store, ALICE), "a second time there is nothing to forget"


async def test_the_host_forgets_too_and_the_person_may_come_back_as_a_stranger(
    database_url: str, tmp_path: Path
) -> None:
    async with rig(database_url, tmp_path) as k:
        await k.slack.say(SECRET, user="U0ALICE", channel="D0ALICE")
        await k.replies(1)
        await until_quiet(k)
        await forget_person(k.database, open_store(k.settings), ALICE)
        await until_quiet(k)
        await k.slack.say("hello again", user="U0ALICE", channel="D0ALICE")
        await k.replies(2)
        assert SECRET not in json.dumps(k.model.requests[-1])
        assert SECRET not in dump(database_url)


async def test_a_turn_under_way_commits_nothing_and_says_nothing(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        k.model.fault("delay", seconds=2.0)
        await k.slack.say(SECRET, user="U0ALICE", channel="D0ALICE")
        async with asyncio.timeout(10):
            while not k.model.calls:
                await asyncio.sleep(0.02)
        await forget_person(k.database, open_store(k.settings), ALICE)
        await asyncio.sleep(3.0)
        assert await k.texts() == []
        assert not [trace for trace in TRACES if trace in dump(database_url)]


async def test_a_send_that_is_pending_is_never_made(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        k.slack.faults.rules.append(Fault("rate_limit", times=1, retry_after=3))
        await k.slack.say(SECRET, user="U0ALICE", channel="D0ALICE")
        async with asyncio.timeout(10):
            while not rows(k, "select 1 from outbox where state = 'pending'"):
                await asyncio.sleep(0.02)
        await forget_person(k.database, open_store(k.settings), ALICE)
        shown = await k.texts()
        await asyncio.sleep(4.0)
        assert await k.texts() == shown == []
        assert not [trace for trace in TRACES if trace in dump(database_url)]


async def test_an_event_from_before_that_comes_late_or_again_stays_outside(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        said = await k.slack.say(SECRET, user="U0ALICE", channel="D0ALICE")
        await k.replies(1)
        await until_quiet(k)
        await forget_person(k.database, open_store(k.settings), ALICE)
        await until_quiet(k)
        calls = k.model.calls
        for text, ts in (("said again", said.ts), ("never heard before", f"{time.time() - 60:.6f}")):
            event = {"type": "message", "channel_type": "im", "channel": "D0ALICE", "user": "U0ALICE"}
            await k.slack.send(event | {"text": f"{SECRET} {text}", "ts": ts, "event_ts": ts})
        await asyncio.sleep(1.5)
        assert k.model.calls == calls
        assert not [trace for trace in TRACES if trace in dump(database_url)]


async def test_of_a_shared_channel_only_the_person_goes(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        first = await k.slack.say(f"<@U0BOT> {SECRET}", user="U0ALICE", channel="C0TEAM")
        await replies_below(k, first.ts, 1)
        await k.slack.say("bob-is-fine", user="U0BOB", channel="C0TEAM", thread_ts=first.ts)
        await replies_below(k, first.ts, 2)
        await until_quiet(k)
        await forget_person(k.database, open_store(k.settings), ALICE)
        await until_quiet(k)
        after = dump(database_url)
        assert SECRET not in after
        assert "U0ALICE" not in after
        assert "bob-is-fine" in after


ESCALATING = """operators: {slack_channel: C0OPS}
escalation: {rules: ['"refund"']}
"""


async def handed_over_after_alice_spoke(k: Rig) -> None:
    """Bob asks for a human below what Alice said; operators are to be told with both their words."""
    text = TENANT.format(tenant="acme", app=APP, quiet=0) + ESCALATING
    await tenants.apply_tenant(k.database, tenant_file.parse(text, {}), Vault(k.settings.master_keys))
    first = await k.slack.say(f"<@U0BOT> {SECRET}\n\nConversation: {SECRET}", user="U0ALICE", channel="C0TEAM")
    await replies_below(k, first.ts, 1)
    await until_quiet(k)
    await k.slack.say("I want a refund", user="U0BOB", channel="C0TEAM", thread_ts=first.ts)
    await replies_below(k, first.ts, 2)


async def test_what_operators_were_told_of_anothers_turn_keeps_none_of_their_words(
    database_url: str, tmp_path: Path
) -> None:
    async with rig(database_url, tmp_path) as k:
        await handed_over_after_alice_spoke(k)
        await k.replies(1, "C0OPS")
        await until(lambda: not rows(k, "select 1 from outbox where state <> 'sent'"))
        assert SECRET in dump(database_url)
        await forget_person(k.database, open_store(k.settings), ALICE)
        await until_quiet(k)
        assert not [trace for trace in TRACES if trace in dump(database_url)]
        assert "I want a refund" in dump(database_url)
        assert len(await k.texts("C0OPS")) == 1, "what was told is not told again"


async def test_operators_who_were_not_told_yet_are_told_without_the_words_of_whoever_was_forgotten(
    database_url: str, tmp_path: Path
) -> None:
    async with rig(database_url, tmp_path) as k:
        k.slack.faults.rules.append(Fault("rate_limit", channel="C0OPS", times=1, retry_after=8))
        await handed_over_after_alice_spoke(k)
        await until(lambda: bool(rows(k, "select 1 from outbox where state = 'pending' and part = 1000")))
        await asyncio.sleep(0.3)
        await forget_person(k.database, open_store(k.settings), ALICE)
        assert SECRET not in dump(database_url)
        [told] = await k.replies(1, "C0OPS", timeout=25)
        assert SECRET not in told
        assert told.startswith('Ada has handed a conversation over: "refund"')
        assert "not quoted" in told
        assert "Conversation: https://app.slack.com/client/T0ACME/C0TEAM/thread/" in told
        assert "/konstruct resume" in told


async def test_all_names_of_a_person_go_and_what_was_said_under_any_of_them_stays_outside(
    database_url: str, tmp_path: Path
) -> None:
    async with rig(database_url, tmp_path, hosts=0) as k:
        here = Whereabouts(ACME, "whatsapp", "1065")
        before = time.time() - 5
        for aliases in (["AT.77", "4366011"], ["AT.77"], ["AT.78", "4366022"]):
            await people.resolve(k.database, here, aliases, before, aliases[-1])
        await forget_person(k.database, open_store(k.settings), Person(ACME, "whatsapp", "4366011"))
        await people.resolve(k.database, here, ["AT.77", "4366011"], before, "4366011")
        await people.move(k.database, here, ["4366011"], ["4366099"], recipient="4366099", at=before)
        assert rows(k, "select alias from contact_aliases order by 1") == [("4366022",), ("AT.78",)]
        await people.resolve(k.database, here, ["AT.77", "4366011"], time.time() + 1, "4366011")
        assert len(rows(k, "select 1 from contact_aliases")) == 4


async def test_a_file_that_another_person_sent_too_stays(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        store = open_store(k.settings)
        for user, channel in (("U0ALICE", "D0ALICE"), ("U0BOB", "D0BOB")):
            await k.slack.say(f"a form from {user}", user=user, channel=channel)
            await k.replies(1, channel)
        await until_quiet(k)
        both, hers = await store.put(ACME, b"a form"), await store.put(ACME, b"hers")
        rows(k, "update messages set files = %s where role = 'contact'", json.dumps([both]))
        rows(
            k,
            "update messages set files = %s where text like '%%U0ALICE%%' and role = 'contact'",
            json.dumps([both, hers]),
        )
        await forget_person(k.database, store, ALICE)
        assert await store.get(ACME, both) == b"a form"
        assert not list((tmp_path / "media").rglob(hers))


async def test_a_tenant_goes_whole_and_the_other_stays(database_url: str, tmp_path: Path) -> None:
    other = App(team="T0GLOBEX", app="A0GLOBEX", bot_user="U0BOT2", bot_token="xoxb-g", signing_secret="test-secret-g")
    async with rig(database_url, tmp_path) as k:
        await apply(k, "globex", other)
        store = open_store(k.settings)
        files = [await store.put(tenant, b"a file") for tenant in (ACME, GLOBEX)]
        await k.slack.say(SECRET, user="U0ALICE", channel="D0ALICE")
        await k.replies(1)
        await until_quiet(k)
        await forget_tenant(k.database, store, ACME)
        after = dump(database_url, "--exclude-table-data=audit_*", "--exclude-table-data=audit_months.*")
        assert "acme" not in after
        assert not [trace for trace in TRACES if trace in after]
        left = [line for line in after.splitlines() if str(ACME) in line]
        assert len(left) == 1, "only the tombstone"
        assert await store.get(GLOBEX, files[1])
        assert not (tmp_path / "media" / str(ACME)).exists()
        assert rows(k, "select name from tenants") == [("globex",)]
        with pytest.raises(UnknownTenant):
            await forget_tenant(k.database, store, ACME)


def test_every_table_of_a_tenant_goes_with_it_or_is_on_the_list(database_url: str) -> None:
    """A new table without a key into tenants would be left behind."""
    with psycopg.connect(database_url) as owner:
        left = owner.execute(LEFT_BEHIND).fetchall()
    assert {table for (table,) in left} == {"tombstones", "audit_events", "audit_seals", "audit_checkpoints"}


LEFT_BEHIND = """
  with recursive gone (oid) as (
    select 'tenants'::regclass::oid
    union select c.conrelid from pg_constraint c join gone g on g.oid = c.confrelid
      where c.contype = 'f' and c.confdeltype = 'c' and c.conrelid <> c.confrelid)
  select c.relname::text from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
  where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace and c.oid not in (select oid from gone)"""
