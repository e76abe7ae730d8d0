"""Sold, used, told, invoiced, explained: through the API, Stripe's page, webhooks and turns; nothing put in by hand."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import psycopg

from actors.biller import Biller
from actors.reckoning import Reckoning
from konstruct.billing.meters import Meters
from konstruct.billing.stripe_api import StripeApi
from konstruct.database import plans
from konstruct.metrics import Unmeasured
from konstruct.plans import Plan
from tests.admin_rig import ADMIN_TOKEN, AdminRig
from tests.billing import ask
from tests.billing_rig import ACME, BillingRig, billing_rig
from tests.metering import EVENT_NAME, meter, prices

DAY = 86_400
TURNS = 4


async def offer(k: BillingRig) -> Plan:
    fee, usage = await prices(k.client, await meter(k.client), included=20, cents="0.5")
    plan = Plan(
        name="team", monthly_fee_micros=49_000_000, unit="tokens", included=20, overage_micros=5_000, overage_per=1,
        event_name=EVENT_NAME, fee_price=fee, usage_price=usage,
    )  # fmt: skip
    await plans.keep(k.rig.database, [plan])
    return plan


def biller(k: BillingRig) -> Biller:
    meters = Meters(StripeApi.of(k.rig.settings))

    async def tell(*difference: object) -> None:
        raise AssertionError(f"the books differ: {difference}")

    reckoning = Reckoning(k.rig.database, meters, Unmeasured(), tell)
    return Biller(k.rig.database, meters, reckoning, Unmeasured(), now=k.stripe.clock.now)


async def drained(k: BillingRig, one: Biller) -> None:
    while await one.drain_once():
        pass


def lines_of(k: BillingRig, plan: Plan) -> list[dict[str, Any]]:
    """What was invoiced for usage."""
    return [
        line
        for invoice in k.stripe.objects("invoice")
        for line in invoice["lines"]["data"]
        if line["pricing"]["price_details"]["price"] == plan.usage_price
    ]


def invoiced(k: BillingRig, plan: Plan) -> int:
    return sum(line["quantity"] for line in lines_of(k, plan))


async def test_a_month_from_checkout_to_the_explained_invoice(database_url: str, tmp_path: Path) -> None:
    async with (
        billing_rig(database_url, tmp_path, hosts=1, chosen={"admin_token": ADMIN_TOKEN}) as k,
        aiohttp.ClientSession() as session,
    ):
        admin, plan = AdminRig(k.rig, session), await offer(k)
        opened = await admin.ask("/tenants/acme/subscription/checkout", "POST", body={"plan": "team"})
        assert opened.status == 201, opened.text
        k.stripe.admin.complete_checkout(k.stripe.objects("checkout.session")[-1]["id"])
        await k.stripe.settle()
        assert k.rows("select plan, status from subscriptions") == [("team", "active")]
        for n in range(TURNS):
            await k.rig.slack.say(f"question {n}")
            await k.rig.replies(n + 1)
        [(tokens,)] = k.rows("select sum(prompt_tokens + completion_tokens)::bigint from usage")
        await drained(k, biller(k))
        k.stripe.clock.advance(32 * DAY)
        lines = lines_of(k, plan)
        assert invoiced(k, plan) == tokens > 20
        told = (await admin.ask(f"/tenants/acme/bill?invoice_line={lines[-1]['id']}")).body
        assert (told["difference_units"], told["difference_micros"]) == (0, 0)
        assert told["usage"]["invoiced_micros"] == sum(line["amount"] for line in lines) * 10_000
        assert sum(entry["count"] for entry in told["entries"]) == TURNS


async def test_an_outage_over_a_periods_end_is_on_the_next_invoice(database_url: str, tmp_path: Path) -> None:
    """Down when the period ends; up again, the Biller works before Stripe delivers the webhook of the renewal."""
    async with (
        billing_rig(database_url, tmp_path, hosts=1, chosen={"admin_token": ADMIN_TOKEN}, retry_seconds=()) as k,
        aiohttp.ClientSession() as session,
    ):
        admin, plan = AdminRig(k.rig, session), await offer(k)
        await admin.ask("/tenants/acme/subscription/checkout", "POST", body={"plan": "team"})
        k.stripe.admin.complete_checkout(k.stripe.objects("checkout.session")[-1]["id"])
        await k.stripe.settle()
        await k.rig.slack.say("question")
        await k.rig.replies(1)
        [(tokens, end)] = k.rows(
            "select prompt_tokens + completion_tokens, period_end_at from usage natural join subscriptions"
        )
        admin.sql("update usage set created_at = (select period_end_at from subscriptions) - interval '10 minutes'")
        webhook, k.stripe.courier.webhook = k.stripe.courier.webhook, "http://127.0.0.1:9/stripe/webhook"
        k.stripe.clock.advance(end.timestamp() + 7200 - k.stripe.clock.now())
        await k.stripe.settle()
        await drained(k, biller(k))
        k.stripe.courier.webhook = webhook
        for event in k.stripe.objects("event"):
            await k.stripe.admin.send_event(event["id"])
        k.stripe.clock.advance(32 * DAY)
        await k.stripe.settle()
        await drained(k, biller(k))
        assert invoiced(k, plan) == tokens


def used(k: BillingRig, tokens: int, *, answered: bool = True) -> None:
    """A turn, now by Stripe's clock."""
    with psycopg.connect(k.url) as owner:
        owner.execute(
            "insert into conversations (tenant_id, id, shard, channel, address) values (%s, %s, 1, 'slack', '{}')"
            " on conflict do nothing",
            [ACME, ACME],
        )
        owner.execute(
            "insert into usage (tenant_id, turn_id, conversation_id, employee_id, model, calls, prompt_tokens,"
            " completion_tokens, cost_micros, answered, created_at)"
            " values (%s, %s, %s, %s, 'gpt', 1, %s, 0, 0, %s, to_timestamp(%s))",
            [ACME, uuid4(), ACME, uuid4(), tokens, answered, k.stripe.clock.now()],
        )


