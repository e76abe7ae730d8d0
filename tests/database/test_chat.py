"""`konstruct chat` and `konstruct simulate` with a tenant that somebody applied: nothing but its name is given."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio

from deployments.applied import applied
from deployments.installation.layout import Layout
from deployments.installation.running import Running, remember
from deployments.simulate import Wanted, vendors
from konstruct import tenant_file
from konstruct.database.tenants import apply_tenant
from konstruct.vault import Vault
from simulator import App
from tests.admin_rig import AdminRig, admin_rig
from tests.oauth import rows
from tests.rig import Rig, apply

HARBOUR = App(
    "harbour", "Ada", "T0HARBOUR", "A0HARBOUR", "U0HAL", bot_token="xoxb-h", signing_secret="secret-of-harbour"
)
ON_WHATSAPP = """
tenant: initech
employee: {name: Ivy, instructions: You answer., model: local/stub}
channels:
  whatsapp:
    {phone_number_id: "1065", access_token: EAAG-i, app_secret: [secret-of-initech, its-secret-before], verify_token: v}
"""


@dataclass
class Installed:
    """An installation whose employees answer in a Slack that only `konstruct chat` starts."""

    k: AdminRig
    slack_api_url: str

    async def chat(self, *arguments: str) -> tuple[int, str]:
        settings = self.k.rig.settings
        return await self.k.konstruct(
            "chat",
            *arguments,
            KONSTRUCT_DATABASE_URL=settings.database_url or "",
            KONSTRUCT_MASTER_KEYS=",".join(settings.master_keys),
            KONSTRUCT_SLACK_API_URL=self.slack_api_url,
        )


@pytest_asyncio.fixture
async def installed(database_url: str, tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[Installed]:
    url = f"http://127.0.0.1:{unused_tcp_port}/api/"
    async with admin_rig(database_url, tmp_path, slack_api_url=url) as whole:
        yield Installed(whole, url)


async def test_one_talks_to_a_tenant_of_ones_own_by_its_name_alone(installed: Installed) -> None:
    await apply(installed.k.rig, "harbour", HARBOUR)
    status, said = await installed.chat("--tenant", "harbour", "--once", "hello", "--timeout", "20")
    assert (status, said.strip().partition("hello")[1]) == (0, "hello"), said


async def test_a_tenant_that_is_not_there_is_said_with_those_that_are(installed: Installed) -> None:
    status, said = await installed.chat("--tenant", "nosuch", "--once", "hello")
    assert status == 1
    assert "no tenant nosuch" in said
    assert "acme, globex" in said
    status, said = await installed.k.konstruct("budget", "show", "nosuch")
    assert status == 1
    assert "no tenant nosuch" in said


async def test_the_simulators_know_what_is_applied_and_nothing_else(installed: Installed) -> None:
    rig = installed.k.rig
    vault = Vault(rig.settings.master_keys)
    await apply_tenant(rig.database, tenant_file.parse(ON_WHATSAPP, {}), vault)
    found = await applied("initech", rig.settings)
    assert found.app is None
    assert found.number is not None
    assert (found.number.phone_number_id, found.number.app_secret) == ("1065", "secret-of-initech")
    slack, whatsapp = vendors(Wanted("initech", 0, 0, None, 1.0), {}, rig.settings, found)
    assert (slack.apps[0].tenant, whatsapp.world.numbers[0]) == ("initech", found.number)


async def test_the_simulators_serve_a_workspace_that_is_connected_before_one_that_is_not(installed: Installed) -> None:
    rig = installed.k.rig
    await apply(rig, "harbour", HARBOUR)
    rows(
        rig,
        "insert into channels (tenant_id, kind, app, team, employee_id, account, secrets, installed_by) "
        "select tenant_id, kind, app, 'T0LINKED', employee_id, account, secrets, 'oauth' from channels "
        "where team = 'T0HARBOUR'",
    )
    assert await served(rig) == "T0HARBOUR"
    rows(rig, "update channels set disconnected_at = now() where team = 'T0HARBOUR'")
    assert await served(rig) == "T0LINKED"


async def served(rig: Rig) -> str:
    found = await applied("harbour", rig.settings)
    return found.app.team if found.app else ""


async def test_simulating_for_a_tenant_that_what_runs_does_not_have_is_refused(installed: Installed) -> None:
    settings = installed.k.rig.settings
    environment = {
        "KONSTRUCT_DATABASE_URL": settings.database_url or "",
        "KONSTRUCT_MASTER_KEYS": ",".join(settings.master_keys),
    }
    remember(Layout(settings.home), Running(environment, "127.0.0.1", 8000, 8265, local_model=False))
    status, said = await installed.k.konstruct("simulate", "--tenant", "nosuch")
    assert status == 1
    assert "no tenant nosuch" in said
