"""What the embedder is told before a message is durable: questions, one at a time, while there is time."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg
import pytest

from deployments import webhooks
from deployments.webhooks import Intake
from konstruct.database.pool import Database
from konstruct.failpoints import disarmed
from konstruct.identity import conversation_id, shard_of, tenant_id
from konstruct.messages import Address, Attachment, Inbound
from konstruct.metrics import Unmeasured

ACME = tenant_id("acme")
PLACE = conversation_id(ACME, "slack", "D0")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    with psycopg.connect(database_url) as owner:
        owner.execute("insert into tenants (id, name) values (%s, 'acme')", [ACME])
    database = Database(database_url)
    await database.start()
    yield database
    await database.stop()


@pytest.fixture
def told() -> list[tuple[UUID, str]]:
    return []


@pytest.fixture
def intake(database: Database, told: list[tuple[UUID, str]]) -> Intake:
    return Intake(database, lambda _: None, Unmeasured(), disarmed, lambda tenant, text: told.append((tenant, text)))


def message(number: int, **changes: Any) -> Inbound:
    address = Address("T0", "D0", private=True)
    said = Inbound(ACME, "slack", str(number), PLACE, shard_of(PLACE), address, "U0", f"hello {number}", str(number))
    return replace(said, **changes)


async def test_a_lone_question_is_foretold(intake: Intake, told: list[tuple[UUID, str]]) -> None:
    await intake.hear(message(1))
    await asyncio.sleep(2 * webhooks.CALM_SECONDS)
    await intake.hear(message(2))
    assert told == [(ACME, "hello 1"), (ACME, "hello 2")]


async def test_soon_after_another_nothing_is_foretold(
    intake: Intake, told: list[tuple[UUID, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "CALM_SECONDS", 60.0)
    for number in range(3):
        await intake.hear(message(number))
    assert told == [(ACME, "hello 0")]


async def test_beside_others_nothing_is_foretold(intake: Intake, told: list[tuple[UUID, str]]) -> None:
    await asyncio.gather(*(intake.hear(message(number)) for number in range(20)))
    await intake.hear(message(20), message(21))
    assert told == [(ACME, "hello 0")]


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "aside"}, {"kind": "edit", "target": "1"}, {"only_known": True},
        {"attachments": (Attachment("image", "1", "image/png", 10),)},
    ],
)  # fmt: skip
async def test_what_no_turn_asks_about_is_not(
    intake: Intake, told: list[tuple[UUID, str]], changes: dict[str, Any]
) -> None:
    await intake.hear(message(1, **changes))
    assert told == []
