"""Whatever people do in the simulators, Konstruct's own parsers read it as what it is."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from slack_sdk.web.async_client import AsyncWebClient

from konstruct.channels.slack import events as slack_events
from konstruct.channels.slack import records as slack_records
from konstruct.channels.whatsapp import events as whatsapp_events
from konstruct.channels.whatsapp import records as whatsapp_records
from simulator import App, SlackSimulator, WhatsAppSimulator
from tests.hook import Hook, hooked, until
from tests.meta import ACME, GLOBEX, send

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def hook() -> AsyncIterator[Hook]:
    async with hooked() as hook:
        yield hook


@pytest_asyncio.fixture
async def slack(hook: Hook) -> AsyncIterator[SlackSimulator]:
    async with SlackSimulator([App()], webhook=f"{hook.url}/slack/events", retry_seconds=()) as simulator:
        yield simulator


@pytest_asyncio.fixture
async def whatsapp(hook: Hook) -> AsyncIterator[WhatsAppSimulator]:
    async with WhatsAppSimulator([ACME, GLOBEX], webhook=f"{hook.url}/whatsapp/webhook", retry_seconds=()) as simulator:
        yield simulator


def read_slack(hook: Hook) -> list[Any]:
    found = [slack_events.parse(body) for _, _, body in hook.requests]
    hook.clear()
    return found


def read_whatsapp(hook: Hook) -> list[Any]:
    found = [record for _, _, body in hook.requests for record in whatsapp_events.parse(body)]
    hook.clear()
    return found


async def test_slacks_messages_and_their_changes(slack: SlackSimulator, hook: Hook) -> None:
    said = await slack.say("helo")
    await slack.people.edit(said.ts, "hello")
    await slack.people.unfurl(said.ts)
    await slack.people.delete(said.ts)
    message, edit, preview, delete = read_slack(hook)
    assert [(event.kind, event.ts) for event in (message, edit, delete)] == [
        ("message", said.ts),
        ("edit", said.ts),
        ("delete", said.ts),
    ]
    assert (message.direct, edit.text) == (True, "hello")
    assert isinstance(preview, slack_records.Ignored)
    await slack.people.share("a.txt", "x", text="look", channel="C1X", kind="message", from_team="T0OTHER")
    (shared,) = read_slack(hook)
    assert (shared.files[0].name, shared.source.team, shared.user_team) == ("a.txt", "T0ACME", "T0OTHER")


async def test_what_else_happens_in_slack(slack: SlackSimulator, hook: Hook) -> None:
    said = await slack.say("hi")
    hook.clear()
    await slack.people.react(said.ts, "eyes")
    await slack.people.unreact(said.ts, "eyes")
    await slack.people.open_home()
    await slack.people.look_at([{"type": "slack#/types/channel_id", "value": "C1X"}])
    await slack.people.join("C1X")
    await slack.admin.verify_url(challenge="c")
    await slack.admin.limit_events()
    await slack.admin.uninstall()
    found = read_slack(hook)
    assert [type(event).__name__ for event in found] == [
        "Reaction",
        "Reaction",
        "Opened",
        "Ignored",
        "Ignored",
        "Challenge",
        "Limited",
        "Disconnected",
        "Disconnected",
    ]
    assert [event.removed for event in found[:2]] == [False, True]


async def test_an_employee_does_not_hear_itself_in_slack(slack: SlackSimulator, hook: Hook) -> None:
    slack.options.own_events = True
    client = AsyncWebClient(App().bot_token, base_url=slack.url)
    ts = (await client.chat_postMessage(channel="D0ALICE", text="one"))["ts"]
    await client.chat_update(channel="D0ALICE", ts=ts, text="two")
    stream = (await client.chat_startStream(channel="D0ALICE", thread_ts=ts, markdown_text="a"))["ts"]
    await client.chat_stopStream(channel="D0ALICE", ts=stream, markdown_text="b")
    await client.chat_delete(channel="D0ALICE", ts=ts)
    await until(lambda: len(hook.requests) == 5)
    assert {type(event).__name__ for event in read_slack(hook)} == {"Ignored"}


async def test_an_organisations_events_name_it(hook: Hook) -> None:
    app = App(enterprise="E0ORG", org_wide=True)
    async with SlackSimulator([app], webhook=f"{hook.url}/slack/events", retry_seconds=()) as slack:
        for named in (False, True):
            slack.options.org_events_name_team = named
            await slack.say("hi")
            (event,) = read_slack(hook)
            assert event.source == slack_records.Source("A0ACME", "T0ACME", "E0ORG")


async def test_all_that_people_write_in_whatsapp(whatsapp: WhatsAppSimulator, hook: Hook) -> None:
    people = whatsapp.people
    first = (await whatsapp.say("hi")).ts
    await whatsapp.say("again", quote=first, forwarded="forwarded", referral={"headline": "Sale"})
    for kind in ("image", "video", "document", "audio", "sticker"):
        await people.share(kind, "content", voice=kind == "audio")
    await people.locate(52.4, 4.9, name="Home")
    await people.introduce("Barbara Johnson")
    await people.order({"sku-1": 2})
    await people.send_unsupported()
    await people.react(first, "👍")
    await people.react(first, "")
    await people.edit(first, "hello")
    await people.revoke(first)
    found = read_whatsapp(hook)
    assert all(isinstance(record, whatsapp_records.Said) for record in found)
    kinds = [record.kind for record in found]
    assert kinds == ["message"] * 10 + ["unsupported", "reaction", "reaction", "edit", "delete"]
    assert [len(record.attachments) for record in found[2:7]] == [1] * 5
    assert {record.target for record in found[11:]} == {first}
    assert (found[0].person.phone, found[1].quoted) == ("4915112345678", first)


async def test_what_else_whatsapp_tells(whatsapp: WhatsAppSimulator, hook: Hook) -> None:
    await whatsapp.say("hi")
    await send(whatsapp, biz_opaque_callback_data="reply-1")
    _, *statuses = read_whatsapp(hook)
    assert [(status.status, status.reply, status.billable) for status in statuses] == [
        ("sent", "reply-1", True),
        ("delivered", "reply-1", True),
        ("read", "reply-1", True),
    ]
    await whatsapp.admin.echo("This is Ben")
    await whatsapp.people.change_user_id("DE.2")
    await whatsapp.people.change_user_id("DE.3", as_field=True)
    await whatsapp.people.change_number("4917000000000")
    await whatsapp.people.open_chat(sender="4917000000000")
    await whatsapp.admin.update_account("ACCOUNT_RESTRICTION")
    await whatsapp.admin.update_template("follow_up", "PAUSED")
    await whatsapp.admin.prefer()
    found = read_whatsapp(hook)
    names = [type(record).__name__ for record in found]
    assert names == ["Said", "Moved", "Moved", "Moved", "Notice", "Notice", "Notice", "Notice"]
    assert found[0].kind == "operator"
    assert "DE.2" in found[2].before
    assert (found[3].after.phone, found[5].alarming) == ("4917000000000", True)


async def test_a_batch_of_whatsapps_is_read_whole(whatsapp: WhatsAppSimulator, hook: Hook) -> None:
    await whatsapp.batch(
        [
            {"act": "say", "text": "one"},
            {"act": "say", "text": "two", "sender": "4915100000001"},
            {"act": "say", "text": "three", "number": GLOBEX.phone_number_id},
        ]
    )
    found = read_whatsapp(hook)
    assert [(record.text, record.number) for record in found] == [
        ("one", ACME.phone_number_id),
        ("two", ACME.phone_number_id),
        ("three", GLOBEX.phone_number_id),
    ]


@pytest.mark.parametrize("shown", ["yes", "absent", "empty"])
async def test_people_are_known_however_little_is_shown_of_them(
    whatsapp: WhatsAppSimulator, hook: Hook, shown: str
) -> None:
    whatsapp.people.meet("Bo", phone="4915100000002", user_id="DE.7", phone_shown=shown)
    await whatsapp.say("hi", sender="Bo")
    (record,) = read_whatsapp(hook)
    assert (record.person.user_id, record.person.name) == ("DE.7", "Bo")
    assert record.person.phone == ("4915100000002" if shown == "yes" else "")
