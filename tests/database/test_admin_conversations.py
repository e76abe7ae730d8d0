"""Conversations over the API: found, read, paused and resumed by who may."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.admin_rig import AdminRig, admin_rig

HERE = "/tenants/acme/conversations"


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[AdminRig]:
    async with admin_rig(database_url, tmp_path) as whole:
        await whole.rig.slack.say("Do you ship 100% of_orders to Iceland?")
        await whole.rig.replies(1)
        await whole.rig.slack.say("Good morning", channel="D0BOB", user="U0BOB")
        await whole.rig.replies(1, "D0BOB")
        yield whole


async def test_conversations_are_listed_the_liveliest_first_a_page_at_a_time(k: AdminRig) -> None:
    first = (await k.ask(f"{HERE}?limit=1")).body
    assert first["items"][0]["address"]["channel"] == "D0BOB"
    second = (await k.ask(f"{HERE}?limit=1&cursor={first['next_cursor']}")).body
    assert second["items"][0]["address"]["channel"] == "D0ALICE"
    assert second["next_cursor"] is None
    assert (await k.ask(f"{HERE}?limit=1&channel=slack&cursor={first['next_cursor']}")).status == 400


async def test_what_was_said_is_found_as_it_is_written(k: AdminRig) -> None:
    for words, found in (("ICELAND", 1), ("100%25 of_", 1), ("100%25%25", 0), ("of%20orders", 0)):
        assert len((await k.ask(f"{HERE}?said={words}")).body["items"]) == found
    assert (await k.ask(f"{HERE}?said=o")).status == 422
    assert len((await k.ask(f"{HERE}?channel=whatsapp")).body["items"]) == 0


async def test_a_conversation_is_read_back_newest_first(k: AdminRig) -> None:
    [bobs, alices] = (await k.ask(HERE)).body["items"]
    page = (await k.ask(f"{HERE}/{alices['id']}/messages?limit=1")).body
    assert page["items"][0]["role"] == "employee"
    page = (await k.ask(f"{HERE}/{alices['id']}/messages?cursor={page['next_cursor']}")).body
    assert [(message["role"], message["text"]) for message in page["items"]] == [
        ("contact", "Do you ship 100% of_orders to Iceland?")
    ]
    other = await k.ask(f"{HERE}/{bobs['id']}/messages?limit=1&cursor=x")
    assert other.status == 400


async def test_an_operator_silences_the_employee_and_a_viewer_cannot(k: AdminRig) -> None:
    [_, alices] = (await k.ask(HERE)).body["items"]
    place = f"{HERE}/{alices['id']}"
    viewer, operator = await k.token("acme", "viewer"), await k.token("acme", "operator")
    assert (await k.ask(f"{place}/pause", "POST", token=viewer, body={})).status == 403
    paused = await k.ask(f"{place}/pause", "POST", token=operator, body={"minutes": 5})
    assert (paused.status, paused.body["paused_reason"]) == (200, "paused by an operator")
    await k.rig.slack.say("Hello?")
    longer = await k.ask(f"{place}/pause", "POST", token=operator, body={"minutes": 9})
    assert longer.body["paused_until"] > paused.body["paused_until"]
    assert longer.body["paused_at"] == paused.body["paused_at"]
    [listed] = (await k.ask(f"{HERE}?paused=true")).body["items"]
    assert listed["paused_at"] == longer.body["paused_at"]
    assert (await k.ask(f"{place}/resume", "POST", token=viewer)).status == 403
    resumed = await k.ask(f"{place}/resume", "POST", token=operator)
    assert (resumed.body["paused_until"], resumed.body["paused_at"]) == (None, None)
    await k.rig.slack.say("Are you there?")
    assert len(await k.rig.replies(2)) == 2


async def test_a_decision_on_what_is_not_so_any_more_is_not_carried_out(k: AdminRig) -> None:
    [_, alices] = (await k.ask(HERE)).body["items"]
    place = f"{HERE}/{alices['id']}"
    tag = (await k.ask(place)).headers["ETag"]
    assert (await k.ask(f"{place}/pause", "POST", body={}, If_Match=tag)).status == 200
    assert (await k.ask(f"{place}/pause", "POST", body={}, If_Match=tag)).status == 412
