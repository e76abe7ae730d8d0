"""`konstruct simulate` as a process: it serves both vendors, and Ctrl-C ends it."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import aiohttp
import pytest

CHECKOUT = Path(__file__).parents[2]
SECONDS = 30


@pytest.mark.asyncio
async def test_both_vendors_are_served_until_ctrl_c(tmp_path: Path) -> None:
    environment = os.environ | {"KONSTRUCT_HOME": str(tmp_path), "PYTHONPATH": str(CHECKOUT)}
    ports = ("--slack-port", "0", "--whatsapp-port", "0", "--stripe-port", "0")
    command = (sys.executable, "-m", "deployments.cli", "simulate", *ports)
    process = await asyncio.create_subprocess_exec(
        *command, cwd=CHECKOUT, env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    said = ""
    async with asyncio.timeout(SECONDS), aiohttp.ClientSession() as session:
        while "Ctrl-C" not in said:
            said += (await process.stdout.readline()).decode()
        addresses = re.findall(r"curl -N (\S+)/_simulator", said)
        for address, listed in zip(addresses, ("apps", "numbers"), strict=True):
            async with session.get(f"{address}/_simulator/{listed}") as answer:
                assert (await answer.json())[listed][0]["tenant"] == "acme"
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
