"""Hosts killed with -9 and zombies, on real PostgreSQL; judged by what was acknowledged and what is visible."""

import asyncio
import signal
from pathlib import Path

import pytest

from konstruct.failpoints import NAMES
from tests.checker import Said, Verdict, check, in_order, text_of
from tests.crash import Load, end, ended, hosting, start_host
from tests.rig import Rig, rig

HOST_FAILPOINTS = [name for name in NAMES if not name.endswith("c1")]


@pytest.mark.parametrize("honour", [True, False], ids=["de-duplicating", "not de-duplicating"])
async def test_a_kill_at_every_failpoint_loses_and_doubles_nothing(
    database_url: str, tmp_path: Path, honour: bool
) -> None:
    async with rig(database_url, tmp_path, hosts=0, honour_client_msg_id=honour) as k, hosting(k) as hosts:
        load = Load(k)
        for name in HOST_FAILPOINTS:
            await load.say_into(name)
        verdict = await load.verdict()
        assert verdict.clean, verdict
        assert ended(hosts) == len(HOST_FAILPOINTS)


@pytest.mark.parametrize("place", ["during_model", "before_c2", "after_c2"])
@pytest.mark.parametrize("honour", [True, False], ids=["de-duplicating", "not de-duplicating"])
async def test_a_zombie_commits_nothing_and_sends_nothing(
    database_url: str, tmp_path: Path, place: str, honour: bool
) -> None:
    async with rig(database_url, tmp_path, hosts=0, honour_client_msg_id=honour) as k:
        zombie, successor = await zombie_and_successor(k, tmp_path, place)
        load = Load(k)
        load.said["D0ALICE"] = [1]
        posts = k.slack.api.calls["chat.postMessage"]
        zombie.send(signal.SIGCONT)
        await asyncio.sleep(3)
        assert k.slack.api.calls["chat.postMessage"] == posts
        verdict = await load.verdict()
        assert verdict.clean, verdict
        await end([zombie, successor])


async def zombie_and_successor(k: Rig, home: Path, place: str, mutant: str = ""):  # type: ignore[no-untyped-def]
    """A host stopped in the middle of the turn for message 1, and another that has answered in its place."""
    (home / "failpoints" / place).write_text("stop")
    zombie = await start_host(k, mutant)
    await asyncio.gather(k.slack.say(text_of(1)))
    async with asyncio.timeout(15):
        while (home / "failpoints" / place).exists():
            await asyncio.sleep(0.02)
    successor = await start_host(k, mutant)
    await k.replies(1, timeout=30)
    return zombie, successor


async def test_the_checker_counts_what_it_should() -> None:
    answered = {"D1": [text_of(1), text_of(2)]}
    assert check({"D1": in_order([1, 2])}, answered).clean
    assert check({"D1": in_order([1, 2, 3])}, answered).lost == [3]
    assert check({"D1": in_order([1, 2])}, {"D1": [text_of(1), text_of(2), text_of(1)]}).doubled == [1]
    assert check({"D1": in_order([1, 2])}, {"D1": [text_of(2), text_of(1)]}).misordered == [2]
    at_once = [Said(1, 0.0, 3.0), Said(2, 1.0, 2.0)]
    assert check({"D1": at_once}, {"D1": [text_of(2), text_of(1)]}).clean


async def test_the_checker_catches_a_missing_fence(postgres_server, database_url: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    name = database_url.split("/")[3].split("?", maxsplit=1)[0]
    for function in ("commit_turn", "claim_reply", "check_fence"):
        body = postgres_server.execute(f"select pg_get_functiondef('{function}'::regproc)", name)[0][0]
        assert "raise exception" in body or "check_fence" in body
        postgres_server.execute(body.replace("raise exception", "raise notice"), name)
    async with rig(database_url, tmp_path, hosts=0, honour_client_msg_id=False) as k:
        verdict = await judge_zombie(k, tmp_path, "before_c2", "no-fence")
    assert verdict.doubled == [1]


async def test_the_checker_catches_a_missing_unique_key(postgres_server, database_url: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    name = database_url.split("/")[3].split("?", maxsplit=1)[0]
    hear = postgres_server.execute("select pg_get_functiondef('hear'::regproc)", name)[0][0]
    postgres_server.execute("drop index inbox_once_per_event", name)
    postgres_server.execute(hear.replace("on conflict (tenant_id, channel, event) do nothing", ""), name)
    async with rig(database_url, tmp_path) as k:
        load = Load(k)
        await load.say("D0ALICE")
        await k.replies(1)
        await k.slack.send({"type": "message", "channel_type": "im", "channel": "D0ALICE", "user": "UD0ALICE",
                            "ts": k.slack.deliveries[0].ts, "text": text_of(1)})  # fmt: skip
        await k.replies(2)
        assert (await load.verdict()).doubled == [1]


async def test_the_checker_catches_a_missing_outbox_id(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path, hosts=0) as k, hosting(k, "no-outbox-id"):
        (tmp_path / "failpoints" / "after_send").touch()
        load = Load(k)
        await load.say("D0ALICE")
        await k.replies(2, timeout=30)
        assert (await load.verdict()).doubled == [1]


async def judge_zombie(k: Rig, home: Path, place: str, mutant: str) -> Verdict:
    """What a zombie does that nothing holds back."""
    zombie, successor = await zombie_and_successor(k, home, place, mutant)
    zombie.send(signal.SIGCONT)
    load = Load(k)
    load.said["D0ALICE"] = [1]
    await asyncio.sleep(3)
    verdict = await load.verdict()
    await end([zombie, successor])
    return verdict
