"""What people do in Slack, as it reaches the employee: real signed requests, real PostgreSQL, the simulator's log."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from konstruct import tenant_file
from konstruct.database import tenants
from konstruct.identity import tenant_id
from konstruct.metrics import Unmeasured
from konstruct.vault import Vault
from simulator.faults import Fault
from simulator.slack.simulator import RETRY_AFTER_SECONDS
from tests.rig import APP, TENANT, Rig, rig

SHOP = "C0SHOP"


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(database_url, tmp_path) as under_test:
        yield under_test


def rows(k: Rig, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(k.settings.database_url or "") as owner:
        return owner.execute(statement.encode(), values).fetchall()


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        await asyncio.sleep(0.05)


async def in_thread(k: Rig, root: str, count: int, channel: str = SHOP) -> list[str]:
    """The employee's answers in a thread, once there are `count`."""
    async with asyncio.timeout(15):
        while len(await k.texts(channel, root)) < count:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)
    return await k.texts(channel, root)


async def test_a_follow_up_in_the_thread_needs_no_mention_and_a_strangers_thread_is_left_alone(k: Rig) -> None:
    root = await k.slack.say("is it open?", channel=SHOP)
    assert await in_thread(k, root.ts, 1) == ["You said: is it open?"]
    await k.slack.say("and on Sunday?", channel=SHOP, kind="message", thread_ts=root.ts, user="U0BOB")
    assert (await in_thread(k, root.ts, 2))[1] == "You said: and on Sunday?"
    other = await k.slack.say("lunch?", channel=SHOP, kind="message")
    await k.slack.say("yes!", channel=SHOP, kind="message", thread_ts=other.ts)
    await asyncio.sleep(0.3)
    assert await k.texts(SHOP, other.ts) == []
    assert len(rows(k, "select * from inbox")) == 2


async def test_an_aside_is_heard_and_not_answered(k: Rig) -> None:
    root = await k.slack.say("is it open?", channel=SHOP)
    await in_thread(k, root.ts, 1)
    await k.slack.say("<@U0BOB> do you know?", channel=SHOP, kind="message", thread_ts=root.ts)
    await until(lambda: not rows(k, "select 1 from inbox where state = 'waiting'"))
    assert len(await in_thread(k, root.ts, 1)) == 1
    assert rows(k, "select text from messages where role = 'contact' order by id")[-1] == ("<@U0BOB> do you know?",)


async def test_in_a_group_message_a_mention_opens_a_thread(k: Rig) -> None:
    await k.slack.say("three of us", channel="G0THREE", kind="mpim")
    root = await k.slack.say(f"<@{APP.bot_user}> and you?", channel="G0THREE", kind="mpim")
    assert await in_thread(k, root.ts, 1, "G0THREE") == ["You said: and you?"]
    await k.slack.say("thanks", channel="G0THREE", kind="mpim", thread_ts=root.ts)
    assert (await in_thread(k, root.ts, 2, "G0THREE"))[1] == "You said: thanks"
    assert len(rows(k, "select * from inbox")) == 2


async def test_an_edit_rewrites_what_was_said_and_a_deletion_takes_it_back(k: Rig) -> None:
    said = await k.slack.say("my name is Alcie")
    await k.replies(1)
    await k.slack.people.edit(said.ts, "my name is Alice")
    await until(lambda: rows(k, "select text from messages where role = 'contact'") == [("my name is Alice",)])
    await k.slack.people.delete(said.ts)
    await until(lambda: rows(k, "select text from messages where role = 'contact'") == [])
    assert len(await k.replies(1)) == 1


async def test_link_previews_and_the_employees_own_edits_are_no_changes(k: Rig) -> None:
    said = await k.slack.say("see https://example.com")
    await k.replies(1)
    stored = len(rows(k, "select * from inbox"))
    await k.slack.people.unfurl(said.ts)
    mine = next(message for message in k.slack.messages("D0ALICE") if message.user == APP.bot_user)
    await k.slack.people.edit(mine.ts, "something else")
    await k.slack.people.delete(mine.ts)
    assert len(rows(k, "select * from inbox")) == stored


