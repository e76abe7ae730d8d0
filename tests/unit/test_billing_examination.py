"""`konstruct doctor` on Stripe: no key, a wrong key, a wrong secret, and all well."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread

from deployments.examinations.billing import stripe
from deployments.examinations.finding import Finding, Patient
from deployments.installation.layout import Layout
from konstruct.settings import Settings
from simulator import StripeSimulator


@contextmanager
def simulated() -> Iterator[StripeSimulator]:
    """A Stripe on a loop of its own: the doctor runs on none, and starts one."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    simulator = StripeSimulator(retry_seconds=())
    asyncio.run_coroutine_threadsafe(simulator.start(), loop).result(10)
    try:
        yield simulator
    finally:
        asyncio.run_coroutine_threadsafe(simulator.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def look(tmp_path: Path, simulator: StripeSimulator | None = None, **chosen: object) -> Finding:
    known: dict[str, object] = {"stripe_webhook_secrets": ("whsec_simulated",)}
    if simulator:
        known |= {"stripe_api_url": simulator.url, "stripe_secret_key": simulator.account.secret_key}
    settings = replace(Settings.from_environment({"KONSTRUCT_HOME": str(tmp_path)}), **(known | chosen))  # type: ignore[arg-type]
    return stripe(Patient(settings, Layout(tmp_path), None))[0]


def test_without_a_key_billing_is_off_and_said_to_be(tmp_path: Path) -> None:
    assert look(tmp_path).said.startswith("billing is off")


def test_a_missing_or_odd_webhook_secret_is_named(tmp_path: Path) -> None:
    for secrets, said in (((), "is not set"), (("sk_live_1",), "do not begin with whsec_")):
        found = look(
            tmp_path, stripe_secret_key="sk", stripe_webhook_secrets=secrets, stripe_api_url="http://127.0.0.1:9"
        )
        assert found.state == "wrong"
        assert said in found.said


def test_a_key_that_stripe_refuses_is_named(tmp_path: Path) -> None:
    with simulated() as simulator:
        found = look(tmp_path, simulator, stripe_secret_key="sk_test_wrong")
        assert (found.state, "KONSTRUCT_STRIPE_SECRET_KEY" in found.said) == ("wrong", True)
        assert look(tmp_path, simulator).state == "well"


def test_a_stripe_that_cannot_be_reached_is_no_fault_of_the_settings(tmp_path: Path) -> None:
    found = look(tmp_path, stripe_secret_key="sk", stripe_api_url="http://127.0.0.1:9")
    assert found.state == "worth a look"


def test_events_that_nobody_accepted_point_at_the_secret(tmp_path: Path) -> None:
    with simulated() as simulator:
        simulator.options.hold_events = True
        simulator.world.tell("customer.created", {"id": "cus_1", "object": "customer"})
        assert look(tmp_path, simulator).state == "well", "it may be on its way still"
        simulator.world.store.all("event")[0]["created"] -= 3600
        found = look(tmp_path, simulator)
        assert (found.state, "KONSTRUCT_STRIPE_WEBHOOK_SECRETS" in found.mend) == ("wrong", True)
