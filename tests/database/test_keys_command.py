"""`konstruct keys` as an operator runs it: what runs is asked, and never told a key."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from cryptography.fernet import Fernet

from konstruct.vault import fingerprint
from tests.admin_rig import AdminRig, admin_rig

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[AdminRig]:
    """What is stored was encrypted with OLD."""
    async with admin_rig(database_url, tmp_path, master_keys=(OLD,)) as whole:
        yield whole


async def test_secrets_are_not_rotated_to_a_key_that_what_runs_does_not_encrypt_with(k: AdminRig) -> None:
    for first, keys in ((NEW, f"{NEW},{OLD}"), (NEW, NEW)):
        code, said = await k.konstruct("keys", "rotate", KONSTRUCT_MASTER_KEYS=keys)
        assert code == 1
        assert f"encrypts with master key {fingerprint(OLD)}, not with {fingerprint(first)}" in said
        assert "run `konstruct up` with these keys first" in said
    code, said = await k.konstruct("keys", "rotate", KONSTRUCT_MASTER_KEYS=OLD)
    assert (code, said.split(";")[0]) == (0, "0 of 2 secrets encrypted anew"), said


async def test_secrets_move_and_are_listed_and_the_audit_says_in_which_request(
    k: AdminRig, database_url: str, tmp_path: Path
) -> None:
    async with admin_rig(database_url, tmp_path / "after", master_keys=(NEW, OLD)) as later:
        code, listed = await later.konstruct("keys", "list")
        assert code == 0, listed
        assert f"master key {fingerprint(NEW)} (encrypts)\nmaster key {fingerprint(OLD)}\n" in listed
        assert "acme" in listed and "test-secret-acme" not in listed and "…acme" in listed
        rotated = await later.ask("/installation/secrets/rotate", "POST", body={"master_key": fingerprint(NEW)})
        assert rotated.body == {"total": 2, "renewed": 2}
        changed = later.sql("select actor from audit_events where request_id = %s", rotated.headers["X-Request-Id"])
        assert changed == [("installation",)] * 2
        code, said = await later.konstruct("keys", "rotate", KONSTRUCT_MASTER_KEYS=NEW)
        assert f"0 of 2 secrets encrypted anew; all 2 need master key {fingerprint(NEW)} only" in said
    code, listed = await k.konstruct("keys", "list")
    assert listed.count("does not open") == 2
    code, said = await k.konstruct("keys", "rotate", KONSTRUCT_MASTER_KEYS=OLD)
    assert code == 1
    assert "cannot be decrypted" in said


async def test_tenants_have_no_business_there(k: AdminRig) -> None:
    owner = await k.token("acme")
    assert (await k.ask("/installation/secrets", token=owner)).status == 403
    body = {"master_key": fingerprint(OLD)}
    assert (await k.ask("/installation/secrets/rotate", "POST", token=owner, body=body)).status == 403