@pytest.mark.parametrize("of", ["employee", "contact"])
async def test_a_reaction_reaches_the_conversation_of_its_message_and_only_a_known_one(k: Rig, of: str) -> None:
    root = await k.slack.say("is it open?", channel=SHOP)
    await in_thread(k, root.ts, 1)
    answer = next(m for m in k.slack.messages(SHOP, thread_ts=root.ts) if m.user == APP.bot_user)
    await until(lambda: rows(k, "select external_id from outbox") == [(answer.ts,)])
    target = answer.ts if of == "employee" else root.ts
    await k.slack.people.react(target, "thumbsup", channel=SHOP)
    await k.slack.people.unreact(target, "thumbsup", channel=SHOP)
    stranger = await k.slack.say("lunch?", channel=SHOP, kind="message")
    await k.slack.people.react(stranger.ts, "tada", channel=SHOP)
    found = rows(k, "select event, conversation_id from inbox order by id")
    assert len(found) == 3
    assert len({conversation for _, conversation in found}) == 1
    await until(lambda: not rows(k, "select 1 from inbox where state = 'waiting'"))
    assert len(await in_thread(k, root.ts, 1)) == 1


async def test_a_file_is_a_message_also_without_words(k: Rig) -> None:
    await k.slack.people.share("menu.txt", "Soup, bread", text="")
    assert len(await k.replies(1)) == 1


async def test_where_direct_messages_are_threads_each_is_answered_in_its_own(k: Rig) -> None:
    text = TENANT.format(tenant="acme", app=APP, quiet=0).replace("slack: {", "slack: {agent_view: true, ")
    await tenants.apply_tenant(k.database, tenant_file.parse(text, {}), Vault(k.settings.master_keys))
    first, second = await k.slack.say("one"), await k.slack.say("two")
    assert await in_thread(k, first.ts, 1, "D0ALICE") == ["You said: one"]
    assert await in_thread(k, second.ts, 1, "D0ALICE") == ["You said: two"]
    await k.slack.say("more", thread_ts=first.ts)
    assert await in_thread(k, first.ts, 2, "D0ALICE") == ["You said: one", "You said: more"]
    assert len(rows(k, "select * from conversations")) == 2


@pytest.mark.parametrize(
    "mark",
    [
        {"bot_id": "B0OTHER"}, {"bot_profile": {"id": "B0OTHER"}}, {"app_id": "A0OTHER"}, {"user": "USLACKBOT"},
        {"user": APP.bot_user}, {"subtype": "bot_message"}, {"subtype": "channel_topic"}, {"hidden": True},
        {"subtype": "assistant_app_thread"}, {"subtype": "message_replied"},
    ],
)  # fmt: skip
async def test_what_programs_write_is_never_answered(k: Rig, mark: dict[str, object]) -> None:
    event = {
        "type": "message", "channel_type": "im", "user": "U0ALICE", "channel": "D0ALICE", "ts": "1793000000.000100",
        "text": "hello",
    }  # fmt: skip
    said = await k.slack.send(event | mark)
    assert said.status == 200
    assert rows(k, "select * from inbox") == []


@pytest.mark.parametrize("outages", [1, 2, 3])
async def test_what_is_turned_away_comes_again_on_slacks_schedule_and_is_answered_once(
    database_url: str, tmp_path: Path, outages: int
) -> None:
    async with rig(database_url, tmp_path, retry_seconds=[wait / 600 for wait in RETRY_AFTER_SECONDS]) as k:
        pool, k.database._pool = k.database._pool, None
        await k.slack.say("hello")
        (delivery,) = k.slack.courier.deliveries
        while len(delivery.attempts) < outages:
            await asyncio.sleep(0)
        k.database._pool = pool
        assert await k.replies(1) == ["You said: hello"]
        assert [attempt.status for attempt in delivery.attempts] == [503] * outages + [200]
        assert rows(k, "select count(*) from inbox") == [(1,)]


async def overtake(k: Rig) -> str:
    """A mention that is turned away at first, and a follow-up in its thread that arrives meanwhile."""
    pool, k.database._pool = k.database._pool, None
    root = await k.slack.say("is it open?", channel=SHOP)
    k.database._pool = pool
    await k.slack.say("and on Sunday?", channel=SHOP, kind="message", thread_ts=root.ts)
    assert rows(k, "select * from inbox") == []
    return root.ts


