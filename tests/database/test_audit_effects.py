"""Each external effect has exactly one audit row (G8), also where hosts are killed at every step of a turn."""

import asyncio
import re
from pathlib import Path

from konstruct.failpoints import NAMES
from tests.crash import Load, hosting
from tests.database.audited import Audited
from tests.rig import rig

HOST_FAILPOINTS = [name for name in NAMES if not name.endswith("c1")]
MARKED = "select count(*) from outbox where state in ('pending', 'streaming')"


async def test_every_call_and_every_visible_reply_has_one_row_whoever_was_killed(
    database_url: str, tmp_path: Path
) -> None:
    async with rig(database_url, tmp_path, hosts=0) as k, hosting(k):
        load = Load(k)
        for name in HOST_FAILPOINTS:
            await load.say_into(name, 60)
        verdict = await load.verdict()
        assert verdict.clean, verdict
        town = Audited(database_url, tmp_path, k.database, k.settings.master_keys)
        async with asyncio.timeout(60):
            while town.intrude(MARKED) != [(0,)]:
                await asyncio.sleep(0.1)
        visible = sum([len(await k.texts(channel)) for channel in load.said])
        sent = town.intrude("select subject from audit_events where action = 'reply.sent'")
        assert len(sent) == len(set(sent)) == visible
        assert set(sent) == set(town.intrude("select 'reply:' || id from outbox where state = 'sent'"))
        called = town.intrude("select subject from audit_events where action = 'model.called'")
        assert len(called) == len(set(called))
        assert set(called) == set(town.intrude("select 'turn:' || turn_id from usage"))
        stored = repr(town.intrude("select * from audit_events"))
        assert not re.search("ALICE|BOB|message [0-9]", stored)
        auditor = town.auditor()
        assert await auditor.seal_once() > len(sent) + len(called)
        assert await town.all_findings() == []
