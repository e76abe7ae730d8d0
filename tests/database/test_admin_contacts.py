"""A person and a tenant over the API: taken along and forgotten by the owner, unknown to strangers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.admin_rig import AdminRig, admin_rig
from tests.database.forgotten import SECRET, dump, until_quiet

ALICE = "/tenants/acme/contacts/slack/U0ALICE"


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[AdminRig]:
    async with admin_rig(database_url, tmp_path) as whole:
        await whole.rig.slack.say(SECRET)
        await whole.rig.replies(1)
        await until_quiet(whole.rig)
        yield whole


async def test_an_owner_takes_along_what_is_stored_and_then_has_it_forgotten(k: AdminRig, database_url: str) -> None:
    for path in (f"{ALICE}/export", "/tenants/acme/export"):
        taken = await k.ask(path)
        assert taken.status == 200
        assert SECRET in taken.text
    assert (await k.ask(ALICE, "DELETE")).status == 204
    await until_quiet(k.rig)
    assert SECRET not in dump(database_url)
    assert (await k.ask(ALICE, "DELETE")).status == 404
    assert (await k.ask(f"{ALICE}/export")).status == 404
    done = k.sql("select actor from audit_events where action = 'contact.erased'")
    assert len(done) == 1
    assert done[0] != ("system",)


async def test_only_owners_may_and_strangers_find_nobody(k: AdminRig, database_url: str) -> None:
    for role in ("viewer", "operator"):
        assert (await k.ask(ALICE, "DELETE", token=await k.token("acme", role))).status == 403
    assert (await k.ask(ALICE, "DELETE", token=await k.token("globex"))).status == 404
    assert (await k.ask(ALICE.replace("acme", "globex"), "DELETE")).status == 404
    assert SECRET in dump(database_url)
