"""A person and a tenant over the API: taken along and forgotten by the owner, unknown to strangers."""

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from konstruct.errors import NameForgotten
from konstruct.media.store import open_store
from tests.admin_rig import ADMIN_TOKEN, AdminRig
from tests.database.forgotten import ACME, GLOBEX, SECRET, confided, dump, until_quiet
from tests.database.test_slack_inbound import until
from tests.rig import APP, apply

ALICE = "/tenants/acme/contacts/slack/U0ALICE"


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[AdminRig]:
    async with confided(database_url, tmp_path) as whole:
        yield whole


async def test_an_owner_takes_along_what_is_stored_and_then_has_it_forgotten(k: AdminRig, database_url: str) -> None:
    for path in (f"{ALICE}/export", "/tenants/acme/export"):
        taken = await k.ask(path)
        assert taken.status == 200
        assert SECRET in taken.text
    erased = await k.ask(ALICE, "DELETE")
    assert erased.status == 204
    await until_quiet(k.rig)
    assert SECRET not in dump(database_url)
    assert (await k.ask(ALICE, "DELETE")).status == 404
    assert (await k.ask(f"{ALICE}/export")).status == 404
    done = k.sql("select actor, request_id from audit_events where action = 'contact.erased'")
    assert done == [("installation", erased.headers["X-Request-Id"])]


async def test_what_a_tenant_takes_along_holds_nothing_made_of_its_secrets(k: AdminRig) -> None:
    secrets = {"access_token": "EAAG-planted", "app_secret": "0123456789abcdef" * 2, "verify_token": "hello-verify"}
    number = {"phone_number_id": "1065", "quote": True, **secrets}
    assert (await k.ask("/tenants/acme/channels", "POST", body={"whatsapp": number})).status == 201
    taken = (await k.ask("/tenants/acme/export")).text
    assert '"1065"' in taken
    assert '"options": {"quote": true}' in taken
    assert "_sha256" not in taken
    for secret in secrets.values():
        assert secret not in taken
        assert sha256(secret.encode()).hexdigest() not in taken


async def test_what_is_taken_along_lies_nowhere_that_a_broken_export_could_leave_it(
    k: AdminRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = await open_store(k.rig.settings).put(ACME, os.urandom(50_000_000))
    k.sql("update messages set files = %s where role = 'contact'", json.dumps([digest]))
    room = tmp_path / "room"
    room.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(room))
    url, bearer = f"{k.rig.url}/admin/v1{ALICE}/export", {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    async with k.session.get(url, headers=bearer) as answer:
        assert answer.headers["Content-Disposition"] == 'attachment; filename="contact.zip"'
        assert int(answer.headers["Content-Length"]) > 50_000_000
        await answer.content.readexactly(1_000)
        assert list(room.iterdir()) == []
        answer.close()  # somebody who goes away in the middle
    assert (await k.ask("/tenants/acme")).status == 200
    assert await none_open_in(room)


async def none_open_in(room: Path) -> bool:
    """Whether no file is open there, named or not, in a moment."""
    for _ in range(100):
        if not [path for path in Path("/proc/self/fd").iterdir() if path.resolve().is_relative_to(room)]:
            return True
        await asyncio.sleep(0.05)
    return False


async def test_only_owners_may_and_strangers_find_nobody(k: AdminRig, database_url: str) -> None:
    for role in ("viewer", "operator"):
        assert (await k.ask(ALICE, "DELETE", token=await k.token("acme", role))).status == 403
    assert (await k.ask(ALICE, "DELETE", token=await k.token("globex"))).status == 404
    assert (await k.ask(ALICE.replace("acme", "globex"), "DELETE")).status == 404
    assert SECRET in dump(database_url)


async def test_a_tenant_is_erased_by_the_installations_owner_only_and_the_audit_says_so(
    k: AdminRig, database_url: str
) -> None:
    for token, status in ((await k.token("acme"), 403), (await k.token("globex"), 404)):
        assert (await k.ask("/tenants/acme", "DELETE", token=token)).status == status
    assert SECRET in dump(database_url)
    kept = [await open_store(k.rig.settings).put(tenant, b"a file") for tenant in (ACME, GLOBEX)]
    erased = await k.ask("/tenants/acme", "DELETE")
    assert erased.status == 204
    assert SECRET not in dump(database_url)
    done = k.sql("select actor, request_id from audit_events where action = 'tenant.deleted'")
    assert done == [("installation", erased.headers["X-Request-Id"])]
    assert (await k.ask("/tenants/globex")).status == 200
    assert await open_store(k.rig.settings).get(GLOBEX, kept[1]) == b"a file"
    # As if the first had been interrupted before the files went.
    await open_store(k.rig.settings).put(ACME, b"a file that came late")
    assert (await k.ask("/tenants/acme", "DELETE")).status == 404
    assert not (k.rig.settings.home / "media" / str(ACME)).exists()


async def test_the_name_of_a_tenant_that_was_erased_is_given_to_nobody(k: AdminRig, tmp_path: Path) -> None:
    another = {"tenant": "acme", "employee": {"name": "Zoe", "instructions": "x", "model": "local/stub"}}
    assert (await k.ask("/tenants/acme", "DELETE")).status == 204
    refused = await k.ask("/tenants/acme", "PUT", body=another)
    assert refused.status == 409
    assert refused.body["detail"] == WHY
    # Also when the tombstone is gone, or the old months of the audit are.
    k.sql("delete from tombstones")
    assert (await k.ask("/tenants/acme", "PUT", body=another)).status == 409
    (tmp_path / "tenant.yaml").write_text(json.dumps(another))
    status, said = await k.konstruct("apply", "-f", str(tmp_path / "tenant.yaml"))
    assert status == 1
    assert WHY in " ".join(said.split())
    assert (await k.ask("/tenants/acme-2", "PUT", body=another | {"tenant": "acme-2"})).status == 200
    assert k.sql("select name from tenants order by 1") == [("acme-2",), ("globex",)]


WHY = "A tenant called acme was erased here, and its audit stays under that name; take another name."


async def test_a_tenant_that_is_applied_while_it_is_erased_does_not_come_back(k: AdminRig) -> None:
    erasing = await psycopg.AsyncConnection.connect(k.rig.settings.database_url or "")
    await erasing.execute("select close_tenant(%s)", [ACME])
    await erasing.execute("delete from tenants where id = %s", [ACME])
    applied = asyncio.create_task(apply(k.rig, "acme", APP, 1))
    await asyncio.sleep(0.5)
    assert not applied.done()
    await erasing.commit()
    await erasing.close()
    with pytest.raises(NameForgotten):
        await applied
    assert k.sql("select name from tenants") == [("globex",)]


async def test_erasures_take_no_connection_of_the_ingress(k: AdminRig) -> None:
    async with await psycopg.AsyncConnection.connect(k.rig.settings.database_url or "") as other:
        await other.execute("select from messages for update")
        erasing = [asyncio.create_task(k.ask(path, "DELETE")) for path in [ALICE] * 5 + ["/tenants/acme"] * 5]
        await until(lambda: len(k.sql("select 1 from pg_stat_activity where wait_event_type = 'Lock'")) >= 4)
        async with asyncio.timeout(3):
            assert (await k.ask("/tenants/globex")).status == 200
    assert {answer.status for answer in await asyncio.gather(*erasing)} <= {204, 404, 409, 503}
    assert (await k.ask("/tenants/acme")).status == 404
