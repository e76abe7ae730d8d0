"""Tokens of tenants: what they open, what they do not, and until when."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from konstruct.identity import tenant_id
from tests.admin_rig import AdminRig, admin_rig


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[AdminRig]:
    async with admin_rig(database_url, tmp_path) as whole:
        yield whole


async def test_a_token_is_shown_once_and_kept_as_a_digest_only(k: AdminRig) -> None:
    token = await k.token("acme")
    assert len(token.rpartition("_")[2]) >= 1 and len(token) == len("kt_") + 32 + 1 + 43
    listed = await k.ask("/tenants/acme/tokens")
    assert listed.body["items"][0]["name"] == "for tests"
    secret = token[36:]
    assert secret not in listed.text
    assert secret not in str(k.sql("select * from api_tokens"))
    assert k.sql("select octet_length(sha256) from api_tokens") == [(32,)]


async def test_a_token_opens_its_own_tenant_and_knows_of_no_other(k: AdminRig) -> None:
    token = await k.token("acme")
    assert [t["name"] for t in (await k.ask("/tenants", token=token)).body["items"]] == ["acme"]
    assert (await k.ask("/tenants/acme", token=token)).status == 200
    foreign, none = await k.ask("/tenants/globex", token=token), await k.ask("/tenants/nobody", token=token)
    for answer in (foreign, none):
        assert answer.status == 404
        answer.body.pop("request_id")
    assert foreign.body == none.body


@pytest.mark.parametrize(("role", "made"), [("viewer", 403), ("operator", 403), ("owner", 201)])
async def test_only_owners_make_and_see_tokens(k: AdminRig, role: str, made: int) -> None:
    token = await k.token("acme", role)
    answer = await k.ask("/tenants/acme/tokens", "POST", token=token, body={"name": "x", "role": "viewer"})
    assert answer.status == made
    assert (await k.ask("/tenants/acme/tokens", token=token)).status == (200 if made == 201 else 403)


async def test_an_expired_or_revoked_token_is_worth_nothing(k: AdminRig) -> None:
    token, other = await k.token("acme"), await k.token("acme")
    ids = [item["id"] for item in (await k.ask("/tenants/acme/tokens")).body["items"]]
    k.sql("update api_tokens set expires_at = now() where id = %s", ids[1])
    assert (await k.ask("/tenants/acme", token=token)).status == 401
    assert (await k.ask("/tenants/acme", token=other)).status == 200
    assert (await k.ask(f"/tenants/acme/tokens/{ids[0]}", "DELETE")).status == 204
    assert (await k.ask("/tenants/acme", token=other)).status == 401
    assert (await k.ask(f"/tenants/acme/tokens/{ids[0]}", "DELETE")).status == 404


async def test_a_token_that_names_another_tenant_is_none(k: AdminRig) -> None:
    token = await k.token("acme")
    forged = f"kt_{tenant_id('globex').hex}_{token[36:]}"
    assert (await k.ask("/tenants/globex", token=forged)).status == 401
    assert (await k.ask("/tenants/acme", token=forged)).status == 401


async def test_a_token_is_only_as_good_as_its_request(k: AdminRig) -> None:
    for body in (
        {"name": "x"}, {"name": "", "role": "viewer"}, {"name": "x", "role": "root"},
        {"name": "x", "role": "viewer", "expires_in_days": 0}, {"name": "x", "role": "viewer", "more": 1}, [],
    ):  # fmt: skip
        answer = await k.ask("/tenants/acme/tokens", "POST", body=body)
        assert answer.status == 422 and answer.body["errors"]
    answer = await k.ask("/tenants/acme/tokens", "POST", body={"name": "a\0b", "role": "viewer"})
    assert answer.status == 400
    assert k.sql("select * from api_tokens") == []
