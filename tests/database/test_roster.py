"""Who answers where, asked by many conversations at once."""

import asyncio
from pathlib import Path
from typing import Any, cast

from konstruct.identity import tenant_id
from konstruct.models import Model
from konstruct.roster import Roster
from konstruct.vault import Vault
from tests.rig import APP, rig


class SlowToStart:
    """A model that takes its time, so that others ask meanwhile."""

    name = "slow"

    async def start(self) -> None:
        await asyncio.sleep(0.01)


async def test_all_conversations_of_a_workspace_share_one_channel(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path, hosts=0) as k:
        vault = Vault(k.settings.master_keys)
        session = cast("Any", None)
        roster = Roster(
            k.database,
            vault,
            lambda _tenant, _name, _row: cast("Model", SlowToStart()),
            {"slack": "x/"},
            session,
            rotation=cast("Any", None),
        )
        tenant = tenant_id("acme")
        for _ in range(2):
            found = await asyncio.gather(*(roster.assignment(tenant, "slack", APP.team) for _ in range(20)))
            assert len({id(assignment.channel) for assignment in found}) == 1
            roster._kept[tenant] = (-1e9, roster._kept[tenant][1])
