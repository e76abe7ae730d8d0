"""What an event does not show, Stripe is asked for: thin events, and changes that share a second."""

from pathlib import Path

from simulator import Fault
from tests.billing import DAY
from tests.billing_rig import billing_rig
from tests.hook import until

OF_SUBSCRIPTIONS = "select count(*) from stripe_events where type like 'customer.subscription%'"


async def test_thin_events_are_fetched_and_count_as_their_snapshots(database_url: str, tmp_path: Path) -> None:
    async with billing_rig(database_url, tmp_path, payload="thin") as k:
        await k.subscribe()
        assert k.statuses() == ["active"]
        count = k.rows(OF_SUBSCRIPTIONS)
        k.stripe.options.payload = "snapshot"
        for event in k.stripe.objects("event"):
            assert (await k.stripe.admin.send_event(event["id"])).status == 200
        assert k.rows(OF_SUBSCRIPTIONS) == count


async def test_thin_events_that_name_no_snapshot_are_understood_by_what_they_are_about(
    database_url: str, tmp_path: Path
) -> None:
    async with billing_rig(database_url, tmp_path, payload="thin", names_snapshots=False) as k:
        subscription = await k.subscribe()
        assert k.statuses() == ["active"]
        k.stripe.clock.advance(DAY)
        k.stripe.world.cards[k.stripe.objects("customer")[0]["id"]] = "declined"
        k.stripe.admin.renew(subscription)
        await k.stripe.settle()
        await until(lambda: k.statuses() == ["past_due"], 10)
        assert len([text for text in k.notices() if text.startswith("A payment of")]) == 1


async def test_what_cannot_be_fetched_now_is_refused_and_comes_again(database_url: str, tmp_path: Path) -> None:
    async with billing_rig(database_url, tmp_path, payload="thin") as k:
        k.stripe.faults.rules.append(Fault("server_error", "events.retrieve", times=None))
        await k.subscribe()
        tried = [attempt.status for delivery in k.stripe.deliveries for attempt in delivery.attempts]
        assert 503 in tried
        assert k.statuses() == []
        k.stripe.faults.rules.clear()
        await until(lambda: k.statuses() == ["active"], 15)


async def test_what_two_events_of_one_second_leave_open_stripe_is_asked(database_url: str, tmp_path: Path) -> None:
    async with billing_rig(database_url, tmp_path, hold_events=True) as k:
        subscription = await k.subscribe()
        k.stripe.clock.advance(DAY)
        k.stripe.admin.set_status(subscription, "past_due")
        k.stripe.admin.set_status(subscription, "active")
        tied = [e["id"] for e in k.stripe.objects("event") if e["type"] == "customer.subscription.updated"][-2:]
        for event in tied[::-1]:
            await k.stripe.admin.send_event(event)
        assert k.statuses() == ["active"]
        assert k.stripe.api.calls["subscriptions.retrieve", "ok"] >= 1
