"""When an installation accepts events, whoever starts it."""

import asyncio
from contextlib import suppress

import aiohttp


async def until_ready(url: str, seconds: float) -> None:
    """Wait for its /readyz; `url`: of the installation. Raises TimeoutError where it is not ready in time."""
    async with asyncio.timeout(seconds), aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(f"{url}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.1)
