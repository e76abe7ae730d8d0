"""Every header that the OpenAPI file describes is honoured by every route that it describes it of."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
import pytest_asyncio
import yaml

from deployments.admin.application import application
from deployments.admin.parts import Parts
from konstruct.database import plans
from konstruct.identity import conversation_id, tenant_id
from konstruct.plans import Plan
from tests.admin_rig import ADMIN_TOKEN, AdminRig, Answer, admin_rig, asking
from tests.billing import plan
from tests.billing_rig import billing_rig
from tests.database.admin_operations import Operation, operations
from tests.postgres import Server
from tests.rig import APP, TENANT

ACME = tenant_id("acme")
CONVERSATION = conversation_id(ACME, "web", "somebody")
SLACK = {"slack_client_id": "1.2", "slack_client_secret": "hush", "slack_signing_secret": ("hush",)}
BODIES: dict[str, Any] = {
    "apply_tenant": yaml.safe_load(TENANT.format(tenant="acme", app=APP, quiet=0)),
    "change_employee": {"name": "Ada", "instructions": "Be short.", "model": "local/stub"},
    "connect_channels": {"web": {"site": "acme-promises", "secret": "x" * 16}},
    "save_hosted_model": {"litellm": "openai/gpt-5-mini"},
    "open_checkout": {"plan": "team"},
    "make_token": {"name": "ci", "role": "viewer"},
}
shared = pytest.mark.asyncio(loop_scope="module")


def describing(header: str) -> list[Operation]:
    """The operations that describe it."""
    paths = application(cast("Parts", None)).openapi()["paths"]
    return [
        one
        for one in operations()
        if header in {each["name"].lower() for each in paths[one.path][one.method.lower()].get("parameters", [])}
    ]


@dataclass
class Shop:
    """acme, with one of everything, made anew for each question."""

    admin: AdminRig

    async def ask(self, operation: Operation, path: str, **headers: str) -> Answer:
        body = BODIES.get(operation.name, operation.body)
        return await self.admin.ask(path, operation.method, body=body, **headers)

    async def address(self, operation: Operation) -> str:
        """The operation's path, with ids of what is there."""
        filled: list[str] = []
        ids: list[str] = []
        for segment in operation.path.split("/"):
            if not segment.startswith("{"):
                ids = await self._there(segment) or ids
            filled.append(ids.pop(0) if segment.startswith("{") else segment)
        return "/".join(filled)

    async def _there(self, segment: str) -> list[str]:
        match segment:
            case "tenants":
                return ["acme"]
            case "employees":
                return [(await self.admin.ask("/tenants/acme/employees")).body["items"][0]["id"]]
            case "channels":
                connected = await self.admin.ask("/tenants/acme/channels", "POST", body=BODIES["connect_channels"])
                return [one["id"] for one in connected.body["items"] if one["team"] == "acme-promises"]
            case "models":
                await self.admin.ask("/tenants/acme/models/gpt", "PUT", body=BODIES["save_hosted_model"])
                return ["gpt"]
            case "conversations":
                return [str(self._conversation())]
            case "dead-letters":
                return ["message", str(self._dead())]
            case "tokens":
                return [(await self.admin.ask("/tenants/acme/tokens", "POST", body=BODIES["make_token"])).body["id"]]
            case "members":
                await self.admin.ask("/tenants/acme/members/grace@example.com", "PUT", body={"role": "viewer"})
                return ["grace@example.com"]
        return []

    def _conversation(self) -> object:
        self.admin.sql(
            "insert into conversations (tenant_id, id, shard, channel, address, version)"
            " values (%s, %s, 1, 'web', '{}', 1) on conflict do nothing",
            ACME, CONVERSATION,
        )  # fmt: skip
        return CONVERSATION

    def _dead(self) -> object:
        self._conversation()
        [(id_,)] = self.admin.sql(
            "insert into inbox (tenant_id, channel, event, conversation_id, shard, epoch, body, state, error)"
            " values (%s, 'web', %s, %s, 1, 1, '[]', 'dead', 'ZeroDivisionError') returning id",
            ACME, str(uuid4()), CONVERSATION,
        )  # fmt: skip
        return id_


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    with postgres_server.database() as url:
        chosen: dict[str, object] = {"admin_token": ADMIN_TOKEN, **SLACK}
        async with billing_rig(url, tmp_path_factory.mktemp("shop"), chosen=chosen) as k, asking() as session:
            offer = Plan(name="team", monthly_fee_micros=49_000_000, unit="replies", included=100,
                         overage_micros=20_000, event_name="replies", fee_price=await plan(k.client))  # fmt: skip
            await plans.keep(k.rig.database, [offer])
            yield Shop(AdminRig(k.rig, session))


@shared
@pytest.mark.parametrize("operation", describing("if-match"), ids=str)
async def test_a_change_that_was_decided_on_another_state_is_refused(shop: Shop, operation: Operation) -> None:
    path = await shop.address(operation)
    assert (await shop.ask(operation, path, If_Match='"another"')).status == 412
    assert (await shop.ask(operation, path, If_Match="*")).status < 300


@shared
@pytest.mark.parametrize("operation", describing("if-none-match"), ids=str)
async def test_what_is_known_already_is_not_sent_again(shop: Shop, operation: Operation) -> None:
    path = await shop.address(operation)
    shown = await shop.ask(operation, path)
    assert shown.status == 200, shown.text
    known = await shop.ask(operation, path, If_None_Match=shown.headers["ETag"])
    assert (known.status, known.text) == (304, "")


@shared
@pytest.mark.parametrize("operation", describing("idempotency-key"), ids=str)
async def test_a_write_under_a_key_is_repeated_as_an_answer_only(shop: Shop, operation: Operation) -> None:
    path, key = await shop.address(operation), str(uuid4())
    first = await shop.ask(operation, path, Idempotency_Key=key)
    assert first.status < 300, first.text
    again = await shop.ask(operation, path, Idempotency_Key=key)
    assert (again.status, again.text) == (first.status, first.text)
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await shop.ask(operation, f"{path}?another=1", Idempotency_Key=key)
    assert (other.status, "Idempotency-Key" in other.body["detail"]) == (422, True)


@shared
async def test_another_checkout_under_the_same_key_is_refused_before_stripe_is_asked(shop: Shop) -> None:
    path, key = "/tenants/acme/subscription/checkout", str(uuid4())
    assert (await shop.admin.ask(path, "POST", body={"plan": "team"}, Idempotency_Key=key)).status == 201
    other = await shop.admin.ask(path, "POST", body={"plan": "team", "trial_days": 9}, Idempotency_Key=key)
    assert other.status == 422, other.text


async def test_what_was_answered_is_forgotten_after_a_day_though_nobody_writes(
    database_url: str, tmp_path: Path
) -> None:
    async with admin_rig(database_url, tmp_path) as k:
        for tenant, age in (("acme", "25h"), ("globex", "25h"), ("globex", "23h")):
            made = await k.ask(f"/tenants/{tenant}/tokens", "POST", body=BODIES["make_token"], Idempotency_Key=age)
            assert made.status == 201
        k.sql("update idempotency_keys set created_at = now() - key::interval")
        async with asyncio.timeout(60):
            while k.sql("select key from idempotency_keys") != [("23h",)]:
                await asyncio.sleep(0.5)
