"""What people do in the simulated Slack, as an app's webhook sees it."""

from collections.abc import AsyncIterator, Awaitable
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from simulator import App, SlackSimulator
from tests.hook import Hook, hooked, until

pytestmark = pytest.mark.asyncio
ACME = App()


@pytest_asyncio.fixture
async def hook() -> AsyncIterator[Hook]:
    async with hooked() as hook:
        yield hook


@pytest_asyncio.fixture
async def slack(hook: Hook) -> AsyncIterator[SlackSimulator]:
    async with SlackSimulator([ACME], webhook=f"{hook.url}/slack/events", retry_seconds=()) as simulator:
        yield simulator


@pytest.fixture
def client(slack: SlackSimulator) -> AsyncWebClient:
    return AsyncWebClient(ACME.bot_token, base_url=slack.url)


async def error_of(call: Awaitable[Any]) -> str:
    with pytest.raises(SlackApiError) as refused:
        await call
    return str(refused.value.response["error"])


async def test_an_edit_tells_the_text_before_and_after(slack: SlackSimulator, hook: Hook) -> None:
    said = await slack.say("helo")
    await slack.people.edit(said.ts, "hello")
    event = hook.events[1]
    assert (event["type"], event["subtype"], event["channel"]) == ("message", "message_changed", "D0ALICE")
    assert (event["message"]["ts"], event["message"]["text"]) == (said.ts, "hello")
    assert event["previous_message"]["text"] == "helo"
    assert event["message"]["edited"]
    assert [message.text for message in slack.messages("D0ALICE")] == ["hello"]


async def test_a_links_preview_is_a_change_that_nobody_made(slack: SlackSimulator, hook: Hook) -> None:
    said = await slack.say("https://example.com/")
    await slack.people.unfurl(said.ts)
    event = hook.events[1]
    assert event["message"]["text"] == event["previous_message"]["text"]
    assert "edited" not in event["message"]


async def test_a_deletion_leaves_a_tombstone_where_replies_remain(slack: SlackSimulator, hook: Hook) -> None:
    root = (await slack.say("a", channel="C1X")).ts
    reply = (await slack.say("b", channel="C1X", thread_ts=root)).ts
    hook.clear()
    await slack.people.delete(root, channel="C1X")
    await slack.people.delete(reply, channel="C1X")
    tombstone, deleted = hook.events
    assert (tombstone["subtype"], tombstone["message"]["subtype"]) == ("message_changed", "tombstone")
    assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", reply)


async def test_reactions_are_told_and_taken_back(slack: SlackSimulator, hook: Hook, client: AsyncWebClient) -> None:
    said = await slack.say("hi")
    await slack.people.react(said.ts, "thumbsup")
    await slack.people.unreact(said.ts, "thumbsup")
    assert [event["type"] for event in hook.events[1:]] == ["reaction_added", "reaction_removed"]
    assert hook.events[1]["item"] == {"type": "message", "channel": "D0ALICE", "ts": said.ts}
    where = {"channel": "D0ALICE", "timestamp": said.ts}
    await client.reactions_add(**where, name="eyes")
    assert await error_of(client.reactions_add(**where, name="eyes")) == "already_reacted"
    assert (await client.reactions_get(**where))["message"]["reactions"] == [
        {"name": "eyes", "users": ["U0BOT"], "count": 1}
    ]
    await client.reactions_remove(**where, name="eyes")
    assert await error_of(client.reactions_remove(**where, name="eyes")) == "no_reaction"
    assert await error_of(client.reactions_add(**where, name="👀")) == "invalid_name"
    kinds = [entry.kind for entry in slack.log]
    assert kinds == ["message", "reaction", "reaction_removed", "reaction", "reaction_removed"]


async def test_a_follow_up_in_a_thread_arrives_without_a_mention(slack: SlackSimulator, hook: Hook) -> None:
    root = (await slack.say("hi", channel="C1X")).ts
    hook.clear()
    await slack.say("and then?", channel="C1X", thread_ts=root, kind="message")
    (event,) = hook.events
    assert (event["type"], event["channel_type"], event["text"]) == ("message", "channel", "and then?")


async def test_group_messages_and_broadcasts_have_their_own_marks(slack: SlackSimulator, hook: Hook) -> None:
    await slack.say("all", channel="G0GROUP", kind="mpim")
    root = (await slack.say("hi", channel="C1X", kind="message")).ts
    await slack.say("to all", channel="C1X", kind="message", thread_ts=root, broadcast=True)
    assert hook.events[0]["channel_type"] == "mpim"
    assert (hook.events[2]["subtype"], hook.events[2]["root"]["text"]) == ("thread_broadcast", "hi")


async def test_a_slack_connect_sender_is_of_another_team_than_the_installation(
    slack: SlackSimulator, hook: Hook
) -> None:
    await slack.say("hi", channel="C1X", from_team="T0OTHER", user="U0CAROL", kind="message")
    (body,) = hook.bodies
    assert body["team_id"] == "T0OTHER"
    assert body["authorizations"][0]["team_id"] == "T0ACME"
    assert body["is_ext_shared_channel"] is True
    assert body["event"]["user_team"] == "T0OTHER"


