"""Hosts killed with -9 at every step while a visitor writes in the web chat: nothing lost, doubled or out of order."""

import asyncio
from pathlib import Path

import aiohttp

from konstruct.failpoints import NAMES
from tests.crash import ended, hosting
from tests.database.visitor import Visitor, open_site
from tests.rig import rig

HOST_FAILPOINTS = [name for name in NAMES if not name.endswith("c1")]


async def test_a_kill_at_every_step_loses_and_doubles_nothing_on_the_page(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path, hosts=0) as k, hosting(k) as hosts, aiohttp.ClientSession() as session:
        await open_site(k)
        anna = Visitor(f"{k.url}/web/shop", session)
        async with anna.watching():
            for number, name in enumerate(HOST_FAILPOINTS):
                armed = tmp_path / "failpoints" / name
                armed.touch()
                assert await anna.say(f"number {number}") == 200
                async with asyncio.timeout(40):
                    while armed.exists() or len(anna.visible) < 2 * number + 2:
                        await asyncio.sleep(0.05)
            await asyncio.sleep(1.5)
        expected = [(f"number {n}", f"You said: number {n}") for n in range(len(HOST_FAILPOINTS))]
        assert [text for _, text in anna.visible] == [text for pair in expected for text in pair]
        assert ended(hosts) == len(HOST_FAILPOINTS)
