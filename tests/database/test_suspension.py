"""Who does not pay is served through the grace period, then told politely; who pays is served again."""

import asyncio
from datetime import timedelta
from pathlib import Path

from konstruct.billing.reminding import remind
from konstruct.roster import KEPT_SECONDS
from konstruct.triage import SUSPENDED
from konstruct.vault import Vault
from tests.billing_rig import ACME, OPERATORS, BillingRig, billing_rig


async def answer(k: BillingRig, text: str, count: int) -> str:
    await asyncio.sleep(KEPT_SECONDS + 0.2)  # until then a host may go by what it read before
    await k.rig.slack.say(text)
    return (await k.rig.replies(count))[-1]


async def overdue(k: BillingRig, subscription: str) -> None:
    k.stripe.admin.set_status(subscription, "past_due")
    await k.stripe.settle()


async def test_overdue_is_served_within_its_grace_and_politely_stopped_after_it(
    database_url: str, tmp_path: Path
) -> None:
    async with billing_rig(database_url, tmp_path, hosts=1, grace=timedelta(0)) as k:
        subscription = await k.subscribe()
        assert await answer(k, "one", 1) != SUSPENDED
        k.stripe.admin.set_status(subscription, "hibernating")
        await k.stripe.settle()
        assert await answer(k, "two", 2) != SUSPENDED, "an unknown state is served"
        await overdue(k, subscription)
        asked = len(k.rig.model.requests)
        assert await answer(k, "three", 3) == SUSPENDED
        assert len(k.rig.model.requests) == asked, "no model is paid for"
        k.stripe.admin.set_status(subscription, "active")
        await k.stripe.settle()
        assert await answer(k, "four", 4) != SUSPENDED


async def test_in_the_days_of_grace_the_employee_answers(database_url: str, tmp_path: Path) -> None:
    async with billing_rig(database_url, tmp_path, hosts=1) as k:
        await overdue(k, await k.subscribe())
        assert await answer(k, "one", 1) != SUSPENDED


async def test_operators_are_told_in_slack_once_that_grace_has_run_out(database_url: str, tmp_path: Path) -> None:
    async with billing_rig(database_url, tmp_path, hosts=1, grace=timedelta(0)) as k:
        await overdue(k, await k.subscribe())
        vault = Vault(k.rig.settings.master_keys)
        assert await remind(k.rig.database, vault) == 1
        assert await remind(k.rig.database, vault) == 0
        [text] = await k.rig.replies(1, channel=OPERATORS)
        assert text.startswith("The employees do not answer any more")
        assert k.rows(f"select count(*) from outbox where tenant_id = '{ACME}' and part = 1000") == [(1,)]
