"""Dead letters over the API: tried again they end as if nothing had been; given up they stay as they are."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from simulator import Fault
from tests.admin_rig import AdminRig, admin_rig

LETTERS = "/tenants/acme/dead-letters"


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[AdminRig]:
    async with admin_rig(database_url, tmp_path) as whole:
        yield whole


async def becomes(k: AdminRig, statement: str, wanted: list[tuple[object, ...]]) -> None:
    async with asyncio.timeout(15):
        while k.sql(statement) != wanted:
            await asyncio.sleep(0.05)


async def set_aside(k: AdminRig) -> dict[str, str]:
    """A message that was answered once, as one that never was."""
    await k.rig.stop_host(k.rig.hosts[0])
    await k.rig.slack.say("Are you open?")
    await becomes(k, "select state from inbox", [("waiting",)])
    k.sql("update inbox set state = 'dead', attempts = 3, error = 'ZeroDivisionError: by zero'")
    await k.rig.start_host()
    [letter] = (await k.ask(LETTERS)).body["items"]
    return dict(letter)


async def test_a_dead_message_is_answered_when_it_is_tried_again(k: AdminRig) -> None:
    letter = await set_aside(k)
    assert (letter["kind"], letter["attempts"], letter["error"]) == ("message", 3, "ZeroDivisionError: by zero")
    assert (await k.ask(f"{LETTERS}/message/{letter['id']}/retry", "POST")).status == 204
    assert len(await k.rig.replies(1)) == 1
    await becomes(k, "select state from inbox", [("answered",)])
    assert (await k.ask(LETTERS)).body["items"] == []
    assert (await k.ask(f"{LETTERS}/message/{letter['id']}/retry", "POST")).status == 404


async def test_a_dead_message_that_is_given_up_is_not_answered_and_not_kept(k: AdminRig) -> None:
    letter = await set_aside(k)
    assert (await k.ask(f"{LETTERS}/message/{letter['id']}/discard", "POST")).status == 204
    assert k.sql("select state, body from inbox") == [("suppressed", {})]
    assert (await k.ask(LETTERS)).body["items"] == []


async def test_a_refused_reply_is_sent_when_it_is_tried_again(k: AdminRig) -> None:
    k.rig.slack.faults.rules.append(Fault("refuse", error="channel_not_found", times=9))
    await k.rig.slack.say("Are you open?")
    await becomes(k, "select state from outbox", [("dead",)])
    k.rig.slack.faults.rules.clear()
    [letter] = (await k.ask(LETTERS)).body["items"]
    assert letter["kind"] == "reply"
    assert (await k.ask(f"{LETTERS}/reply/{letter['id']}/retry", "POST")).status == 204
    assert len(await k.rig.replies(1)) == 1
    await becomes(k, "select state from outbox order by state", [("cancelled",), ("sent",)])


async def test_what_was_set_aside_is_listed_a_page_at_a_time(k: AdminRig) -> None:
    await set_aside(k)
    k.sql(
        "insert into inbox (tenant_id, channel, event, conversation_id, shard, epoch, body, state, received_at)"
        " select tenant_id, channel, event || n, conversation_id, shard, epoch, '{}', 'dead',"
        " now() - n * '1 s'::interval"
        " from inbox, generate_series(1, 6) n"
    )
    seen, cursor = [], ""
    for _ in range(4):
        page = (await k.ask(f"{LETTERS}?limit=2{cursor}")).body
        seen += [letter["id"] for letter in page["items"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert len(seen) == len(set(seen)) == 7
    assert page["next_cursor"] is None
    foreign = await k.ask(f"/tenants/globex/dead-letters?limit=2{cursor}")
    assert foreign.status == 400


async def test_a_cursor_of_another_tenant_is_refused(k: AdminRig) -> None:
    await set_aside(k)
    k.sql(
        "insert into inbox (tenant_id, channel, event, conversation_id, shard, epoch, body, state)"
        " select tenant_id, channel, 'another', conversation_id, shard, epoch, '{}', 'dead' from inbox"
    )
    page = (await k.ask(f"{LETTERS}?limit=1")).body
    assert page["next_cursor"]
    assert (await k.ask(f"/tenants/globex/dead-letters?cursor={page['next_cursor']}")).status == 400
    assert (await k.ask(f"/tenants?cursor={page['next_cursor']}")).status == 400
