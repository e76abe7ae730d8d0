"""Commands that carry much or take long, through everything that stands between an operator and the database."""

import asyncio
import zipfile
from pathlib import Path

from simulator import SlackSimulator
from tests.acceptance.conftest import GLOBEX, Installation
from tests.stub_model import StubModel

GRETA = ("globex", "slack", "U0GRETA")
UMBRELLA = "tenant: umbrella\nemployee: {name: Uma, instructions: You answer., model: local/smollm2}\n"


async def test_what_is_stored_is_taken_along_verified_and_forgotten(
    installation: Installation, slack: SlackSimulator, model: StubModel, tmp_path: Path
) -> None:
    async def run(*arguments: str) -> str:
        done = await asyncio.to_thread(installation.konstruct, *arguments)
        return done.stdout

    await slack.say("hello from Greta", team=GLOBEX.team, channel="D0GRETA", user="U0GRETA")
    async with asyncio.timeout(60):
        while not [m for m in slack.messages("D0GRETA", team=GLOBEX.team) if m.user == GLOBEX.bot_user]:
            await asyncio.sleep(0.1)
    greta, globex = tmp_path / "greta.zip", tmp_path / "globex.zip"
    assert "0 files" in await run("contact", "export", *GRETA, "--to", str(greta))
    assert "0 files" in await run("tenant", "export", "globex", "--to", str(globex))
    for file in (greta, globex):
        with zipfile.ZipFile(file) as archive:
            assert b"hello from Greta" in archive.read("messages.jsonl")
    for _ in range(2):
        assert "stored any more" in await run("contact", "erase", *GRETA, "--yes")
    assert "globex" in await run("keys", "list")
    async with asyncio.timeout(60):
        while "as it was sealed" not in await run("audit", "verify", "globex"):
            await asyncio.sleep(1)
    assert "as it was sealed" in await run("audit", "verify", "--all")
    lines = tmp_path / "globex.jsonl"
    assert "lines. Whoever verifies it" in await run("audit", "export", "globex", str(lines))
    assert '"kind":"end"' in lines.read_text().splitlines()[-1]
    assert "Nothing is older" in await run("audit", "retain", "--months", "12")


async def test_a_tenant_is_made_and_erased_by_command(installation: Installation, tmp_path: Path) -> None:
    file = tmp_path / "umbrella.yaml"
    file.write_text(UMBRELLA)
    await asyncio.to_thread(installation.konstruct, "apply", "-f", str(file))
    erased = await asyncio.to_thread(installation.konstruct, "tenant", "erase", "umbrella", "--yes")
    assert erased.stdout == "Nothing of tenant umbrella is stored any more.\n"
    again = await asyncio.to_thread(installation.konstruct, "tenant", "erase", "umbrella", "--yes", check=False)
    assert "There is no tenant umbrella" in again.stderr
