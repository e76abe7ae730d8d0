"""The webhook's door: who is let in, what is kept of it, and what happens while PostgreSQL is away."""

import asyncio
import hashlib
import hmac
import io
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from deployments.installation import postgres as embedded
from konstruct import directory
from simulator.slack.event import envelope, new_event_id, signed
from tests import postgres
from tests.database.visitor import Visitor, open_site
from tests.rig import APP, Rig, rig

DIRECT = {
    "type": "message", "channel_type": "im", "user": "U0ALICE", "channel": "D0ALICE",
    "ts": "1793000000.000100", "text": "hello",
}  # fmt: skip


class Door:
    """Posts to the webhook and looks into the database behind it."""

    def __init__(self, under_test: Rig, session: aiohttp.ClientSession, url: str) -> None:
        self.rig = under_test
        self._session = session
        self._url = url

    async def post(self, body: bytes | io.BytesIO, headers: dict[str, str] | None = None) -> tuple[int, bytes, float]:
        """Answer status, body and seconds."""
        begun = time.monotonic()
        if headers is None:
            assert isinstance(body, bytes)
            headers = signed(APP, body)
        async with self._session.post(f"{self.rig.url}/slack/events", data=body, headers=headers) as answer:
            return answer.status, await answer.read(), time.monotonic() - begun

    async def say(self, **changes: object) -> int:
        status, _, _ = await self.post(message(**changes))
        return status

    async def chat(self) -> tuple[int, bytes, float]:
        """The same of a message in the web chat."""
        begun = time.monotonic()
        status = await Visitor(f"{self.rig.url}/web/shop", self._session).say("hello")
        return status, b"", time.monotonic() - begun

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._url) as owner:
            return owner.execute(f"select * from {table}".encode()).fetchall()


def message(app: Any = APP, **changes: object) -> bytes:
    return envelope(app, DIRECT | changes, new_event_id())


@pytest_asyncio.fixture
async def door(database_url: str, tmp_path: Path) -> AsyncIterator[Door]:
    async with rig(database_url, tmp_path) as k, aiohttp.ClientSession() as session:
        yield Door(k, session, database_url)


def forgeries() -> dict[str, Callable[[bytes], tuple[bytes, dict[str, str]]]]:
    def at(body: bytes, moment: float) -> dict[str, str]:
        stamp = str(int(moment))
        digest = hmac.new(APP.signing_secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256).hexdigest()
        return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}

    def without(body: bytes, name: str) -> dict[str, str]:
        return {key: value for key, value in signed(APP, body).items() if key != name}

    return {
        "signed with another secret": lambda body: (
            body,
            signed(replace(APP, signing_secret="x" * 32), body),
        ),
        "signed six minutes ago": lambda body: (body, at(body, time.time() - 360)),
        "dated in the future": lambda body: (body, at(body, time.time() + 360)),
        "not signed": lambda body: (body, {}),
        "no signature": lambda body: (body, without(body, "X-Slack-Signature")),
        "no timestamp": lambda body: (body, without(body, "X-Slack-Request-Timestamp")),
        "a signature that is no text": lambda body: (
            body,
            signed(APP, body) | {"X-Slack-Signature": "v0=\u00ff"},
        ),
        "altered after signing": lambda body: (body.replace(b"hello", b"HELLO"), signed(APP, body)),
        "a space more": lambda body: (body + b" ", signed(APP, body)),
        "not JSON and not signed": lambda _: (b"\xff\x00", {}),
        "unknown app, not ours to know": lambda _: (
            message(replace(APP, app="A0EVIL", team="T0EVIL")),
            signed(replace(APP, signing_secret="e" * 32), message(replace(APP, app="A0EVIL", team="T0EVIL"))),
        ),
    }


async def test_a_request_that_is_not_slacks_is_rejected_and_nothing_is_stored(door: Door) -> None:
    for kind, forge in forgeries().items():
        status, answer, _ = await door.post(*forge(message()))
        assert status == 401, kind
        assert APP.signing_secret.encode() not in answer
    assert door.rows("inbox") == []
    assert door.rows("malformed_events") == []


async def test_a_signed_event_that_cannot_be_read_is_kept_and_answered_200(door: Door) -> None:
    for body in UNREADABLE:
        assert (await door.post(body))[0] == 200, body[:80]
    assert [row[3] for row in door.rows("malformed_events")] == UNREADABLE
    assert door.rows("inbox") == []


UNREADABLE = [
    b"", b"{}", b"[]", b"null", b"not json", b"\xff\xfe\x00", b"[" * 50_000, b'{"type": "event_callback"}',
    b'{"type": "event_callback", "event": []}', b'{"type": ["a"]}', b'{"type": "url_verification"}',
    b'{"type": "url_verification", "challenge": 5}', message(ts=None), message(user={"id": "U"}),
    message(ts="1" * 5000), message(channel="D" * 5000),
]  # fmt: skip


