"""The Biller as Serve runs it: from settings, with a notice to operators where the books differ."""

import asyncio
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from deployments.served_biller import ServedBiller
from konstruct import tenant_file
from konstruct.database.meter_events import Sums
from konstruct.database.tenants import apply_tenant
from konstruct.vault import Vault
from tests.biller_rig import ACME, billing_rig
from tests.metering import EVENT_NAME
from tests.rig import APP

TENANT = f"""
tenant: acme
employee: {{name: Ada, instructions: You answer questions., model: local/stub}}
operators: {{slack_channel: C0OPS}}
channels:
  slack: {{team_id: {APP.team}, app_id: {APP.app}, bot_user_id: {APP.bot_user},
           bot_token: "{APP.bot_token}", signing_secret: "{APP.signing_secret}"}}
"""


async def test_it_bills_by_itself_and_tells_operators_once_of_a_difference(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = Fernet.generate_key().decode()
    async with billing_rig(database_url) as k:
        await apply_tenant(k.database, tenant_file.parse(TENANT, {}), Vault((key,)))
        await k.subscribe(ACME)
        k.use(ACME, 900)
        k.use(ACME, 1)
        for name, value in {
            "HOME": str(tmp_path),
            "DATABASE_URL": k.url,
            "MASTER_KEYS": key,
            "STRIPE_API_URL": k.stripe.url,
            "STRIPE_SECRET_KEY": k.stripe.account.secret_key,
        }.items():
            monkeypatch.setenv(f"KONSTRUCT_{name}", value)
        served = ServedBiller()
        async with asyncio.timeout(30):
            while k.states() != {"sent": 2} or not k.rows("select 1 from reconciliations"):
                await asyncio.sleep(0.05)
        served.check_health()
        assert k.counted() == 901
        sums = Sums(k.metered[ACME].customer, EVENT_NAME, 901, 899, 0, 0)
        for _ in range(2):
            await served._tell(ACME, k.now().date().replace(day=1), sums, 899, 2)
        [(channel, address, text)] = k.rows("select channel, address, text from outbox")
        assert (channel, address["channel"]) == ("slack", "C0OPS")
        assert "the ledger has 901 units, Stripe has counted 899" in text
        await served._biller.stop()
        with pytest.raises(RuntimeError):
            served.check_health()
        await served._database.stop()
