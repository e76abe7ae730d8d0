"""The ingress killed with -9 while Stripe's events come: none is lost, none takes effect twice."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from konstruct.failpoints import STRIPE_NAMES
from tests.billing_rig import BillingRig, billing_rig
from tests.hook import until

KILLS = 3


@asynccontextmanager
async def ingress(k: BillingRig, port: int) -> AsyncIterator[list[int]]:
    """A process that is started again whenever it dies; the list holds how each ended."""
    settings, ended = k.rig.settings, list[int]()
    environment = os.environ | {
        "KONSTRUCT_HOME": str(settings.home),
        "KONSTRUCT_DATABASE_URL": settings.database_url or "",
        "KONSTRUCT_MASTER_KEYS": ",".join(settings.master_keys),
        "KONSTRUCT_STRIPE_API_URL": k.stripe.url,
        "KONSTRUCT_STRIPE_SECRET_KEY": settings.stripe_secret_key or "",
        "KONSTRUCT_STRIPE_WEBHOOK_SECRETS": ",".join(settings.stripe_webhook_secrets),
        "KONSTRUCT_FAILPOINTS": "on",
    }
    running: list[asyncio.subprocess.Process] = []

    async def keep() -> None:
        while True:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.ingress_process",
                str(port),
                env=environment,
                stdout=asyncio.subprocess.DEVNULL,
            )
            running[:] = [process]
            ended.append(await process.wait())

    keeper = asyncio.create_task(keep())
    try:
        yield ended
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        with suppress(ProcessLookupError):
            running[0].kill()
        await running[0].wait()


async def test_a_kill_at_every_step_loses_and_doubles_nothing(database_url: str, tmp_path: Path, own_port: int) -> None:
    async with billing_rig(database_url, tmp_path, retry_seconds=(1.0,) * 60) as k, ingress(k, own_port) as ended:
        k.stripe.courier.webhook = f"http://127.0.0.1:{own_port}/stripe/webhook"
        subscription = await k.subscribe()
        buyer = k.stripe.objects("customer")[0]["id"]
        for number in range(KILLS):
            for name in STRIPE_NAMES:
                before = len(ended)
                (tmp_path / "failpoints" / name).touch()
                k.stripe.world.cards[buyer] = "declined"
                k.stripe.admin.renew(subscription)
                k.stripe.admin.use_card(buyer, "ok")
                await until(lambda before=before: len(ended) > before, 30)  # type: ignore[misc]
                assert ended[-1] == -9, f"{name}, {number}"
        deliveries = k.stripe.deliveries
        await until(lambda: all(delivery.acknowledged for delivery in deliveries), 60)
        told = [event["id"] for event in k.stripe.objects("event") if event["type"].startswith("customer.subscription")]
        kept = [id_ for (id_,) in k.rows("select id from stripe_events where type like 'customer.subscription%'")]
        assert sorted(kept) == sorted(told)
        assert k.statuses() == [k.stripe.objects("subscription")[0]["status"]] == ["active"]
        failures = [event for event in k.stripe.objects("event") if event["type"] == "invoice.payment_failed"]
        notices = [text for text in k.notices() if text.startswith("A payment of")]
        assert len(notices) == len(set(k.rows("select id from outbox where part = 1000"))) <= len(failures)
        print(f"{len(ended)} kills, {len(told)} events, {len(kept)} in effect, each once")
