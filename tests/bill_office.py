"""Whoever types `konstruct bill`: a served API, with a Biller and a simulated Stripe behind it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.admin_rig import ADMIN_TOKEN, AdminRig, asking
from tests.biller_rig import BillingRig, billing_rig
from tests.rig import Rig, ingress, settings_for


@dataclass
class Office:
    """Where it is typed, and what it is about."""

    k: BillingRig
    admin: AdminRig
    home: Path

    async def bill(self, *arguments: str) -> tuple[int, str]:
        """The command, as an operator runs it on a wide screen; its exit status and words."""
        return await self.admin.konstruct("bill", *arguments, COLUMNS="200")

    async def said(self, *arguments: str) -> str:
        """What a command says that succeeds."""
        code, said = await self.bill(*arguments)
        assert code == 0, said
        return said

    def kept(self, file: str, content: str) -> str:
        path = self.home / file
        path.write_text(content)
        return str(path)


@asynccontextmanager
async def bill_office(database_url: str, home: Path, **chosen: Any) -> AsyncIterator[Office]:
    """`chosen`: other settings."""
    nothing: Any = None
    async with billing_rig(database_url) as k:
        chosen = {"stripe_api_url": k.stripe.url, "stripe_secret_key": k.stripe.account.secret_key} | chosen
        settings = settings_for(database_url, home, admin_token=ADMIN_TOKEN, **chosen)
        rig = Rig(settings, k.database, nothing, nothing)
        async with ingress(rig) as rig.url, asking() as session:
            yield Office(k, AdminRig(rig, session), home)
