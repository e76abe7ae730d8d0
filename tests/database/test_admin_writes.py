"""Writes that are repeated, and writes that were decided on what is no longer so."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.admin_rig import AdminRig, admin_rig

WANTED = {"name": "ci", "role": "viewer"}
TOKENS = "/tenants/acme/tokens"


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[AdminRig]:
    async with admin_rig(database_url, tmp_path) as whole:
        yield whole


async def test_a_repeated_write_has_one_effect_and_one_answer(k: AdminRig) -> None:
    first = await k.ask(TOKENS, "POST", body=WANTED, Idempotency_Key="once")
    again = await k.ask(TOKENS, "POST", body=WANTED, Idempotency_Key="once")
    assert (first.status, first.text, first.headers["ETag"]) == (again.status, again.text, again.headers["ETag"])
    assert again.headers["Idempotent-Replayed"] == "true"
    assert k.sql("select count(*) from api_tokens") == [(1,)]


async def test_many_at_once_have_one_effect_and_one_answer(k: AdminRig) -> None:
    answers = await asyncio.gather(*(k.ask(TOKENS, "POST", body=WANTED, Idempotency_Key="once") for _ in range(8)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert k.sql("select count(*) from api_tokens") == [(1,)]


async def test_another_request_under_a_used_key_is_refused(k: AdminRig) -> None:
    await k.ask(TOKENS, "POST", body=WANTED, Idempotency_Key="once")
    other = await k.ask(TOKENS, "POST", body={**WANTED, "role": "owner"}, Idempotency_Key="once")
    assert other.status == 422
    assert k.sql("select role from api_tokens") == [("viewer",)]


async def test_what_did_not_work_may_be_tried_again_under_its_key(k: AdminRig) -> None:
    missing = f"{TOKENS}/00000000-0000-0000-0000-000000000001"
    assert (await k.ask(missing, "DELETE", Idempotency_Key="once")).status == 404
    assert k.sql("select * from idempotency_keys") == []


async def test_a_key_belongs_to_who_used_it_and_to_its_tenant(k: AdminRig) -> None:
    await k.ask(TOKENS, "POST", body=WANTED, Idempotency_Key="once")
    owner = await k.token("acme")
    assert (await k.ask(TOKENS, "POST", token=owner, body=WANTED, Idempotency_Key="once")).status == 201
    assert (await k.ask("/tenants/globex/tokens", "POST", body=WANTED, Idempotency_Key="once")).status == 201
    assert k.sql("select count(*) from api_tokens") == [(4,)]


async def test_the_answer_is_kept_where_only_the_master_keys_read_it_and_for_a_day(k: AdminRig) -> None:
    made = await k.ask(TOKENS, "POST", body=WANTED, Idempotency_Key="once")
    assert made.body["token"] not in str(k.sql("select convert_from(answer, 'UTF8') from idempotency_keys"))
    k.sql("update idempotency_keys set created_at = now() - interval '1 day'")
    other = await k.ask(TOKENS, "POST", body=WANTED, Idempotency_Key="once")
    assert other.body["id"] != made.body["id"]
    assert k.sql("select count(*) from idempotency_keys") == [(1,)]
