"""`konstruct tenant` and `konstruct contact` as an operator runs them, who has a token and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from deployments.installation import demo, keys
from deployments.installation.layout import Layout
from tests.admin_rig import AdminRig, admin_rig, unzipped
from tests.database.forgotten import SECRET, confided, dump, until_quiet

ALICE = ("acme", "slack", "U0ALICE")


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[AdminRig]:
    async with confided(database_url, tmp_path) as whole:
        yield whole


async def test_a_person_is_taken_along_and_forgotten(k: AdminRig, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "alice.zip"
    code, said = await k.konstruct("contact", "export", *ALICE, "--to", str(file))
    assert code == 0, said
    assert said.endswith(" rows, 0 files. Keep it as carefully as what it was made of.\n")
    assert int(said.split(": ")[1].split()[0]) > 3
    assert SECRET in unzipped(file.read_bytes())
    for _ in range(2):
        code, said = await k.konstruct("contact", "erase", *ALICE, "--yes")
        assert code == 0, said
        assert said.startswith("Nothing about U0ALICE on slack is stored any more.")
    assert said.endswith("Nothing was.\n")
    await until_quiet(k.rig)
    assert SECRET not in dump(database_url)
    code, said = await k.konstruct("contact", "erase", "acmee", *ALICE[1:], "--yes")
    assert (code, said) == (1, "There is no tenant acmee; `konstruct status` lists those that there are.\n")
    code, said = await k.konstruct("contact", "export", *ALICE, "--to", str(tmp_path / "nobody.zip"))
    assert code == 1
    assert not (tmp_path / "nobody.zip").exists()


async def test_a_tenant_is_taken_along_and_forgotten(k: AdminRig, database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "acme.zip"
    code, said = await k.konstruct("tenant", "export", "acme", "--to", str(file))
    assert code == 0, said
    assert SECRET in unzipped(file.read_bytes())
    code, said = await k.konstruct("tenant", "erase", "acme")
    assert code == 130, "it asks first, and nobody says yes"
    assert SECRET in dump(database_url)
    k.sql(
        "insert into subscriptions (tenant_id, id, customer, status, started_at, observed_at)"
        " select id, 'sub_1', 'cus_1', 'past_due', now(), now() from tenants where name = 'acme'"
    )
    code, said = await k.konstruct("tenant", "erase", "acme", "--yes")
    assert code == 1
    assert said.startswith("Stripe would go on charging for sub_1 (past_due): cancel it first")
    assert SECRET in dump(database_url)
    assert await k.konstruct("tenant", "erase", "acme", "--yes", "--abandon-billing") == (
        0,
        "Nothing of tenant acme is stored any more.\n",
    )
    assert SECRET not in dump(database_url)
    for command in (["erase", "acme", "--yes"], ["export", "acme", "--to", str(tmp_path / "gone.zip")]):
        code, said = await k.konstruct("tenant", *command)
        assert (code, said) == (1, "There is no tenant acme; `konstruct status` lists those that there are.\n")
    assert sorted(path.name for path in tmp_path.glob("*.zip*")) == ["acme.zip"]


async def test_a_demo_tenant_that_was_erased_does_not_come_back(k: AdminRig) -> None:
    code, said = await k.konstruct("tenant", "erase", "acme", "--yes")
    assert code == 0, said
    layout = Layout(k.rig.settings.home)
    keys.prepare(layout)
    applied = await asyncio.to_thread(demo.apply, layout, k.environment())
    assert applied.startswith("left out: A tenant called acme was erased here")


async def test_the_demo_is_brought_up_to_date_and_a_tenant_of_that_name_is_left_alone(
    database_url: str, tmp_path: Path
) -> None:
    async with admin_rig(database_url, tmp_path) as k:
        k.sql("alter table tenants disable trigger refuse_forgotten_name")
        k.sql("delete from tenants where name = 'acme'")  # as if it had never been
        layout = Layout(k.rig.settings.home)
        keys.prepare(layout)

        async def up() -> str:
            return await asyncio.to_thread(demo.apply, layout, k.environment())

        assert [await up(), await up()] == ["applied", "unchanged"]
        k.sql("update tenants set quiet_seconds = 7 where name = 'acme'")  # what `konstruct apply` may have done
        assert await up() == "left as it is: somebody changed it"
        assert k.sql("select quiet_seconds from tenants where name = 'acme'") == [(7.0,)]
