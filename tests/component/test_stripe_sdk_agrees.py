"""Stripe's own SDK against the simulated Stripe: what it sends is understood, and it believes what it gets."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
import stripe
from stripe import StripeClient

from simulator import Account, Fault, StripeSimulator
from tests.billing import DAY, ask, checkout, customer, plan, sdk, subscribe
from tests.hook import hooked, until

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def simulator() -> AsyncIterator[StripeSimulator]:
    async with StripeSimulator(retry_seconds=()) as running:
        yield running


@pytest.fixture
def client(simulator: StripeSimulator) -> StripeClient:
    return sdk(simulator)


def kinds(simulator: StripeSimulator) -> list[str]:
    return [event["type"] for event in simulator.objects("event")]


async def test_a_customer_is_created_changed_listed_and_deleted(client: StripeClient) -> None:
    made = await ask(lambda: client.v1.customers.create({"name": "Acme", "metadata": {"tenant": "t1"}}))
    await ask(lambda: client.v1.customers.update(made.id, {"name": "Acme Ltd", "metadata": {"tenant": "t2"}}))
    found = await ask(lambda: client.v1.customers.retrieve(made.id))
    assert (found.name, found.metadata["tenant"]) == ("Acme Ltd", "t2")
    assert [one.id for one in (await ask(lambda: client.v1.customers.list({"limit": 1}))).data] == [made.id]
    await ask(lambda: client.v1.customers.delete(made.id))
    assert (await ask(lambda: client.v1.customers.retrieve(made.id))).deleted


async def test_the_async_form_of_the_sdk_works_as_well(simulator: StripeSimulator) -> None:
    client = StripeClient(simulator.account.secret_key, base_addresses={"api": simulator.url})
    made = await client.v1.customers.create_async({"name": "Acme"})
    assert (await client.v1.customers.retrieve_async(made.id)).name == "Acme"


async def test_a_wrong_key_and_an_unknown_id_are_told_as_stripe_tells_them(simulator: StripeSimulator) -> None:
    wrong = StripeClient("sk_test_wrong", base_addresses={"api": simulator.url})
    with pytest.raises(stripe.AuthenticationError):
        await ask(wrong.v1.customers.list)
    with pytest.raises(stripe.InvalidRequestError) as missing:
        await ask(lambda: sdk(simulator).v1.subscriptions.retrieve("sub_none"))
    assert (missing.value.code, missing.value.http_status) == ("resource_missing", 404)


async def test_an_idempotency_key_makes_one_customer_of_two_calls(client: StripeClient) -> None:
    options = {"idempotency_key": "customer:acme"}
    first = await ask(lambda: client.v1.customers.create({"name": "Acme"}, options))  # type: ignore[arg-type]
    again = await ask(lambda: client.v1.customers.create({"name": "Acme"}, options))  # type: ignore[arg-type]
    assert first.id == again.id
    with pytest.raises(stripe.IdempotencyError):
        await ask(lambda: client.v1.customers.create({"name": "Globex"}, options))  # type: ignore[arg-type]


async def test_an_answer_lost_after_the_effect_is_not_a_second_effect(simulator: StripeSimulator) -> None:
    simulator.faults.rules.append(Fault("close_after_delivery", "customers.create"))
    client = sdk(simulator, max_network_retries=2)
    made = await ask(lambda: client.v1.customers.create({"name": "Acme"}))
    assert [one["id"] for one in simulator.objects("customer")] == [made.id]


async def test_checkout_becomes_a_subscription_that_is_paid(simulator: StripeSimulator, client: StripeClient) -> None:
    session = await checkout(client, await customer(client), await plan(client), metadata={"tenant": "acme"})
    assert session.status == "open"
    assert session.url.startswith(simulator.url)
    simulator.admin.complete_checkout(session.id)
    done = await ask(lambda: client.v1.checkout.sessions.retrieve(session.id, {"expand": ["subscription"]}))
    assert (done.status, done.payment_status) == ("complete", "paid")
    assert (done.subscription.status, done.subscription.metadata["tenant"]) == ("active", "acme")
    assert done.subscription["items"].data[0].current_period_end > done.subscription.created
    invoices = (await ask(lambda: client.v1.invoices.list({"subscription": done.subscription.id}))).data
    assert [(invoice.status, invoice.total) for invoice in invoices] == [("paid", 4900)]
    about = kinds(simulator)
    assert about.index("customer.subscription.created") < about.index("invoice.paid")
    assert about[-1] == "checkout.session.completed"


async def test_a_person_can_complete_checkout_and_cancel_in_the_portal(
    simulator: StripeSimulator, client: StripeClient
) -> None:
    buyer = await customer(client)
    session = await checkout(client, buyer, await plan(client))
    async with aiohttp.ClientSession() as browser:
        async with browser.post(session.url, data={"to": "declined"}, allow_redirects=False) as declined:
            assert declined.status == 402
        async with browser.get(session.url) as page:
            assert "49.00 usd" in await page.text()
        async with browser.post(session.url, data={"to": "ok"}, allow_redirects=False) as paid:
            assert paid.headers["Location"] == f"https://acme.example/done?session={session.id}"
        portal = await ask(
            lambda: client.v1.billing_portal.sessions.create({"customer": buyer, "return_url": "https://acme.example"})
        )
        subscription = simulator.objects("subscription")[0]["id"]
        async with browser.post(portal.url, data={"do": "cancel", "to": subscription}) as page:
            assert "Keep" in await page.text()
    found = await ask(lambda: client.v1.subscriptions.retrieve(subscription))
    assert found.cancel_at_period_end


async def test_months_pass_and_an_invoice_is_drawn_for_each(simulator: StripeSimulator, client: StripeClient) -> None:
    subscription = await subscribe(simulator, client)
    simulator.clock.advance(63 * DAY)
    invoices = simulator.admin.invoices_of(subscription)
    assert [invoice["status"] for invoice in invoices] == ["paid", "paid", "paid"]
    assert invoices[2]["period_start"] == invoices[1]["period_end"]


async def test_a_card_that_fails_is_tried_again_and_then_given_up(
    simulator: StripeSimulator, client: StripeClient
) -> None:
    subscription = await subscribe(simulator, client)
    simulator.world.cards[simulator.objects("customer")[0]["id"]] = "declined"
    simulator.clock.advance(32 * DAY)
    assert simulator.objects("subscription")[0]["status"] == "past_due"
    simulator.clock.advance(20 * DAY)
    found = await ask(lambda: client.v1.subscriptions.retrieve(subscription))
    assert (found.status, found.cancellation_details.reason) == ("canceled", "payment_failed")
    assert kinds(simulator).count("invoice.payment_failed") == 4


async def test_a_trial_warns_and_ends_paused_where_there_is_no_card(
    simulator: StripeSimulator, client: StripeClient
) -> None:
    end = {"end_behavior": {"missing_payment_method": "pause"}}
    await subscribe(simulator, client, trial_period_days=14, trial_settings=end)
    buyer = simulator.objects("customer")[0]["id"]
    simulator.world.cards[buyer] = "none"
    simulator.clock.advance(15 * DAY)
    assert simulator.objects("subscription")[0]["status"] == "paused"
    about = kinds(simulator)
    assert about.index("customer.subscription.trial_will_end") < about.index("customer.subscription.paused")


async def test_events_are_signed_as_the_sdk_checks_them_and_with_both_secrets(simulator: StripeSimulator) -> None:
    async with hooked() as hook:
        account = Account(webhook_secrets=("whsec_new", "whsec_old"))
        async with StripeSimulator(account, webhook=hook.url) as rotating:
            client = sdk(rotating)
            await customer(client)
            await until(lambda: len(hook.requests) == 1)
            _, headers, body = hook.requests[0]
            for secret in account.webhook_secrets:
                event = client.construct_event(body, headers["Stripe-Signature"], secret)
                assert event.type == "customer.created"
            with pytest.raises(stripe.SignatureVerificationError):
                client.construct_event(body, headers["Stripe-Signature"], "whsec_wrong")


async def test_a_thin_event_says_what_to_fetch(simulator: StripeSimulator) -> None:
    async with hooked() as hook, StripeSimulator(webhook=hook.url, payload="thin") as thin:
        client = sdk(thin)
        subscription = await subscribe(thin, client)
        await thin.settle()
        bodies = [
            (headers["Stripe-Signature"], body)
            for _, headers, body in hook.requests
            if b"v1.customer.subscription.created" in body
        ]
        told = client.parse_event_notification(bodies[0][1], bodies[0][0], thin.account.webhook_secrets[0])
        assert told.related_object.id == subscription  # type: ignore[union-attr]
        fetched = await ask(lambda: client.v2.core.events.retrieve(told.id))
        assert fetched.type == "v1.customer.subscription.created"


async def test_held_events_come_shuffled_and_twice_and_again_until_they_are_accepted() -> None:
    async with hooked() as hook:
        async with StripeSimulator(webhook=hook.url, hold_events=True, retry_seconds=(0.0,)) as held:
            await subscribe(held, sdk(held))
            assert hook.requests == []
            hook.answers = [500]
            sent = await held.admin.release(order="shuffled", copies=2, seed=7)
            await until(lambda: len(hook.requests) == len(sent) + 1)
            seen = [body["id"] for body in hook.bodies]
            assert {seen.count(event["id"]) for event in held.objects("event")} <= {2, 3}


async def test_a_stripe_that_is_down_is_up_again_an_hour_later(simulator: StripeSimulator) -> None:
    client = sdk(simulator)
    simulator.admin.go_down(3600)
    with pytest.raises(stripe.APIError):
        await customer(client)
    simulator.clock.advance(3601)
    assert await customer(client)
