"""Who may ask the operators' API, and how it says that something is not possible."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.admin_rig import ADMIN_TOKEN, AdminRig, admin_rig

PROBLEM = "application/problem+json"


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[AdminRig]:
    async with admin_rig(database_url, tmp_path) as whole:
        yield whole


@pytest.mark.parametrize("token", [None, "", "wrong", "the-installations-own-tokem", "ü"])
async def test_without_a_valid_token_nothing_is_answered(k: AdminRig, token: str | None) -> None:
    answer = await k.ask("/tenants", token=token)
    assert (answer.status, answer.headers["Content-Type"]) == (401, PROBLEM)
    assert "acme" not in answer.text
    assert answer.body["request_id"] == answer.headers["X-Request-Id"]


async def test_an_unknown_address_is_none_of_a_strangers_business(k: AdminRig) -> None:
    assert (await k.ask("/nothing", token="wrong")).status == 401
    assert (await k.ask("/nothing")).status == 404


async def test_the_installations_owner_sees_all_tenants_a_page_at_a_time(k: AdminRig) -> None:
    first = await k.ask("/tenants?limit=1")
    assert [tenant["name"] for tenant in first.body["items"]] == ["acme"]
    second = await k.ask(f"/tenants?limit=1&cursor={first.body['next_cursor']}")
    assert [tenant["name"] for tenant in second.body["items"]] == ["globex"]
    assert second.body["next_cursor"] is None


@pytest.mark.parametrize("cursor", ["x", "ü", "gAAAAA", "a" * 2000])
async def test_a_made_up_cursor_is_refused(k: AdminRig, cursor: str) -> None:
    answer = await k.ask(f"/tenants?cursor={cursor}")
    assert (answer.status, answer.headers["Content-Type"]) == (400, PROBLEM)


async def test_a_tenant_is_not_sent_again_to_who_has_it_already(k: AdminRig) -> None:
    first = await k.ask("/tenants/acme")
    assert first.status == 200
    again = await k.ask("/tenants/acme", If_None_Match=first.headers["ETag"])
    assert (again.status, again.text) == (304, "")
    other = await k.ask("/tenants/globex", If_None_Match=first.headers["ETag"])
    assert other.status == 200


@pytest.mark.parametrize("name", ["nobody", "ACME", "a" * 64, "%00", "acme%2Fnothing", "."])
async def test_a_tenant_that_is_none_is_not_there(k: AdminRig, name: str) -> None:
    answer = await k.ask(f"/tenants/{name}")
    assert answer.status in {400, 404, 422}
    assert answer.headers["Content-Type"] == PROBLEM


@pytest.mark.parametrize(("given", "kept"), [("00000000-0000-0000-0000-000000000007", True), ("a\tb", False)])
async def test_a_request_keeps_the_id_that_it_came_with_if_it_is_one(k: AdminRig, given: str, kept: bool) -> None:
    answer = await k.ask("/nothing", X_Request_Id=given)
    assert (answer.body["request_id"] == given) is kept


async def test_a_method_that_is_not_possible_is_said_to_be_so(k: AdminRig) -> None:
    answer = await k.ask("/tenants", "PATCH")
    assert (answer.status, answer.headers["Content-Type"]) == (405, PROBLEM)
    assert answer.headers["Allow"] == "GET"


async def test_who_guesses_has_to_wait_wherever_they_say_they_are(k: AdminRig) -> None:
    asked = [await k.ask("/tenants", token=f"guess-{n}", X_Forwarded_For=f"10.0.0.{n}") for n in range(12)]
    assert [answer.status for answer in asked] == [401] * 10 + [429] * 2
    assert 0 < int(asked[-1].headers["Retry-After"]) <= 7


async def test_who_has_a_valid_token_never_waits_for_somebody_who_guesses(k: AdminRig) -> None:
    """Behind a proxy all clients have the same address, and a replica has not seen every token before."""
    token = await k.token("acme")
    shape = f"kt_{token.split('_')[1]}_"
    guesses = [shape + f"{n:043}" for n in range(100)]
    guessing = [asyncio.create_task(k.ask("/tenants", token=guess)) for guess in guesses]
    assert (await k.ask("/tenants/acme", token=token)).status == 200
    assert (await k.ask("/tenants")).status == 200
    statuses = [(await guess).status for guess in guessing]
    assert statuses.count(429) > 80 and set(statuses) == {401, 429}
    assert (await k.ask("/tenants/acme", token=await k.token("acme"))).status == 200


async def test_the_description_is_open_and_names_every_route_with_its_problems(k: AdminRig) -> None:
    document = (await k.ask("/admin/v1/openapi.json", token=None)).body
    assert document["openapi"].startswith("3.")
    for path, operations in document["paths"].items():
        assert path.startswith("/admin/v1/")
        for operation in operations.values():
            assert {"401", "404", "422"} <= set(operation["responses"])
            assert operation["security"]


async def test_while_the_database_is_away_it_says_when_to_come_again(k: AdminRig) -> None:
    token = await k.token("acme")
    await k.rig.stop_host(k.rig.hosts[0])
    await k.rig.database.stop()
    for path, given in (("/tenants", ADMIN_TOKEN), ("/tenants/acme", ADMIN_TOKEN), ("/tenants/acme", token)):
        answer = await k.ask(path, token=given)
        assert (answer.status, answer.headers["Retry-After"], answer.headers["Content-Type"]) == (503, "2", PROBLEM)
        assert "postgres" not in answer.text.lower()