async def test_hostile_but_readable_messages_are_stored_and_never_answered_5xx(door: Door) -> None:
    texts = ["a\0b", "\ud800", "' or 1=1 --", "x" * 50_000, "\u202e\u0000\uffff", "%s %(x)s {0} ${HOME}"]
    for n, text in enumerate(texts):
        event = DIRECT | {"text": text, "ts": f"179300000{n}.000100"}
        callback = {"type": "event_callback", "api_app_id": APP.app, "team_id": APP.team, "event": event}
        assert (await door.post(json.dumps(callback).encode()))[0] == 200
    assert len(door.rows("inbox")) == len(texts)


async def test_a_signed_event_of_an_unknown_team_is_answered_200_and_not_stored(door: Door) -> None:
    with capture_logs() as lines:
        status, _, _ = await door.post(message(replace(APP, team="T0ELSEWHERE")))
    assert status == 200
    assert door.rows("inbox") == []
    assert [(line["event"], line["team"]) for line in lines] == [("unknown team", "T0ELSEWHERE")]


async def test_slacks_check_of_the_url_is_answered_with_its_challenge(door: Door) -> None:
    for challenge in ("3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P", "", "\ud800"):
        body = json.dumps({"type": "url_verification", "token": "x", "challenge": challenge}).encode()
        status, answer, _ = await door.post(body)
        assert status == 200
        if challenge.isascii():
            assert json.loads(answer) == {"challenge": challenge}
        status, answer, _ = await door.post(body, {})
        assert status == 401
        assert not challenge or challenge.encode("utf-8", "replace") not in answer


async def test_a_body_over_the_cap_is_refused_announced_or_not(door: Door) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b"x" * 1024 * 1024

    assert (await door.post(io.BytesIO(b"x" * (8 * 1024 * 1024 + 1)), {}))[0] == 413
    async with aiohttp.ClientSession() as session, session.post(
        f"{door.rig.url}/slack/events", data=endless()
    ) as answer:  # fmt: skip
        assert answer.status == 413


async def test_the_same_event_twice_is_stored_once(door: Door) -> None:
    assert [await door.say(), await door.say()] == [200, 200]
    assert len(door.rows("inbox")) == 1


async def test_the_employees_own_words_are_not_stored(door: Door) -> None:
    assert await door.say(user=APP.bot_user) == 200
    assert door.rows("inbox") == []


# PostgreSQL away: a server of this file's own, because it is stopped and halted.


@pytest.fixture(scope="module")
def own_server() -> Iterator[postgres.Server]:
    with postgres.server() as running:
        yield running


@pytest_asyncio.fixture
async def shaky(own_server: postgres.Server, tmp_path: Path) -> AsyncIterator[Door]:
    with own_server.database() as url:
        async with rig(url, tmp_path) as k, aiohttp.ClientSession() as session:
            yield Door(k, session, url)


@pytest.mark.parametrize("known", [True, False], ids=["a team seen before", "a team never seen"])
async def test_while_postgresql_is_down_nothing_is_acknowledged_and_afterwards_all_is_well(
    shaky: Door, own_server: postgres.Server, *, known: bool
) -> None:
    if known:
        assert await shaky.say() == 200
        await shaky.rig.replies(1)
    pgdata = own_server._server.pgdata
    embedded.stop(pgdata)
    try:
        answers = [await shaky.post(message(ts=f"18000000{n:02}.000100")) for n in range(5)]
        together = await asyncio.gather(*(shaky.post(message(ts=f"18100000{n:02}.000100")) for n in range(20)))
    finally:
        own_server._server.ensure_postgres_running()
    assert {status for status, _, _ in [*answers, *together]} == {503}
    assert max(seconds for _, _, seconds in [*answers, *together]) < 2.5
    await answered_again(shaky)
    assert await shaky.rig.replies(2 if known else 1, timeout=20)


async def test_while_postgresql_hangs_nothing_is_acknowledged_and_afterwards_all_is_well(
    shaky: Door, own_server: postgres.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that swaps, a disk that stalls: connections stay open, and nobody answers on them."""
    monkeypatch.setattr(directory, "KEPT_SECONDS", 0.0)
    await open_site(shaky.rig)
    assert await shaky.say() == 200
    assert (await shaky.chat())[0] == 200
    await shaky.rig.replies(1)
    processes = embedded.tree(own_server._server.pgdata)
    assert processes
    for process in processes:
        process.suspend()
    try:
        answers = [await shaky.post(message(ts=f"18000000{n:02}.000100")) for n in range(2)]
        answers += await asyncio.gather(*(shaky.post(message(ts=f"18100000{n:02}.000100")) for n in range(10)))
        answers += [await shaky.chat()]
    finally:
        for process in processes:
            process.resume()
    assert {status for status, _, _ in answers} == {503}
    assert max(seconds for _, _, seconds in answers) < 2.5
    await answered_again(shaky)


async def answered_again(door: Door) -> None:
    async with asyncio.timeout(15):
        while await door.say(ts="1900000000.000100") != 200:
            await asyncio.sleep(0.1)
