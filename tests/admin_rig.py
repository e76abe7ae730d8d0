"""The operators' API over HTTP: acme with its owner, globex as the stranger, real routes and PostgreSQL."""

import asyncio
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psycopg

from simulator import App
from tests.crash import CHECKOUT
from tests.rig import Rig, apply, rig

ADMIN_TOKEN = "the-installations-own-token"
GLOBEX_APP = App(
    team="T0GLOBEX", app="A0GLOBEX", bot_user="U0GUS", bot_token="xoxb-globex", signing_secret="test-secret-globex"
)


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: Any
    text: str


def unzipped(content: bytes) -> str:
    """All that is in a ZIP file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return "\n".join(archive.read(name).decode() for name in archive.namelist())


@dataclass
class AdminRig:
    """One installation with two tenants, and whoever asks."""

    rig: Rig
    session: aiohttp.ClientSession

    async def ask(
        self, path: str, method: str = "GET", *, token: str | None = ADMIN_TOKEN, body: Any = None, **headers: str
    ) -> Answer:
        """A request; header names are given with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        url = self.rig.url + (path if path.startswith("/admin") else f"/admin/v1{path}")
        async with self.session.request(method, url, json=body, headers=sent) as response:
            zipped = response.content_type == "application/zip"
            text = unzipped(await response.read()) if zipped else await response.text()
            parsed = await response.json(content_type=None) if "json" in response.content_type else None
            return Answer(response.status, response.headers, parsed, text)

    async def token(self, tenant: str, role: str = "owner") -> str:
        """A token of this tenant."""
        made = await self.ask(f"/tenants/{tenant}/tokens", "POST", body={"name": "for tests", "role": role})
        assert made.status == 201, made.text
        return str(made.body["token"])

    def environment(self, **more: str) -> dict[str, str]:
        """What a command of the installation's owner knows: neither database nor master keys."""
        return {
            "KONSTRUCT_HOME": str(self.rig.settings.home),
            "KONSTRUCT_HTTP_PORT": self.rig.url.rpartition(":")[2],
            "KONSTRUCT_ADMIN_TOKEN": ADMIN_TOKEN,
        } | more

    async def konstruct(self, *arguments: str, **more: str) -> tuple[int, str]:
        """Exit status and words of a command, run as an operator runs it."""
        return await konstruct(self.environment(**more), *arguments)

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement as the database's owner."""
        with psycopg.connect(self.rig.settings.database_url or "", autocommit=True) as owner:
            cursor = owner.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []


async def konstruct(environment: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    """Exit status and words of a command that knows this environment."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("KONSTRUCT_")}
    command = [sys.executable, "-m", "deployments.cli", *arguments]
    ended = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, cwd=CHECKOUT, env=known | environment, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr


def asking() -> aiohttp.ClientSession:
    """A session that leaves no connection open: on a busy machine the server may close it as the next request comes."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))


@asynccontextmanager
async def admin_rig(database_url: str, home: Path, **chosen: object) -> AsyncIterator[AdminRig]:
    """Both tenants applied, nobody has a token but the installation's owner."""
    async with rig(database_url, home, chosen={"admin_token": ADMIN_TOKEN, **chosen}) as under_test:
        await apply(under_test, "globex", GLOBEX_APP)
        async with asking() as session:
            yield AdminRig(under_test, session)
