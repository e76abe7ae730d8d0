"""`konstruct status`: how many hosts there are and should be, and which processes they are."""

import io
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from rich.console import Console

from deployments import status
from deployments.installation.layout import Layout
from deployments.installation.running import Running, remember

HOSTS = [{"host": 1, "pid": 4242, "shards": 32}, {"host": 0, "pid": 4141, "shards": 32}]


async def shown(environment: dict[str, str], *, as_json: bool) -> str:
    console = Console(file=io.StringIO(), width=400)
    await status.show(environment, console, as_json=as_json)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


async def not_ready(_request: web.Request) -> web.Response:
    return web.json_response({"ready": False, "hosts": HOSTS}, status=503)


@pytest.fixture
def environment(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr(status, "_applications", lambda _: {"konstruct": "RUNNING"})
    runs = {"KONSTRUCT_CONVERSATION_HOSTS": "3", "KONSTRUCT_HOME": str(tmp_path)}
    remember(Layout(tmp_path), Running(runs, "127.0.0.1", 8000, 8265, local_model=False))
    return {"KONSTRUCT_DATABASE_URL": database_url, "KONSTRUCT_HOME": str(tmp_path)}


async def test_hosts_are_shown_with_their_processes(environment: dict[str, str]) -> None:
    app = web.Application()
    app.router.add_get("/readyz", not_ready)
    async with TestServer(app) as server:
        environment["KONSTRUCT_HTTP_PORT"] = str(server.port)
        picture: dict[str, Any] = json.loads(await shown(environment, as_json=True))
        text = await shown(environment, as_json=False)
    assert [(host["host"], host["pid"]) for host in picture["hosts"]] == [(0, 4141), (1, 4242)]
    assert "4141, 4242" in text
    unknown = json.loads(await shown(environment, as_json=True))
    assert (unknown["hosts"], "/readyz" in unknown["hosts_error"]) == ([], True)


async def test_wanted_are_as_many_as_what_runs_was_told_until_somebody_scales(
    environment: dict[str, str], database_url: str
) -> None:
    environment["KONSTRUCT_HTTP_PORT"] = "1"
    environment["KONSTRUCT_CONVERSATION_HOSTS"] = "7"  # of this shell, which nothing that runs has heard of
    assert json.loads(await shown(environment, as_json=True))["hosting"]["wanted_hosts"] == 3
    with psycopg.connect(database_url) as owner:
        owner.execute("update hosting set wanted_hosts = 5")
    assert json.loads(await shown(environment, as_json=True))["hosting"]["wanted_hosts"] == 5
