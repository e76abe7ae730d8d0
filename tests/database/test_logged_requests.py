"""What the log says of a turn names the webhook requests that brought its messages, whichever way they came."""

import asyncio
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
from structlog.testing import LogCapture

from actors.turn import Turn
from simulator.slack.event import envelope, new_event_id, signed
from tests.rig import APP, Rig, rig

DIRECT = {"type": "message", "channel_type": "im", "user": "U0ALICE", "channel": "D0ALICE"}


Lines = list[MutableMapping[str, Any]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What was logged, with what was bound."""
    log = LogCapture()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, log])
    yield log.entries
    structlog.reset_defaults()


def of(lines: Lines, event: str) -> Lines:
    return [line for line in lines if line["event"] == event]


async def say(k: Rig, request: str, **said: str) -> None:
    body = envelope(APP, DIRECT | said, new_event_id())
    headers = signed(APP, body) | {"X-Request-Id": request}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{k.url}/slack/events", data=body, headers=headers) as answer,
    ):
        assert answer.status == 200


async def test_a_turn_names_the_requests_of_all_that_it_answers(
    database_url: str, tmp_path: Path, lines: Lines
) -> None:
    async with rig(database_url, tmp_path, quiet=0.3) as k:
        await say(k, "r-1", text="one", ts="1793000000.000100")
        await say(k, "r-2", text="two", ts="1793000000.000200")
        await k.replies(1)
        await say(k, "r-3", text="three", ts="1793000000.000300")
        await k.replies(2)
    assert [line["request"] for line in of(lines, "turn committed")] == ["r-1 r-2", "r-3"]


async def test_a_turn_that_nobody_was_woken_for_names_it_as_well(
    database_url: str, tmp_path: Path, lines: Lines
) -> None:
    async with rig(database_url, tmp_path) as k:
        k.deaf = True
        await say(k, "r-1", text="hello", ts="1793000000.000100")
        await k.replies(1)
    assert [line["request"] for line in of(lines, "turn committed")] == ["r-1"]


async def test_what_is_told_of_a_turn_that_failed_names_turn_and_request(
    database_url: str, tmp_path: Path, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = []

    async def breaks(turn: Turn, _assignment: object) -> None:
        turns.append(str(turn._reply.turn))
        raise OSError("broken")

    monkeypatch.setattr(Turn, "_think", breaks)
    async with rig(database_url, tmp_path) as k:
        await say(k, "r-1", text="hello", ts="1793000000.000100")
        async with asyncio.timeout(15):
            while len(turns) < 3:
                await asyncio.sleep(0.02)
    found = of(lines, "turn failed")
    assert {(line["turn"], line["request"]) for line in found} == {(turns[0], "r-1")}


async def test_an_edit_that_is_applied_names_its_own_request(database_url: str, tmp_path: Path, lines: Lines) -> None:
    async with rig(database_url, tmp_path) as k:
        await say(k, "r-1", text="hello", ts="1793000000.000100")
        await k.replies(1)
        gone = {"subtype": "message_deleted", "deleted_ts": "1793000000.000100", "ts": "1793000001.000100"}
        await say(k, "r-2", **gone)
        async with asyncio.timeout(15):
            while not (found := of(lines, "message amended")):
                await asyncio.sleep(0.02)
    assert [(line["request"], "turn" in line) for line in found] == [("r-2", False)]