def asked(k: Rig) -> list[str]:
    """What people said, in order, as far as the employee knows."""
    return [text for (text,) in rows(k, "select text from messages where role = 'contact' order by id")]


@pytest.mark.parametrize("faults", [[], [Fault("rate_limit", "conversations.replies")]])
async def test_a_follow_up_that_overtakes_its_mention_is_answered_too(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: list[Fault]
) -> None:
    monkeypatch.setattr("konstruct.channels.slack.follow_ups.LATE_SECONDS", 2.0)
    async with rig(database_url, tmp_path, retry_seconds=(2.5, 1.5), faults=faults) as k:
        await k.slack.say("lunch?", channel=SHOP, kind="message", user="U0BOB")
        await overtake(k)
        await until(lambda: len(asked(k)) == 2)
        assert asked(k) == ["is it open?", "and on Sunday?"]
        await until(lambda: {delivery.attempts[-1].status for delivery in k.slack.courier.deliveries} == {200})
        assert rows(k, "select count(*) from inbox") == [(2,)]


async def test_a_late_mention_in_a_thread_that_may_not_be_read_is_answered(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("konstruct.channels.slack.follow_ups.LATE_SECONDS", 2.0)
    refusal = Fault("refuse", "conversations.replies", times=None, error="missing_scope")
    async with rig(database_url, tmp_path, retry_seconds=(2.5, 1.5), faults=[refusal]) as k:
        root = await overtake(k)
        assert await in_thread(k, root, 1) == ["You said: is it open?"]
        await until(lambda: {delivery.attempts[-1].status for delivery in k.slack.courier.deliveries} == {200})
        await until(lambda: refusal.hits == 1)


async def test_a_person_of_another_workspace_is_answered_by_the_tenant_who_installed_the_app(k: Rig) -> None:
    await k.slack.say("hello from elsewhere", user="U0STRANGER", from_team="T0PARTNER", channel=SHOP)
    await until(lambda: bool(rows(k, "select 1 from outbox where state = 'sent'")))
    [(address,)] = rows(k, "select address from outbox")
    assert (address["team"], address["recipient"]) == ("T0ACME", "T0PARTNER/U0STRANGER")


@pytest.mark.parametrize("names_team", [False, True])
async def test_an_app_of_the_whole_organisation_answers_in_each_of_its_workspaces(
    database_url: str, tmp_path: Path, *, names_team: bool
) -> None:
    async with rig(database_url, tmp_path, org_events_name_team=names_team) as k:
        corp = replace(APP, app="A0CORP", enterprise="E0CORP", team="T0SALES", org_wide=True, bot_token="xoxb-corp")
        k.slack.installations.install(corp)
        token = k.slack.app_of("T0SALES").bot_token
        text = TENANT.format(tenant="corp", app=replace(corp, team="E0CORP", bot_token=token), quiet=0)
        await tenants.apply_tenant(k.database, tenant_file.parse(text, {}), Vault(k.settings.master_keys))
        await k.slack.say("hello", team="T0SALES", channel="D0SALES")
        await until(lambda: bool(rows(k, "select 1 from outbox where state = 'sent'")))
        [(address,)] = rows(k, "select address from outbox")
        assert (address["team"], address["recipient"]) == ("E0CORP", "T0SALES/U0ALICE")
        assert [m.text for m in k.slack.messages("D0SALES", team="T0SALES")][-1] == "You said: hello"


async def test_whose_events_slack_drops_is_said_and_counted(k: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[str] = []
    monkeypatch.setattr(Unmeasured, "count", lambda _self, name, *_labels, **_by: counted.append(name))
    with capture_logs() as lines:
        assert (await k.slack.admin.limit_events()).status == 200
    [line] = [line for line in lines if line["log_level"] == "warning"]
    assert (line["tenant"], line["team"]) == (tenant_id("acme"), APP.team)
    assert counted.count("konstruct_slack_limited_total") == 1
