"""Stripe's webhook over HTTP: every event takes effect once, in any order, or is delivered again."""

import asyncio
import random
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import psycopg
import pytest

from simulator import Account
from tests.billing import DAY, ask, plan, sell
from tests.billing_rig import ACME, BillingRig, billing_rig
from tests.stripe_history import live


async def post(k: BillingRig, body: bytes, headers: dict[str, str]) -> int:
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{k.rig.url}/stripe/webhook", data=body, headers=headers) as answer:
            return answer.status


async def test_a_checkout_becomes_a_subscription_of_its_tenant(database_url: str, tmp_path: Path) -> None:
    async with billing_rig(database_url, tmp_path) as k:
        subscription = await k.subscribe()
        assert k.rows("select tenant_id, id, status, suspends_at from subscriptions") == [
            (ACME, subscription, "active", None)
        ]
        assert all(delivery.acknowledged for delivery in k.stripe.deliveries)
        assert k.rows("select id from stripe_customers") == [(k.stripe.objects("customer")[0]["id"],)]


async def test_what_becomes_of_a_subscription_is_audited_with_the_event_that_did_it(
    database_url: str, tmp_path: Path
) -> None:
    async with billing_rig(database_url, tmp_path) as k:
        subscription = await k.subscribe()
        k.stripe.admin.set_status(subscription, "unpaid")
        await k.stripe.settle()
        rows = k.rows(
            f"select action, actor, request_id from audit_events where subject = 'subscription:{subscription}'"
        )
        assert [action for action, _, _ in rows].count("subscription.created") == 1
        assert {actor for _, actor, _ in rows} == {"stripe"}
        assert {request for _, _, request in rows} <= {event["id"] for event in k.stripe.objects("event")}
        assert k.rows("select count(*) > 0 from audit_events where action = 'stripe_customer.changed'") == [(True,)]


async def test_what_cannot_be_stored_is_not_acknowledged(database_url: str, tmp_path: Path) -> None:
    async with billing_rig(database_url, tmp_path, hold_events=True, retry_seconds=()) as k:
        await k.subscribe()
        await k.rig.database.stop()
        event = next(e for e in k.stripe.objects("event") if e["type"] == "customer.subscription.created")
        assert (await k.stripe.admin.send_event(event["id"])).status == 503


async def test_a_trial_without_a_card_ends_in_a_pause_that_is_told(database_url: str, tmp_path: Path) -> None:
    async with billing_rig(database_url, tmp_path) as k:
        pause = {"end_behavior": {"missing_payment_method": "pause"}}
        await k.subscribe(trial_period_days=1, trial_settings=pause)
        k.stripe.world.cards[k.stripe.objects("customer")[0]["id"]] = "none"
        k.stripe.clock.advance(2 * DAY)
        await k.stripe.settle()
        assert k.rows("select status, suspends_at is not null from subscriptions") == [("paused", True)]
        assert [text for text in k.notices() if text.startswith("The subscription was paused")]


async def test_a_card_that_fails_is_told_with_the_day_on_which_service_ends(database_url: str, tmp_path: Path) -> None:
    async with billing_rig(database_url, tmp_path) as k:
        subscription = await k.subscribe()
        k.stripe.world.cards[k.stripe.objects("customer")[0]["id"]] = "declined"
        k.stripe.admin.renew(subscription)
        await k.stripe.settle()
        [(status, grace)] = k.rows("select status, suspends_at - overdue_at from subscriptions")
        assert (status, grace.days) == ("past_due", 7)
        failed = [text for text in k.notices() if "A payment of USD 49.00 failed. Stripe tries again on" in text]
        assert len(failed) == 1
        k.stripe.admin.use_card(k.stripe.objects("customer")[0]["id"], "ok")
        await k.stripe.settle()
        assert k.rows("select status, suspends_at from subscriptions") == [("active", None)]
        assert k.rows("select suspends_at from stripe_customers") == [(None,)]


