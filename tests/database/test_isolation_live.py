"""The check of a running installation: real canary tenants over HTTP, gone afterwards; holes are named."""

import asyncio
from pathlib import Path

import aiohttp
import psycopg
import pytest

from deployments.isolation import cluster, live
from deployments.isolation.bird import Bird
from deployments.isolation.canary import Canary
from deployments.isolation.doors import Attempt, knock
from deployments.isolation.trial import holes
from tests.hook import hooked
from tests.rig import rig


async def test_a_running_installation_shows_nothing_and_keeps_nothing(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        canaries = (Canary(), Canary())
        trials = await live.examine(k.settings, k.database, k.url, canaries)
        with psycopg.connect(database_url, autocommit=True) as owner:
            names = owner.execute("select name from tenants").fetchall()
        # The models stand behind HAProxy on a real installation only.
        assert [hole for hole in holes(trials) if "/models" not in hole] == []
        assert any(trial.area == "chat" and "200, answered" in trial.saw for trial in trials)
        assert sum(trial.area == "door" for trial in trials) >= 10
        assert names == [("acme",)]
        assert any(canaries[0].said in str(request) for request in k.model.requests)


@pytest.mark.parametrize(
    ("status", "text", "sentence"),
    [(200, "", "/slack/events answers 200"), (404, "{said}", "/slack/events shows a tenant's words"), (401, "no", "")],
)
async def test_a_door_that_lets_in_or_tells_too_much_is_named(status: int, text: str, sentence: str) -> None:
    bird = Bird(Canary())
    async with hooked() as door, aiohttp.ClientSession() as session:
        door.answers, door.text = [status], text.format(said=bird.canary.said)
        trial = await knock(session, Attempt("knock", f"{door.url}/slack/events", {}, b"{}"), bird)
    assert (sentence in trial.hole) if sentence else trial.hole == ""


async def test_a_ray_that_answers_anybody_is_named() -> None:
    async with hooked() as door:
        door.text = "{}"
        found = await asyncio.to_thread(cluster.examine, int(door.url.rsplit(":", 1)[1]), "token", ["canary-1"])
        assert len(holes(found)) == len(cluster.ADDRESSES)
        door.text = '{"data": {"result": {"result": [{"name": "conversations-0-canary-1"}]}}}'
        found = await asyncio.to_thread(cluster.examine, int(door.url.rsplit(":", 1)[1]), "token", ["canary-1"])
        assert "Names or states of Ray's actors name tenants." in holes(found)
