"""The audit over the API: who did what in which request, verified, and exported whole."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from actors.auditor import Auditor
from konstruct.audit.anchor_file import AnchorFile
from konstruct.audit.signing import Signer
from konstruct.identity import tenant_id
from konstruct.metrics import Unmeasured
from tests.admin_rig import AdminRig, admin_rig

AUDIT = "/tenants/acme/audit"


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[AdminRig]:
    async with admin_rig(database_url, tmp_path) as whole:
        yield whole


async def seal(k: AdminRig) -> int:
    settings = k.rig.settings
    auditor = Auditor(k.rig.database, Signer(settings.master_keys), Unmeasured(), AnchorFile(settings.home))
    return await auditor.seal_once()


async def test_what_somebody_does_over_the_api_is_listed_with_their_id_and_request(k: AdminRig) -> None:
    token = await k.token("acme")
    made = await k.ask("/tenants/acme/tokens", "POST", token=token, body={"name": "Betty's", "role": "viewer"})
    [event] = (await k.ask(f"{AUDIT}?action=token.created&limit=1", token=token)).body["items"]
    assert event["subject"] == f"token:{made.body['id']}"
    assert event["actor"].startswith("token:")
    assert event["request"] == made.headers["X-Request-Id"]
    assert event["place"] is None
    await seal(k)
    [event] = (await k.ask(f"{AUDIT}?action=token.created&limit=1", token=token)).body["items"]
    assert event["place"] > 0
    assert "Betty" not in json.dumps((await k.ask(AUDIT, token=token)).body)


async def test_pages_follow_one_another_without_a_hole(k: AdminRig) -> None:
    for _ in range(3):
        await k.token("acme")
    whole = (await k.ask(f"{AUDIT}?limit=200")).body["items"]
    turned, cursor = [], ""
    while True:
        page = (await k.ask(f"{AUDIT}?limit=2{cursor}")).body
        turned += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert turned == whole
    assert len(whole) > 4


async def test_it_is_verified_and_exported_for_those_who_may(k: AdminRig) -> None:
    owner, viewer, stranger = await k.token("acme"), await k.token("acme", "viewer"), await k.token("globex")
    sealed = await seal(k)
    assert sealed > 4
    found = (await k.ask(f"{AUDIT}/verification", token=owner)).body
    assert found["rows"] > 3
    assert found["findings"] == []
    file = await k.ask(f"{AUDIT}/export", token=owner)
    lines = [json.loads(line) for line in file.text.splitlines()]
    assert [lines[0]["kind"], lines[-1]["kind"]] == ["header", "end"]
    assert json.loads(lines[-1]["content"])["rows"] == found["rows"] == len(lines) - 3
    for path, least in ((AUDIT, 200), (f"{AUDIT}/verification", 403), (f"{AUDIT}/export", 403)):
        assert (await k.ask(path, token=viewer)).status == least
        assert (await k.ask(path, token=stranger)).status == 404
    k.sql("set session_replication_role = replica; update audit_events set actor = 'x' where action = 'tenant.created'")
    found = (await k.ask(f"{AUDIT}/verification", token=owner)).body
    assert [finding.split(":")[0] for finding in found["findings"]] == ["changed"]
    assert str(tenant_id("globex")) not in json.dumps(found)
