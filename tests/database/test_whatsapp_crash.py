"""Hosts killed with -9 while they answer on WhatsApp, which can neither be searched nor de-duplicates."""

import asyncio
from pathlib import Path

from konstruct.failpoints import NAMES
from tests.crash import hosting
from tests.whatsapp_rig import until, whatsapp_rig

HOST_FAILPOINTS = [name for name in NAMES if not name.endswith("c1")]
PEOPLE = ("4915112345678", "4917000000001")


async def test_a_kill_at_every_failpoint_loses_nothing_and_statuses_keep_it_from_doubling(
    database_url: str, tmp_path: Path
) -> None:
    async with whatsapp_rig(database_url, tmp_path, hosts=0) as k, hosting(k.rig) as hosts:
        for name in HOST_FAILPOINTS:
            (tmp_path / "failpoints" / name).touch()
            for person in PEOPLE:
                assert (await k.whatsapp.say(f"at {name}", sender=person)).status == 200
            await until(lambda name=name: not (tmp_path / "failpoints" / name).exists(), 30)  # type: ignore[misc]
            await until(lambda name=name: all(any(name in said for said in k.texts(one)) for one in PEOPLE), 60)  # type: ignore[misc]
        await asyncio.sleep(8)
        for person in PEOPLE:
            assert k.texts(person) == [f"You said: at {name}" for name in HOST_FAILPOINTS]
        assert len(hosts) > len(HOST_FAILPOINTS)
        await k.becomes("select state, count(*) from outbox group by 1", [("sent", 2 * len(HOST_FAILPOINTS))])