async def test_an_org_wide_installation_is_marked_and_answers_where_it_was_asked(hook: Hook) -> None:
    app = App(team="T0ONE", workspaces=("T0TWO",), enterprise="E0ORG", org_wide=True)
    async with SlackSimulator([app], webhook=f"{hook.url}/slack/events", retry_seconds=()) as slack:
        await slack.say("hi", team="T0TWO", channel="D0BOB", user="U0BOB")
        (body,) = hook.bodies
        assert (body["team_id"], body["enterprise_id"]) == ("T0TWO", "E0ORG")
        assert body["authorizations"][0] | {"is_bot": True} == {
            "enterprise_id": "E0ORG",
            "team_id": None,
            "user_id": "U0BOT",
            "is_bot": True,
            "is_enterprise_install": True,
        }
        client = AsyncWebClient(app.bot_token, base_url=slack.url)
        await client.chat_postMessage(channel="D0BOB", text="hello")
        await client.chat_postMessage(channel="D0BOB", text="hello", team_id="T0TWO")
        assert {entry.team for entry in slack.log} == {"T0TWO"}
        refused = await error_of(client.chat_postMessage(channel="D0BOB", text="x", team_id="T0EVIL"))
        assert refused == "team_access_not_granted"


async def test_visits_and_joins_are_events(slack: SlackSimulator, hook: Hook) -> None:
    await slack.people.open_home()
    await slack.people.look_at([{"type": "slack#/types/channel_id", "value": "C1X", "team_id": "T0ACME"}])
    await slack.people.look_at(bare=True)
    await slack.people.join("C1X")
    opened, looked, bare, joined = hook.events
    assert (opened["type"], opened["tab"], opened["user"]) == ("app_home_opened", "messages", "U0ALICE")
    assert looked["context"]["entities"][0]["value"] == "C1X"
    assert (bare["context"], "user" in bare) == ({}, False)
    assert (joined["type"], joined["user"], joined["channel"]) == ("member_joined_channel", "U0BOT", "C1X")


async def test_a_removed_app_hears_two_events_in_either_order_and_may_do_nothing_more(
    slack: SlackSimulator, hook: Hook, client: AsyncWebClient
) -> None:
    await slack.admin.revoke_tokens(effective=False, event_time=1_700_000_000)
    assert hook.bodies[0]["event_time"] == 1_700_000_000
    assert (await client.auth_test())["ok"]
    await slack.admin.uninstall(revoked_first=False)
    assert [event["type"] for event in hook.events[1:]] == ["app_uninstalled", "tokens_revoked"]
    assert hook.events[2]["tokens"] == {"oauth": [], "bot": ["U0BOT"]}
    assert await error_of(client.auth_test()) == "account_inactive"
    with pytest.raises(LookupError):
        await slack.say("hi")


async def test_slack_checks_urls_and_says_when_it_stops(slack: SlackSimulator, hook: Hook) -> None:
    hook.text = "challenge-1"
    assert (await slack.admin.verify_url(challenge="challenge-1")).answer == "challenge-1"
    await slack.admin.limit_events()
    await slack.admin.check_ssl()
    assert [path for path, _, _ in hook.requests] == ["/slack/events", "/slack/events", "/slack/commands"]
    assert hook.forms[2]["ssl_check"] == "1"
    for _, headers, body in hook.requests:
        assert SignatureVerifier(ACME.signing_secret).is_valid_request(body, headers)


async def test_every_act_can_be_asked_for_over_http(slack: SlackSimulator, hook: Hook) -> None:
    async with aiohttp.ClientSession() as session:

        async def ask(act: str, **fields: Any) -> dict[str, Any]:
            async with session.post(f"{slack.address}/_simulator/{act}", json=fields) as answer:
                return dict(await answer.json())

        said = await ask("say", text="helo")
        assert (await ask("edit", ts=said["ts"], text="hello"))["status"] == 200
        assert (await ask("react", ts=said["ts"], name="eyes"))["ok"]
        assert not (await ask("edit", ts="1.2", text="hello"))["ok"]
        assert not (await ask("edit", ts=said["ts"], words="hello"))["ok"]
        assert (await ask("options", streaming=False))["options"]["streaming"] is False
        assert (await ask("clock", advance_seconds=301))["ahead_seconds"] == 301
        assert len((await ask("uninstall"))["sent"]) == 2
    assert slack.options.streaming is False


async def test_an_app_may_hear_of_itself(slack: SlackSimulator, hook: Hook, client: AsyncWebClient) -> None:
    slack.options.own_events = True
    ts = (await client.chat_postMessage(channel="D0ALICE", text="one"))["ts"]
    await client.chat_update(channel="D0ALICE", ts=ts, text="two")
    await client.reactions_add(channel="D0ALICE", timestamp=ts, name="eyes")
    await client.chat_delete(channel="D0ALICE", ts=ts)
    await until(lambda: len(hook.requests) == 4)
    told = {event.get("subtype") or event["type"]: event for event in hook.events}
    assert (told["message"]["bot_id"], told["message"]["user"], told["message"]["text"]) == ("B0BOT", "U0BOT", "one")
    assert told["message_changed"]["message"]["text"] == "two"
    assert told["message_changed"]["previous_message"]["text"] == "one"
    assert told["message_deleted"]["previous_message"]["bot_id"] == "B0BOT"
    assert told["reaction_added"]["user"] == "U0BOT"
