"""What WhatsApp charges: one charge for each message, priced once, whatever comes in which order how often."""

import itertools
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio

from deployments.doors.statuses import charge_of
from konstruct.channels.whatsapp import Person, Status
from konstruct.database import charges, erasure
from konstruct.database.pool import Database
from konstruct.errors import PricesInvalid
from konstruct.message_prices import Price, PriceList
from tests.database.rows_of_acme import ACME, GLOBEX, REPLY, TURN
from tests.database.two_tenants import settle
from tests.whatsapp_rig import whatsapp_rig

START = datetime(2026, 10, 1, tzinfo=UTC)
PRICES = PriceList(
    version="2026-10",
    valid_from=START,
    prices=(
        Price(category="utility", country="DE", micros=55_000),
        Price(category="utility", micros=20_000),
        Price(category="service", micros=7),
    ),
)
NOVEMBER = datetime(2026, 11, 26, tzinfo=UTC).timestamp()
SENT = Status("1065", "wamid.1", "sent", NOVEMBER, Person(phone="4915112345678"), billable=True, category="utility")
DELIVERED, READ = replace(SENT, status="delivered", at=NOVEMBER + 1), replace(SENT, status="read", at=NOVEMBER + 2)
CHARGES = "select category, country, cost_micros, price_version from message_charges where cost_micros is not null"


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    settle(database_url)
    with psycopg.connect(database_url) as owner:
        owner.execute("delete from message_charges")
    database = Database(database_url, 2)
    await database.start()
    await charges.keep_prices(database, PRICES)
    yield database
    await database.stop()


async def tell(database: Database, *statuses: Status, tenant: UUID = ACME) -> None:
    told = [charge for status in statuses if (charge := charge_of(tenant, status, status.at))]
    await charges.record(database, told, seconds=5)


def rows(url: str, statement: str = CHARGES) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as owner:
        return owner.execute(statement.encode()).fetchall()


async def test_what_a_tenant_that_is_gone_is_charged_is_left_out_of_its_batch_alone(
    database: Database, database_url: str
) -> None:
    told = [charge for tenant in (ACME, GLOBEX) if (charge := charge_of(tenant, DELIVERED, NOVEMBER))]
    await erasure.erase_tenant(database, ACME, abandon_billing=True)
    await charges.record(database, told, seconds=5)
    assert rows(database_url, "select tenant_id from message_charges") == [(GLOBEX,)]


async def test_any_order_with_doubles_makes_the_same_one_charge(database: Database, database_url: str) -> None:
    whole = (
        "select id, turn_id, category, country, delivered, billable, cost_micros, price_version from message_charges"
    )
    seen = set()
    told = [SENT, DELIVERED, READ]
    for order in itertools.permutations([*told, random.choice(told), random.choice(told)]):
        with psycopg.connect(database_url) as owner:
            owner.execute("delete from message_charges")
        for status in order:
            await tell(database, status)
        (row,) = rows(database_url, whole)
        seen.add(row)
    await tell(database, *told, *told)
    assert {row[2:] for row in seen | set(rows(database_url, whole))} == {
        ("utility", "DE", True, True, 55_000, "2026-10")
    }
    assert len(seen) == 1


async def test_a_price_that_only_the_first_status_tells_is_charged_on_delivery(
    database: Database, database_url: str
) -> None:
    await tell(database, SENT)
    assert rows(database_url) == []
    await tell(database, replace(DELIVERED, category="", billable=None))
    assert rows(database_url) == [("utility", "DE", 55_000, "2026-10")]


async def test_what_is_only_sent_or_fails_costs_nothing(database: Database, database_url: str) -> None:
    await tell(database, SENT, replace(SENT, status="failed"))
    assert rows(database_url) == []


async def test_another_country_has_the_price_for_all_others(database: Database, database_url: str) -> None:
    await tell(database, replace(DELIVERED, person=Person(user_id="BR.1349")))
    assert rows(database_url) == [("utility", "BR", 20_000, "2026-10")]


async def test_a_price_that_nobody_gave_is_zero_and_shown_as_unknown(database: Database, database_url: str) -> None:
    await tell(database, replace(DELIVERED, category="general_purpose_ai"))
    assert rows(database_url) == [("general_purpose_ai", "DE", 0, "")]


async def test_what_meta_calls_free_costs_nothing_whatever_the_list_says(database: Database, database_url: str) -> None:
    await tell(database, replace(DELIVERED, billable=False))
    assert rows(database_url) == [("utility", "DE", 0, "free")]


async def test_a_new_list_prices_what_was_said_since_and_nothing_before(database: Database, database_url: str) -> None:
    later = datetime(2026, 11, 27, tzinfo=UTC)
    dearer = PriceList(version="2026-11", valid_from=later, prices=(Price(category="utility", micros=90_000),))
    assert await charges.keep_prices(database, dearer) is True
    await tell(database, DELIVERED, replace(DELIVERED, id="wamid.2", at=later.timestamp()))
    assert sorted(rows(database_url)) == [("utility", "DE", 55_000, "2026-10"), ("utility", "DE", 90_000, "2026-11")]


async def test_a_version_of_the_list_never_changes(database: Database) -> None:
    assert await charges.keep_prices(database, PRICES) is False
    for changed in (
        PRICES.model_copy(update={"prices": PRICES.prices[:1]}),
        PRICES.model_copy(update={"prices": (Price(category="utility", country="DE", micros=1), *PRICES.prices[1:])}),
        PRICES.model_copy(update={"valid_from": datetime(2026, 1, 1, tzinfo=UTC)}),
    ):
        with pytest.raises(PricesInvalid, match="new version"):
            await charges.keep_prices(database, changed)


async def test_a_charge_names_the_turn_of_the_reply_and_no_person(database: Database, database_url: str) -> None:
    await tell(database, replace(DELIVERED, reply=str(REPLY)))
    assert rows(database_url, "select turn_id from message_charges") == [(TURN,)]
    assert "49151" not in repr(rows(database_url, "select * from message_charges"))


async def test_two_tenants_are_charged_apart_for_the_same_id(database: Database, database_url: str) -> None:
    await tell(database, DELIVERED)
    await tell(database, DELIVERED, tenant=GLOBEX)
    assert rows(database_url, "select tenant_id from message_charges order by 1") == sorted([(ACME,), (GLOBEX,)])


async def test_answers_on_whatsapp_are_charged_through_the_real_door(database_url: str, tmp_path: Path) -> None:
    async with whatsapp_rig(database_url, tmp_path, shuffle_statuses=True, duplicate_statuses=True) as k:
        await charges.keep_prices(k.rig.database, PRICES)
        for n in range(3):
            await k.whatsapp.say(f"hello {n}")
            await k.replies(n + 1)
        await k.whatsapp.settle()
        priced = "select category, cost_micros, price_version, count(*) from message_charges group by 1, 2, 3"
        await k.becomes(priced, [("service", 7, "2026-10", 3)])
        turns = "select count(*) from message_charges c join outbox o using (tenant_id, turn_id)"
        assert k.rows(turns) == [(3,)]
