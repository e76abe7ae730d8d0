"""Files out to Slack and in from it; and what else stands beside a thread."""

from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest
from aiohttp import web

from konstruct.channels.slack.origin import is_slack
from konstruct.errors import ChannelBusy, ChannelOutcomeUnknown, ChannelRefused
from konstruct.messages import Attachment
from simulator import Fault
from simulator.slack.app import App
from tests.unit.slack_channel import APP, Desk, desk, opened, reply_to

API = "http://127.0.0.1:8790/api/"
WHOLE = "A paragraph of words.\n\n" * 4_000


@pytest.fixture
async def d() -> AsyncIterator[Desk]:
    async with desk() as found:
        yield found


def shared(d: Desk, content: bytes = b"what is in it", kind: str = "text/plain") -> Attachment:
    """A file that a person has shared."""
    file = d.slack.files.add(APP.team, "U0ALICE", "notes.txt", kind, content)
    return Attachment("document", "notes.txt", kind, d.slack.files.details(file)["url_private"])


async def test_a_file_is_fetched_with_the_token(d: Desk) -> None:
    assert await d.channel.fetch(shared(d), limit=100) == b"what is in it"


async def test_a_file_of_which_only_the_id_is_known_is_asked_for(d: Desk) -> None:
    file = d.slack.files.add(APP.team, "U0ALICE", "notes.txt", "text/plain", b"shared from elsewhere")
    attachment = replace(shared(d), reference=file.id)
    assert await d.channel.fetch(attachment, limit=100) == b"shared from elsewhere"


@pytest.mark.parametrize("announced", [None, 5_000_000])
async def test_a_file_over_the_limit_is_refused(d: Desk, announced: int | None) -> None:
    attachment = replace(shared(d, b"x" * 300_000), size=announced)
    with pytest.raises(ChannelRefused, match="larger than 1000 bytes"):
        await d.channel.fetch(attachment, limit=1_000)


@pytest.mark.parametrize("kind", ["text/plain", "text/html"])
async def test_the_page_to_sign_in_is_not_taken_for_the_file(d: Desk, kind: str) -> None:
    stranger = opened(d.slack.url, d.session)
    stranger._api.authorization = {"Authorization": "Bearer xoxb-wrong"}
    with pytest.raises(ChannelRefused, match="files:read"):
        await stranger.fetch(shared(d, kind=kind), limit=1_000)


@pytest.fixture
async def elsewhere() -> AsyncIterator[tuple[str, list[str | None]]]:
    """A server that is not Slack's: its URL, and the authorizations that reached it."""
    seen: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(text="gotcha")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/file", seen
    await runner.cleanup()


async def test_the_token_goes_to_no_other_host(d: Desk, elsewhere: tuple[str, list[str | None]]) -> None:
    url, seen = elsewhere
    with pytest.raises(ChannelRefused, match="not one of Slack's"):
        await d.channel.fetch(replace(shared(d), reference=url), limit=100)
    d.slack.options.redirect_files_to = url
    with pytest.raises(ChannelRefused, match="not one of Slack's"):
        await d.channel.fetch(shared(d), limit=100)
    assert seen == []


async def test_a_file_that_moves_for_ever_is_given_up(d: Desk) -> None:
    attachment = shared(d)
    d.slack.options.redirect_files_to = attachment.reference
    with pytest.raises(ChannelRefused, match="from one place to another"):
        await d.channel.fetch(attachment, limit=100)


async def test_files_that_cannot_be_reached_may_be_had_later() -> None:
    async with aiohttp.ClientSession() as session:
        channel = opened("http://127.0.0.1:1/api/", session)
        attachment = Attachment("document", "a.txt", "text/plain", "http://127.0.0.1:1/files/a.txt")
        with pytest.raises((ChannelBusy, ChannelOutcomeUnknown)):
            await channel.fetch(attachment, limit=100)


@pytest.mark.parametrize(
    ("url", "fine"),
    [
        ("https://files.slack.com/files-pri/T1-F1/a.png", True),
        ("https://acme.slack.com/files/a", True),
        ("http://127.0.0.1:8790/files-pri/T1-F1/a.png", True),
        ("http://files.slack.com/a", False),
        ("https://files.slack.com:8443/a", False),
        ("https://slack.com.evil.example/a", False),
        ("https://evilslack.com/a", False),
        ("https://user@files.slack.com/a", False),
        ("https://files.slack.com@evil.example/a", False),
        ("http://127.0.0.1:8791/a", False),
        ("http://169.254.169.254/latest", False),
        ("file:///etc/passwd", False),
        ("https://[broken", False),
        ("", False),
    ],
)
def test_only_slacks_addresses_are_slacks(url: str, fine: bool) -> None:
    assert is_slack(url, API) is fine


async def test_a_part_that_fits_no_message_is_sent_as_a_file_and_found_again(d: Desk) -> None:
    reply = reply_to(await d.asked())
    assert await d.another().find(reply) is None
    await d.channel.send(reply, WHOLE)
    (message,) = d.messages
    assert message.thread_ts == reply.address.thread
    (file,) = message.extra["files"]
    assert d.slack.files.find(file["id"]).content == WHOLE.encode()
    found = await d.another().find(reply)
    assert found is not None
    assert (found.external_id, found.partial) == (message.ts, False)
    assert await d.another().find(reply_to(reply.source_id, number=2)) is None


async def test_an_upload_that_got_no_answer_is_found(d: Desk) -> None:
    reply = reply_to(await d.asked())
    d.slack.faults.rules += [Fault("close_after_delivery", "files.completeUploadExternal")]
    with pytest.raises(ChannelOutcomeUnknown):
        await d.channel.send(reply, WHOLE)
    assert (await d.channel.find(reply)).partial is False  # type: ignore[union-attr]


async def test_a_file_can_be_shared_in_a_channel(d: Desk) -> None:
    await d.channel.upload("C0SHOP", "list.csv", b"a,b\n1,2\n")
    assert d.messages[0].extra["files"][0]["name"] == "list.csv"


async def test_without_the_right_to_write_files_it_says_so(d: Desk) -> None:
    d.slack.faults.rules += [Fault("refuse", "files.getUploadURLExternal", error="missing_scope")]
    with pytest.raises(ChannelRefused, match="Give the app the scope"):
        await d.channel.send(reply_to(await d.asked()), WHOLE)


async def test_prompts_are_offered_in_a_thread_or_on_the_tab(d: Desk) -> None:
    await d.channel.suggest_prompts("D0ALICE", None, [("Opening hours", "When are you open?")])
    await d.channel.suggest_prompts("D0ALICE", "1700000000.000100", [("Prices", "What does it cost?")])
    assert [entry.text for entry in d.slack.log if entry.kind == "prompts"] == ["Opening hours", "Prices"]


async def test_a_person_gets_a_home_tab(d: Desk) -> None:
    view = {"type": "home", "blocks": [{"type": "markdown", "text": "Hello"}]}
    await d.channel.publish_home("U0ALICE", view)
    (entry,) = [entry for entry in d.slack.log if entry.kind == "home"]
    assert entry.text == "Hello"
    assert App().bot_user != "U0ALICE"