@pytest.mark.parametrize("seed", range(3))
async def test_a_history_in_any_order_and_number_ends_in_the_same_state(
    database_url: str, tmp_path: Path, seed: int
) -> None:
    async with billing_rig(database_url, tmp_path, hold_events=True, retry_seconds=()) as k:
        await live(k.stripe, {"konstruct_tenant": str(ACME)})
        await sell(k.rig.database, k.stripe)
        events = k.stripe.objects("event")
        chance = random.Random(seed)
        for event in events:
            assert (await k.stripe.admin.send_event(event["id"])).status == 200
        wanted = k.state()
        with psycopg.connect(database_url, autocommit=True) as owner:
            owner.execute("truncate stripe_events, subscriptions, stripe_customers, outbox")
        shuffled = events + chance.choices(events, k=len(events) // 2)
        chance.shuffle(shuffled)
        for some in range(0, len(shuffled), 4):  # four at once: they must not get in each other's way
            sent = await asyncio.gather(
                *(k.stripe.admin.send_event(event["id"]) for event in shuffled[some : some + 4])
            )
            assert [one.status for one in sent] == [200] * len(sent)
        assert k.state() == wanted
        assert wanted[0][0][3] in ("canceled", "past_due")


async def test_fifty_copies_at_once_take_effect_once(database_url: str, tmp_path: Path) -> None:
    async with billing_rig(database_url, tmp_path, hold_events=True) as k:
        await k.subscribe()
        event = next(e for e in k.stripe.objects("event") if e["type"] == "customer.subscription.updated")
        sent = await asyncio.gather(*(k.stripe.admin.send_event(event["id"]) for _ in range(50)))
        assert {one.status for one in sent} == {200}
        outcomes = [orjson.loads(one.answer)["outcome"] for one in sent]
        assert outcomes.count("kept") == 1
        assert k.rows("select version from stripe_customers") == [(1,)]


async def test_both_secrets_of_a_rotation_work_and_a_wrong_one_is_refused(database_url: str, tmp_path: Path) -> None:
    secrets = {"stripe_webhook_secrets": ("whsec_new", "whsec_old")}
    account = Account(webhook_secrets=("whsec_old",))
    async with billing_rig(database_url, tmp_path, account=account, chosen=secrets) as k:
        await k.subscribe()
        assert k.statuses() == ["active"]
        event = k.stripe.objects("event")[0]["id"]
        assert (await k.stripe.admin.send_event(event, secret="whsec_new")).status == 200
        wrong = await k.stripe.admin.send_event(event, secret="whsec_wrong")
        assert wrong.status == 401
        assert "KONSTRUCT_STRIPE_WEBHOOK_SECRETS" in wrong.answer
        assert (await k.stripe.admin.send_event(event, age_seconds=301)).status == 401
        assert await post(k, b"{}", {}) == 401


async def test_without_secrets_nothing_is_acknowledged(database_url: str, tmp_path: Path) -> None:
    async with billing_rig(database_url, tmp_path, chosen={"stripe_webhook_secrets": ()}, retry_seconds=()) as k:
        await k.subscribe()
        assert {attempt.status for delivery in k.stripe.deliveries for attempt in delivery.attempts} == {503}


async def test_unknown_events_and_strangers_are_acknowledged_and_change_nothing(
    database_url: str, tmp_path: Path
) -> None:
    async with billing_rig(database_url, tmp_path) as k:
        stranger = {"object": "subscription", "id": "sub_x", "customer": "cus_x", "status": "active", "created": 1}
        for event in (
            {"type": "moon.phase.changed", "data": {"object": {"object": "moon"}}},
            {"type": "customer.subscription.updated", "data": {"object": stranger}},
            {"type": "customer.subscription.updated",
             "data": {"object": stranger | {"metadata": {"konstruct_tenant": "00000000-0000-0000-0000-000000000001"}}}},
        ):  # fmt: skip
            assert (await k.stripe.admin.send_event(event)).status == 200
        assert (await k.stripe.admin.send_raw("no json at all")).status == 200
        assert k.rows("select count(*) from stripe_events") == [(0,)]
        assert k.rows("select channel, reason like '%JSON%' from malformed_events") == [("stripe", True)]


async def test_another_installations_tenant_of_the_same_name_is_a_stranger(database_url: str, tmp_path: Path) -> None:
    async with billing_rig(database_url, tmp_path) as k:
        await k.subscribe()
        before = k.state()
        theirs = {"object": "subscription", "id": "sub_x", "customer": "cus_x", "status": "active", "created": 1,
                  "metadata": {"konstruct_tenant": str(ACME)}}  # fmt: skip
        event = {"type": "customer.subscription.updated", "data": {"object": theirs}}
        sent = await k.stripe.admin.send_event(event)
        assert (sent.status, "foreign" in sent.answer) == (200, True)
        assert k.state() == before


async def test_a_subscription_to_no_plan_decides_nothing_and_is_told_once(database_url: str, tmp_path: Path) -> None:
    async with billing_rig(database_url, tmp_path) as k:
        foreign = await k.subscribe(price=await plan(k.client, lookup_key="of-something-else"))
        k.stripe.clock.advance(2)
        k.stripe.admin.set_status(foreign, "unpaid")
        await k.stripe.settle()
        assert k.rows("select plan, status from subscriptions") == [(None, "unpaid")]
        assert k.rows("select suspends_at from stripe_customers") == [(None,)]
        k.stripe.clock.advance(2)
        k.stripe.admin.cancel(foreign)
        await k.stripe.settle()
        assert k.rows("select suspends_at from stripe_customers") == [(None,)]
        assert [foreign in text for text in k.notices()] == [True]


async def test_a_subscription_to_no_plan_does_not_keep_up_service_that_ended(database_url: str, tmp_path: Path) -> None:
    async with billing_rig(database_url, tmp_path) as k:
        own = await k.subscribe()
        asked: Any = {"customer": k.stripe.objects("customer")[0]["id"],
                      "items": [{"price": await plan(k.client, lookup_key="of-something-else")}]}  # fmt: skip
        await ask(lambda: k.client.v1.subscriptions.create(asked))
        k.stripe.admin.cancel(own)
        await k.stripe.settle()
        assert sorted(k.statuses()) == ["active", "canceled"]
        assert k.rows("select suspends_at is not null from stripe_customers") == [(True,)]


async def test_a_status_of_tomorrow_is_served_and_told_once(database_url: str, tmp_path: Path) -> None:
    async with billing_rig(database_url, tmp_path) as k:
        subscription = await k.subscribe()
        k.stripe.admin.set_status(subscription, "hibernating")
        k.stripe.clock.advance(2)
        k.stripe.admin.cancel(subscription, at_period_end=True)
        await k.stripe.settle()
        assert k.rows("select status, suspends_at from subscriptions") == [("hibernating", None)]
        told = [text for text in k.notices() if "'hibernating'" in text]
        assert len(told) == 1


async def test_events_of_a_newer_api_version_are_understood(database_url: str, tmp_path: Path) -> None:
    async with billing_rig(database_url, tmp_path, hold_events=True) as k:
        await k.subscribe()
        event = next(e for e in k.stripe.objects("event") if e["type"] == "customer.subscription.updated")
        event["api_version"] = "2031-01-01.yew"
        event["data"]["object"]["customer"] = {"id": event["data"]["object"]["customer"], "object": "customer"}
        event["data"]["object"]["items"] = {"object": "search_result", "data": "elsewhere"}
        event["data"]["object"]["novelty"] = [{"deep": [None]}]
        assert (await k.stripe.admin.send_event(event)).status == 200
        assert k.statuses() == ["active"]


async def test_the_end_of_a_trial_is_told_three_days_before(database_url: str, tmp_path: Path) -> None:
    async with billing_rig(database_url, tmp_path) as k:
        await k.subscribe(trial_period_days=14)
        assert k.statuses() == ["trialing"]
        k.stripe.clock.advance(12 * DAY)
        await k.stripe.settle()
        assert [text for text in k.notices() if text.startswith("The trial ends on")]
