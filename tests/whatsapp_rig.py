"""The rig with a simulated WhatsApp at its edge, and business numbers of two tenants."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from konstruct import tenant_file
from konstruct.database import tenants
from konstruct.vault import Vault
from simulator import Entry, Number, WhatsAppSimulator
from simulator.whatsapp.chats import Message
from simulator.whatsapp.people.acting import ANNA
from tests.rig import APP, Rig, rig

ACME = Number()
GLOBEX = Number(
    "globex", "Globex", "206500000000002", "15550000002", "202290129340398", "EAAG-globex", "globex-app-secret",
    "globex-verify-token",
)  # fmt: skip
CHANNELS = """
tenant: {number.tenant}
employee: {{name: Ada, instructions: You answer questions., model: {model}}}
channels:
  whatsapp: {{phone_number_id: "{number.phone_number_id}", display_phone_number: "{number.display_phone_number}",
              access_token: {number.access_token}, app_secret: {number.app_secret},
              verify_token: {number.verify_token}{more}}}
"""
SLACK = """
  slack: {{team_id: {app.team}, app_id: {app.app}, bot_user_id: {app.bot_user},
           bot_token: "{app.bot_token}", signing_secret: "{app.signing_secret}"}}
"""


@dataclass
class WhatsAppRig:
    """One installation with acme's and globex' numbers, and everything that happens on them."""

    rig: Rig
    whatsapp: WhatsAppSimulator
    url: str

    def answers(self, person: str = ANNA, number: Number = ACME) -> list[Message]:
        """What the employee has said to a person."""
        told = self.whatsapp.messages(person, number=number.phone_number_id)
        return [message for message in told if message.by_business]

    def texts(self, person: str = ANNA, number: Number = ACME) -> list[str]:
        return [message.text for message in self.answers(person, number)]

    async def replies(self, count: int, person: str = ANNA, number: Number = ACME, seconds: float = 15) -> list[str]:
        """Wait for so many, give doubles time to show, answer them."""
        await until(lambda: len(self.texts(person, number)) >= count, seconds)
        await asyncio.sleep(0.15)
        return self.texts(person, number)

    def seen(self, kind: str) -> list[Entry]:
        return [entry for entry in self.whatsapp.log if entry.kind == kind]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as owner:
            return owner.execute(statement.encode()).fetchall()

    async def becomes(self, statement: str, wanted: list[tuple[Any, ...]], seconds: float = 15) -> None:
        """Wait until the database answers so."""
        try:
            await until(lambda: self.rows(statement) == wanted, seconds)
        except TimeoutError:
            assert self.rows(statement) == wanted

    async def apply(
        self, number: Number, more: str = "", *, slack: bool = False, whole: str = "", model: str = "local/stub"
    ) -> None:
        """Apply a tenant with this number; `more`: other fields of its WhatsApp entry, `whole`: of its file."""
        text = CHANNELS.format(number=number, more=f", {more}" if more else "", model=model)
        parsed = tenant_file.parse(text + (SLACK.format(app=APP) if slack else "") + whole, {})
        await tenants.apply_tenant(self.rig.database, parsed, Vault(self.rig.settings.master_keys))


async def until(true: Callable[[], bool], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def whatsapp_rig(
    database_url: str, home: Path, more: str = "", *, hosts: int = 1, **options: Any
) -> AsyncIterator[WhatsAppRig]:
    """`more`: other fields of acme's WhatsApp entry; `hosts`: in this process; `options`: how the simulator behaves."""
    simulated = WhatsAppSimulator([ACME, GLOBEX], **({"retry_seconds": (0, 0.2, 0.5, 1, 2)} | options))
    async with (
        simulated as whatsapp,
        rig(database_url, home, hosts=hosts, chosen={"whatsapp_api_url": whatsapp.url}) as k,
    ):
        whatsapp.courier.webhook = f"{k.url}/whatsapp/webhook"
        whole = WhatsAppRig(k, whatsapp, database_url)
        await whole.apply(ACME, more, slack=True)
        await whole.apply(GLOBEX)
        yield whole
