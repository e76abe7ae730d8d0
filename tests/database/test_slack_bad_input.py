"""Whatever a signed request of Slack holds, it is answered 2xx and handled or kept: never 500."""

import io
import json
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import psycopg
import pytest_asyncio

from simulator.slack.event import signed
from tests.mutation import mutated
from tests.rig import APP, Rig, apply, rig

PAYLOADS = Path(__file__).parents[1] / "payloads" / "slack"
DOORS = {"": "events", "interactivity": "interactivity", "commands": "commands"}


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(database_url, tmp_path) as under_test:
        under_test.deaf = True
        yield under_test


def payloads() -> Iterator[tuple[str, dict[str, Any]]]:
    for folder, door in DOORS.items():
        for path in sorted((PAYLOADS / folder).glob("*.json")):
            yield door, json.loads(path.read_text())


def body_of(door: str, payload: Any) -> bytes:
    if door == "events":
        return json.dumps(payload).encode()
    if door == "commands":
        return urlencode({key: str(value) for key, value in payload.items()}, errors="surrogatepass").encode()
    return urlencode({"payload": json.dumps(payload)}).encode()


async def post(k: Rig, session: aiohttp.ClientSession, door: str, body: bytes, app: Any = APP) -> int:
    async with session.post(f"{k.url}/slack/{door}", data=io.BytesIO(body), headers=signed(app, body)) as answer:
        await answer.read()
        return answer.status


async def test_every_payload_with_anything_in_it_replaced_is_answered_2xx(k: Rig) -> None:
    dice, refused = random.Random(7), []
    async with aiohttp.ClientSession() as session:
        for door, payload in payloads():
            for _ in range(12):
                changed = mutated(payload, dice)
                # Of whom the request is stays readable: else there would be no key to check the signature with.
                changed |= {"api_app_id": APP.app} if door != "interactivity" or "type" in changed else {}
                body = body_of(door, changed)
                status = await post(k, session, door, body)
                if not 200 <= status < 300:
                    refused.append((door, status, body[:200]))
    assert refused == []


async def test_every_payload_cut_anywhere_is_answered_2xx(k: Rig) -> None:
    dice, refused = random.Random(8), []
    async with aiohttp.ClientSession() as session:
        for door, payload in payloads():
            whole = body_of(door, payload)
            for cut in (0, 1, len(whole) - 1, dice.randrange(len(whole)), dice.randrange(len(whole))):
                status = await post(k, session, door, whole[:cut])
                if not 200 <= status < 300:
                    refused.append((door, status, whole[:cut][-100:]))
    assert refused == []


async def test_five_megabytes_of_text_are_cut_and_answered(k: Rig, database_url: str) -> None:
    message = json.loads((PAYLOADS / "message__im.json").read_text())
    message["event"]["text"] = "x\0" + "y" * 5_000_000
    command = json.loads((PAYLOADS / "commands" / "konstruct__question.json").read_text()) | {"text": "q" * 5_000_000}
    async with aiohttp.ClientSession() as session:
        assert await post(k, session, "events", body_of("events", message)) == 200
        assert await post(k, session, "commands", body_of("commands", command)) == 200
    with psycopg.connect(database_url) as owner:
        lengths = owner.execute("select length(body ->> 'text') from inbox").fetchall()
    assert len(lengths) == 2
    assert all(length <= 40_000 for (length,) in lengths)


async def test_what_is_of_another_tenants_team_needs_that_ones_signature_and_own_doings_are_nothing(
    k: Rig, database_url: str
) -> None:
    globex = replace(APP, team="T0GLOBEX", app="A0GLOBEX", signing_secret="another-secret-of-globex")
    await apply(k, "globex", globex)
    async with aiohttp.ClientSession() as session:
        for door, payload in payloads():
            text = json.dumps(payload).replace("T0ACME", "T0GLOBEX").replace("A0ACME", "A0GLOBEX")
            status = await post(k, session, door, body_of(door, json.loads(text)))
            assert status == 401 or not named(payload), (door, status)
            text = json.dumps(payload).replace("U0ALICE", APP.bot_user).replace("U0STRANGER", APP.bot_user)
            status = await post(k, session, door, body_of(door, json.loads(text)))
            assert 200 <= status < 300
    with psycopg.connect(database_url) as owner:
        stored = owner.execute("select event from inbox where body ->> 'contact' = %s", [APP.bot_user]).fetchall()
    assert stored == []


def named(payload: dict[str, Any]) -> bool:
    return bool(payload.get("api_app_id"))
