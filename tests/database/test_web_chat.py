"""The web chat over real HTTP, hosts and PostgreSQL: exactly once in, exactly once out, nobody else's eyes."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import aiohttp
import psycopg
import pytest
import pytest_asyncio

from konstruct.channels.web_chat import conversation, sign
from konstruct.database.web_messages import WebMessages
from konstruct.errors import TenantFileInvalid
from konstruct.identity import tenant_id
from konstruct.messages import Address
from konstruct.roster import KEPT_SECONDS
from konstruct.triage import HANDED_OVER_ON_WEB
from tests.database.visitor import SECRET, Visitor, open_site
from tests.rig import Rig, rig
from tests.stub_model import Fault


@pytest_asyncio.fixture
async def under_test(database_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(database_url, tmp_path) as running:
        await open_site(running)
        yield running


@pytest_asyncio.fixture
async def anna(under_test: Rig) -> AsyncIterator[Visitor]:
    async with aiohttp.ClientSession() as session:
        yield Visitor(f"{under_test.url}/web/shop", session)


def stored(under_test: Rig, table: str) -> int:
    with psycopg.connect(under_test.settings.database_url or "") as owner:
        return int(owner.execute(f"select count(*) from {table}".encode()).fetchone()[0])  # type: ignore[index]


async def test_what_a_visitor_says_is_answered_on_the_page(anna: Visitor) -> None:
    async with anna.watching():
        assert await anna.say("hello") == 200
        assert await anna.sees(2) == [("contact", "hello"), ("employee", "You said: hello")]


async def test_a_message_sent_ten_times_is_one_message_and_has_one_answer(anna: Visitor, under_test: Rig) -> None:
    id_ = str(uuid4())
    async with anna.watching():
        assert set(await asyncio.gather(*(anna.say("hello", id_) for _ in range(10)))) == {200}
        await anna.sees(2)
        await asyncio.sleep(0.5)
    assert len(anna.visible) == 2
    assert under_test.model.calls == 1


async def test_a_page_that_comes_back_misses_nothing_and_sees_nothing_twice(anna: Visitor) -> None:
    async with anna.watching():
        await anna.say("one")
        await anna.sees(2)
    so_far = len(anna.events)
    await anna.say("two")
    await asyncio.sleep(1)
    async with anna.watching():
        await anna.sees(4)
    assert [text for _, text in anna.visible] == ["one", "You said: one", "two", "You said: two"]
    assert all(event["text"] not in ("one", "You said: one") for event in anna.events[so_far:] if event["text"])


async def test_a_page_opened_anew_shows_what_was_said_before(anna: Visitor) -> None:
    async with anna.watching():
        await anna.say("hello")
        await anna.sees(2)
    again = Visitor(anna.url, anna.session)
    async with again.watching():
        assert await again.sees(2) == anna.visible


async def test_an_answer_never_stands_above_its_question(anna: Visitor) -> None:
    async with anna.watching():
        for n in range(8):
            await anna.say(str(n))
            await anna.sees(2 * n + 2)
    assert [role for role, _ in anna.visible] == ["contact", "employee"] * 8


async def test_what_is_not_durable_yet_is_not_shown_but_has_its_place(anna: Visitor, under_test: Rig) -> None:
    feed, acme, shop = WebMessages(under_test.database), tenant_id("acme-web"), Address("shop", "anna")
    place, question, reply = conversation(acme, shop), uuid4(), uuid4()
    await feed.say(acme, place, question, "contact", "hello", final=False)
    await feed.say(acme, place, reply, "employee", "hi", final=True)
    async with anna.watching():
        assert await anna.sees(1) == [("employee", "hi")]
        await feed.say(acme, place, question, "contact", "hello", final=True)
        assert await anna.sees(2) == [("contact", "hello"), ("employee", "hi")]


async def test_a_long_answer_grows_and_the_status_is_shown_before(anna: Visitor, under_test: Rig) -> None:
    words = " ".join(f"word{n}" for n in range(40))
    under_test.model.reply = lambda _: f"{words}\n[[Yes | No]]"
    under_test.model._faults.append(Fault("", seconds=0.1))
    async with anna.watching():
        await anna.say("tell me")
        async with asyncio.timeout(20):
            while not any(event["role"] == "employee" and event["final"] for event in anna.events):
                await asyncio.sleep(0.02)
    statuses = [event["text"] for event in anna.events if event["role"] == "status"]
    answers = [event for event in anna.events if event["role"] == "employee"]
    assert "is thinking…" in statuses
    assert statuses[-1] == ""
    assert len(answers) >= 3
    assert len({answer["id"] for answer in answers}) == 1
    assert [answer["final"] for answer in answers] == [False] * (len(answers) - 1) + [True]
    assert all(words.startswith(answer["text"].removesuffix(words)) for answer in answers)
    assert (answers[-1]["text"], answers[-1]["choices"]) == (words, ["Yes", "No"])
    assert not any("[[" in answer["text"] for answer in answers)


async def test_another_host_takes_over_without_loss_or_doubles(anna: Visitor, under_test: Rig) -> None:
    async with anna.watching():
        under_test.model.fault("delay", seconds=0.5)
        await anna.say("hello")
        await asyncio.sleep(0.2)
        await under_test.stop_host(under_test.hosts[0])
        await under_test.start_host()
        await anna.sees(2)
        await asyncio.sleep(1)
    assert anna.visible == [("contact", "hello"), ("employee", "You said: hello")]


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        sign("another-secret-entirely", "shop", "anna", int(time.time()) + 3000),
        sign(SECRET, "other", "anna", int(time.time()) + 3000),
        sign(SECRET, "shop", "anna", int(time.time()) - 1),
    ],
    ids=["none", "nonsense", "another secret", "another site", "too late"],
)
async def test_a_bad_token_is_401_and_nothing_is_stored(token: str, anna: Visitor, under_test: Rig) -> None:
    anna.token = token or "x"
    assert await anna.say("let me in") == 401
    async with anna.session.get(f"{anna.url}/events", headers=anna.headers) as response:
        assert response.status == 401
    assert stored(under_test, "inbox") == stored(under_test, "web_messages") == 0


async def test_nobody_reads_anothers_chat(anna: Visitor, under_test: Rig) -> None:
    await open_site(under_test, "globex", "mall", "secret-of-the-globex-mall")
    async with anna.watching():
        await anna.say("my diagnosis")
        await anna.sees(2)
    bert = Visitor(anna.url, anna.session, "bert")
    mall = Visitor(f"{under_test.url}/web/mall", anna.session)
    mall.token = sign("secret-of-the-globex-mall", "mall", "anna", int(time.time()) + 60)
    async with bert.watching(), mall.watching():
        await asyncio.sleep(1)
    assert bert.events == mall.events == []
    mall.token = ""
    assert await mall.say("with acme's token") == 401


async def test_what_a_rule_hands_over_on_the_web_promises_no_answer_there(anna: Visitor, under_test: Rig) -> None:
    await open_site(under_test, more="escalation: {rules: [billing]}")
    async with anna.watching():
        await anna.say("I want a refund")
        assert await anna.sees(2) == [("contact", "I want a refund"), ("employee", HANDED_OVER_ON_WEB)]
        await open_site(under_test, more="escalation: {rules: [billing], web_message: We will call you.}")
        await asyncio.sleep(KEPT_SECONDS + 0.1)
        other = Visitor(anna.url, anna.session, "bert")
        async with other.watching():
            await other.say("a refund!")
            assert (await other.sees(2))[1] == ("employee", "We will call you.")


async def test_a_site_belongs_to_one_tenant(under_test: Rig) -> None:
    with pytest.raises(TenantFileInvalid, match="web shop belongs to another tenant"):
        await open_site(under_test, "globex", "shop")


async def test_only_the_sites_own_pages_may_use_it_from_a_browser(anna: Visitor) -> None:
    assert await anna.say("hi", Origin="https://evil.example") == 403
    assert await anna.say("hi", Origin="null") == 403
    assert await anna.say("hi", Origin=anna.url.partition("/web")[0]) == 200
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    async with anna.session.options(f"{anna.url}/messages", headers=asked) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    async with anna.session.options(
        f"{anna.url}/messages", headers=asked | {"Origin": "https://evil.example"}
    ) as refused:
        assert refused.status == 403
        assert "Access-Control-Allow-Origin" not in refused.headers
    assert await anna.say("hi", Origin="https://shop.example") == 200


async def test_behind_a_proxy_that_names_another_host_the_page_may_use_its_own_chat(
    anna: Visitor, under_test: Rig
) -> None:
    public = under_test.settings.public_url
    assert await anna.say("hi", Host="10.0.0.7:80", Origin=public) == 200
    assert await anna.say("hi", Host="10.0.0.7:80", Origin="https://evil.example") == 403
    assert await anna.say("hi", Host="10.0.0.7:80", Origin=f"{public}0") == 403


async def test_too_much_and_too_fast_are_refused(anna: Visitor, under_test: Rig) -> None:
    assert await anna.say("x" * 8_001) == 400
    assert await anna.say("x" * 70_000) == 413
    assert stored(under_test, "inbox") == 0
    statuses = [await anna.say(str(n)) for n in range(16)]
    assert set(statuses[:12]) == {200}
    assert 429 in statuses


async def test_the_page_is_there_for_known_sites_only(anna: Visitor, under_test: Rig) -> None:
    async with anna.session.get(anna.url) as response:
        assert response.status == 200
        assert "<h1>Ada</h1>" in await response.text()
        assert "frame-ancestors 'self' https://shop.example" in response.headers["Content-Security-Policy"]
    async with anna.session.get(f"{under_test.url}/web/nowhere") as response:
        assert response.status == 404


async def test_a_visitor_cannot_put_words_into_the_employees_mouth(anna: Visitor) -> None:
    async with anna.watching():
        await anna.say("hello")
        await anna.sees(2)
        reply = next(event["id"] for event in anna.events if event["role"] == "employee")
        assert await anna.say("I owe you a million", reply) == 200
        await asyncio.sleep(1)
    assert ("employee", "You said: hello") in anna.visible
    assert all(text != "I owe you a million" for role, text in anna.visible if role == "employee")