async def test_usage_is_billed_by_the_plan_in_force_when_it_happened(database_url: str, tmp_path: Path) -> None:
    """First each answer costs, and other turns nothing; then each token."""
    async with billing_rig(database_url, tmp_path) as k:
        answers = await meter(k.client, "answers")
        fee, usage = await prices(k.client, answers, included=0, cents="5")
        by_answer = (await offer(k)).model_copy(
            update={"name": "pilot", "unit": "replies", "event_name": "answers", "fee_price": fee, "usage_price": usage}
        )
        await plans.keep(k.rig.database, [by_answer])
        subscription = await k.subscribe(price=fee)
        used(k, 1000, answered=False)
        used(k, 500)
        k.stripe.clock.advance(3600)
        by_token = (await plans.offered(k.rig.database))["team"]
        [item] = k.stripe.objects("subscription")[0]["items"]["data"]
        moved: Any = {"items": [{"id": item["id"], "price": by_token.fee_price}, {"price": by_token.usage_price}]}
        await ask(lambda: k.client.v1.subscriptions.update(subscription, moved))
        await k.stripe.settle()
        assert k.rows("select plan from subscriptions") == [("team",)]
        k.stripe.clock.advance(60)
        used(k, 7, answered=False)
        await drained(k, biller(k))
        told = k.rows("select event_name, value from meter_events order by at")
        assert told == [("answers", 1), (EVENT_NAME, 7)]


async def test_a_report_of_errors_comes_through_the_signed_webhook(database_url: str, tmp_path: Path) -> None:
    async with billing_rig(database_url, tmp_path) as k:
        await offer(k)
        asked: Any = {"event_name": EVENT_NAME, "payload": {"stripe_customer_id": "cus_nobody", "value": "1"}}
        await ask(lambda: k.client.v1.billing.meter_events.create(asked))
        [thin] = k.stripe.report_meter_errors()
        await k.stripe.settle()
        await k.stripe.notifier.send(thin)
        assert k.rows("select event, type, handled_at from meter_reports") == [
            (thin["id"], "billing.meter.error_report_triggered", None)
        ]
        await drained(k, biller(k))
        assert k.rows("select errors, summary from meter_reports where handled_at is not null") == [
            (1, "There are 1 invalid events")
        ]
