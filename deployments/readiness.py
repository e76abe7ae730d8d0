"""Is everything there that a message needs? `/readyz` and `konstruct status` ask here."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import aiohttp

from konstruct.database import hosting
from konstruct.database.pool import Database
from konstruct.settings import Settings
from konstruct.vault import local_model_token

CHECK_SECONDS = 2.0


class Readiness:
    """Checks the dependencies. Ready = messages are stored and hosts take turns; a model may still be coming up."""

    def __init__(self, settings: Settings, database: Database, supervisor: Any, embedder: Any) -> None:
        """`supervisor`, `embedder`: Serve handles."""
        self._settings = settings
        self._database = database
        self._supervisor = supervisor
        self._embedder = embedder

    async def check(self) -> dict[str, Any]:
        """{ready, checks: {name: {ok, detail}}, hosts}."""
        hosts: list[dict[str, Any]] = []
        names = ["database", "hosts", "embedder", "model"]
        results = await asyncio.gather(
            _checked(self._check_database()),
            _checked(self._check_hosts(hosts)),
            _checked(self._check_embedder()),
            _checked(self._check_model()),
        )
        checks = dict(zip(names, results, strict=True))
        return {"ready": checks["database"]["ok"] and checks["hosts"]["ok"], "checks": checks, "hosts": hosts}

    async def _check_database(self) -> str:
        await self._database.check_health()
        return "answers as konstruct_app"

    async def _check_hosts(self, hosts: list[dict[str, Any]]) -> str:
        mapping = await hosting.read(self._database)
        hosts.extend(await self._supervisor.health.remote())
        if mapping.hosts == 0 or len(hosts) < mapping.hosts:
            raise RuntimeError(f"{len(hosts)} of {mapping.hosts or '?'} hosts are up")
        return f"{len(hosts)} hosts are up"

    async def _check_embedder(self) -> str:
        vectors = await self._embedder.embed.remote(["ready?"])
        return f"embeds in {len(vectors[0])} dimensions"

    async def _check_model(self) -> str:
        if not self._settings.local_model:
            return "the local model is off"
        headers = {"Authorization": f"Bearer {local_model_token(self._settings.master_keys)}"}
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{self._settings.local_model_url}/models", headers=headers) as response:
                if response.status != 200:
                    raise RuntimeError(f"the local model's gateway answers with status {response.status}")
        return "the local model is up"


async def _checked(check: Awaitable[str]) -> dict[str, Any]:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return {"ok": True, "detail": await check}
    except Exception as error:  # noqa: BLE001 - a report names every failure instead of ending with the first
        return {"ok": False, "detail": str(error) or type(error).__name__}
