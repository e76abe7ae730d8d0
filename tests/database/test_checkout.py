"""An operator sells a plan through the API: Checkout and portal are Stripe's pages, the rest comes by webhook."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from typer.testing import CliRunner

from deployments.cli_subscription import subscription_app
from konstruct.database import plans
from konstruct.plans import Plan
from simulator import Fault
from tests.admin_rig import ADMIN_TOKEN, GLOBEX_APP, AdminRig
from tests.billing import ask, plan
from tests.billing_rig import BillingRig, billing_rig
from tests.rig import apply

PATH = "/tenants/acme/subscription"
ADDRESS = re.compile(r"http://127.0.0.1:\d+/[cp]/\S+")


@asynccontextmanager
async def shop(database_url: str, home: Path) -> AsyncIterator[tuple[BillingRig, AdminRig]]:
    async with billing_rig(database_url, home, chosen={"admin_token": ADMIN_TOKEN}) as k:
        price = await plan(k.client)
        offer = Plan(name="team", monthly_fee_micros=49_000_000, unit="replies", included=100, overage_micros=20_000,
                     event_name="replies", fee_price=price)  # fmt: skip
        await plans.keep(k.rig.database, [offer])
        await apply(k.rig, "globex", GLOBEX_APP)
        async with aiohttp.ClientSession() as session:
            yield k, AdminRig(k.rig, session)


async def test_a_tenant_subscribes_on_stripes_page_and_is_shown_as_subscribed(
    database_url: str, tmp_path: Path
) -> None:
    async with shop(database_url, tmp_path) as (k, admin):
        before = (await admin.ask(PATH)).body
        assert before == {"customer": None, "suspends_at": None, "subscriptions": []}
        opened = await admin.ask(f"{PATH}/checkout", "POST", body={"plan": "team", "trial_days": 14})
        assert opened.status == 201
        async with admin.session.post(opened.body["url"], data={"to": "none"}, allow_redirects=False) as done:
            back = urlsplit(done.headers["Location"])
        async with admin.session.get(f"{k.rig.url}{back.path}?{back.query}") as page:
            assert "Thank you" in await page.text()
        await k.stripe.settle()
        shown = (await admin.ask(PATH)).body
        assert shown["customer"] == k.stripe.objects("customer")[0]["id"]
        assert [(one["plan"], one["status"]) for one in shown["subscriptions"]] == [("team", "trialing")]
        portal = await admin.ask(f"{PATH}/portal", "POST")
        async with admin.session.get(portal.body["url"]) as page:
            assert "trialing" in await page.text()


async def test_the_command_line_shows_and_opens_the_same(database_url: str, tmp_path: Path) -> None:
    async with shop(database_url, tmp_path) as (k, admin):
        environment = {
            "KONSTRUCT_HOME": str(tmp_path),
            "KONSTRUCT_HTTP_PORT": k.rig.url.rpartition(":")[2],
            "KONSTRUCT_ADMIN_TOKEN": ADMIN_TOKEN,
        }

        async def run(*words: str) -> str:
            done = await asyncio.to_thread(CliRunner().invoke, subscription_app, words, env=environment)
            return done.output + str(done.exception or "")

        assert "no subscription" in await run("show", "acme")
        url = ADDRESS.findall(await run("checkout", "acme", "--plan", "team"))[0]  # among the ingress' own log
        async with admin.session.post(url, data={"to": "ok"}, allow_redirects=False) as done:
            assert done.status == 303
        await k.stripe.settle()
        assert "team" in await run("show", "acme")
        assert ADDRESS.findall(await run("portal", "acme"))[0].startswith(k.stripe.url)
        assert "portal changes or ends it" in await run("checkout", "acme", "--plan", "team")


async def test_a_repeated_request_is_the_same_page_and_another_one_is_another(
    database_url: str, tmp_path: Path
) -> None:
    async with shop(database_url, tmp_path) as (k, admin):
        wanted = {"plan": "team"}
        k.stripe.faults.rules.append(Fault("close_after_delivery", "customers.create"))
        first = await admin.ask(f"{PATH}/checkout", "POST", body=wanted, Idempotency_Key="once")
        again = await admin.ask(f"{PATH}/checkout", "POST", body=wanted, Idempotency_Key="once")
        assert first.body == again.body
        other = await admin.ask(f"{PATH}/checkout", "POST", body=wanted)
        assert other.body != first.body
        assert len(k.stripe.objects("customer")) == 1


async def test_who_has_a_subscription_is_sent_to_the_portal(database_url: str, tmp_path: Path) -> None:
    async with shop(database_url, tmp_path) as (k, admin):
        await admin.ask(f"{PATH}/checkout", "POST", body={"plan": "team"})
        k.stripe.admin.complete_checkout(k.stripe.objects("checkout.session")[0]["id"])
        await k.stripe.settle()
        refused = await admin.ask(f"{PATH}/checkout", "POST", body={"plan": "team"})
        assert refused.status == 409
        assert "portal" in refused.body["detail"]
        assert (await admin.ask(f"{PATH}/checkout", "POST", body={"plan": "gold"})).status == 422


async def test_of_several_pages_only_the_newest_stays_open(database_url: str, tmp_path: Path) -> None:
    async with shop(database_url, tmp_path) as (k, admin):
        for key in ("first", "second"):
            opened = await admin.ask(f"{PATH}/checkout", "POST", body={"plan": "team"}, Idempotency_Key=key)
            assert opened.status == 201
        assert [one["status"] for one in k.stripe.objects("checkout.session")] == ["expired", "open"]
        again = await admin.ask(f"{PATH}/checkout", "POST", body={"plan": "team"}, Idempotency_Key="first")
        assert (again.status, "gave way to another" in again.body["detail"]) == (409, True)
        k.stripe.admin.complete_checkout(k.stripe.objects("checkout.session")[1]["id"])
        await k.stripe.settle()
        assert k.statuses() == ["active"]


async def test_who_has_subscribed_while_no_webhook_comes_gets_no_second_page(database_url: str, tmp_path: Path) -> None:
    async with shop(database_url, tmp_path) as (k, admin):
        k.stripe.set_options(hold_events=True)
        await admin.ask(f"{PATH}/checkout", "POST", body={"plan": "team"})
        k.stripe.admin.complete_checkout(k.stripe.objects("checkout.session")[0]["id"])
        refused = await admin.ask(f"{PATH}/checkout", "POST", body={"plan": "team"})
        assert (refused.status, "portal" in refused.body["detail"]) == (409, True)
        assert len(k.stripe.objects("checkout.session")) == 1


async def test_a_subscription_to_no_plan_is_not_in_the_way_of_one_to_a_plan(database_url: str, tmp_path: Path) -> None:
    async with shop(database_url, tmp_path) as (k, admin):
        await k.subscribe(price=await plan(k.client, lookup_key="of-something-else"))
        assert k.statuses() == ["active"]
        opened = await admin.ask(f"{PATH}/checkout", "POST", body={"plan": "team"})
        assert opened.status == 201


async def test_a_page_that_is_completed_while_another_opens_wins(database_url: str, tmp_path: Path) -> None:
    async with shop(database_url, tmp_path) as (k, admin):
        await admin.ask(f"{PATH}/checkout", "POST", body={"plan": "team"})
        k.stripe.faults.rules.append(Fault("refuse", "checkout.sessions.expire", error="bad"))
        refused = await admin.ask(f"{PATH}/checkout", "POST", body={"plan": "team"})
        assert (refused.status, "just now" in refused.body["detail"]) == (409, True)
        assert [one["status"] for one in k.stripe.objects("checkout.session")] == ["open", "expired"]


async def test_a_second_subscription_is_told_to_operators_once(database_url: str, tmp_path: Path) -> None:
    async with shop(database_url, tmp_path) as (k, admin):
        await admin.ask(f"{PATH}/checkout", "POST", body={"plan": "team"})
        k.stripe.admin.complete_checkout(k.stripe.objects("checkout.session")[0]["id"])
        await k.stripe.settle()
        [first] = k.stripe.objects("subscription")
        price, noted = (
            first["items"]["data"][0]["price"]["id"],
            {"konstruct_tenant": first["metadata"]["konstruct_tenant"]},
        )
        asked = {"customer": first["customer"], "items": [{"price": price}], "metadata": noted}
        second = await ask(lambda: k.client.v1.subscriptions.create(asked))  # type: ignore[arg-type]
        await k.stripe.settle()
        await ask(lambda: k.client.v1.subscriptions.update(second.id, {"metadata": {"x": "y"}}))
        await k.stripe.settle()
        told = [text for text in k.notices() if "several subscriptions" in text]
        assert [(first["id"] in text, second.id in text) for text in told] == [(True, True)]


async def test_a_customer_that_was_deleted_in_stripe_is_followed_by_another(database_url: str, tmp_path: Path) -> None:
    async with shop(database_url, tmp_path) as (k, admin):
        await admin.ask(f"{PATH}/checkout", "POST", body={"plan": "team"})
        k.stripe.admin.delete_customer(k.stripe.objects("customer")[0]["id"])
        assert (await admin.ask(f"{PATH}/checkout", "POST", body={"plan": "team"})).status == 201
        assert k.rows("select id from stripe_customers") == [(k.stripe.objects("customer")[1]["id"],)]


async def test_a_stripe_that_is_down_or_refuses_the_key_is_said_so(database_url: str, tmp_path: Path) -> None:
    async with shop(database_url, tmp_path) as (k, admin):
        k.stripe.admin.go_down(3600)
        assert (await admin.ask(f"{PATH}/portal", "POST")).status == 503
        k.stripe.admin.come_up()
        assert (await admin.ask(f"{PATH}/portal", "POST")).status == 201
    async with billing_rig(
        database_url, tmp_path, chosen={"admin_token": ADMIN_TOKEN, "stripe_secret_key": "sk_wrong"}
    ) as k:
        async with aiohttp.ClientSession() as session:
            refused = await AdminRig(k.rig, session).ask("/tenants/acme/subscription/portal", "POST")
            assert refused.status == 409
            assert "KONSTRUCT_STRIPE_SECRET_KEY" in refused.body["detail"]


async def test_a_stranger_and_a_viewer_may_not_buy(database_url: str, tmp_path: Path) -> None:
    async with shop(database_url, tmp_path) as (k, admin):
        viewer, stranger = await admin.token("acme", "viewer"), await admin.token("globex")
        assert (await admin.ask(PATH, token=viewer)).status == 200
        assert (await admin.ask(f"{PATH}/portal", "POST", token=viewer)).status == 403
        for method, path in (("GET", PATH), ("POST", f"{PATH}/portal")):
            assert (await admin.ask(path, method, token=stranger)).status == 404
        assert await ask(lambda: len(k.client.v1.customers.list().data)) == 0
