"""Two tenants whose audit is sealed in several rounds, and an intruder with a superuser's rights."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from cryptography.fernet import Fernet

from actors.auditor import Auditor, Look
from konstruct.audit.anchor_file import AnchorFile
from konstruct.audit.signing import Signer
from konstruct.database.pool import Database
from konstruct.evidence import Evidence
from konstruct.identity import tenant_id
from konstruct.metrics import Metrics, Unmeasured
from tests.bench.bare_turns import BareTurns

UNMEASURED = Unmeasured()
ACME, GLOBEX = tenant_id("acme"), tenant_id("globex")


@dataclass
class Audited:
    """`keys`: master keys, newest first."""

    url: str
    home: Path
    database: Database
    keys: tuple[str, ...] = field(default_factory=lambda: (Fernet.generate_key().decode(),))

    def auditor(self, *keys: str, metrics: Metrics = UNMEASURED, looks: Sequence[Look] = ()) -> Auditor:
        """As it is after a restart, with these master keys."""
        return Auditor(self.database, Signer(keys or self.keys), metrics, AnchorFile(self.home), looks=looks)

    def evidence(self, *keys: str) -> Evidence:
        """What verifies."""
        return Evidence(self.database, Signer(keys or self.keys), AnchorFile(self.home))

    async def happen(self, rounds: int = 3) -> None:
        """Turns of both tenants, sealed after each round."""
        auditor = self.auditor()
        turns = [await BareTurns.begin(self.database, name) for name in ("acme", "globex")]
        for _ in range(rounds):
            await self.converse(turns)
            await auditor.seal_once()

    async def converse(self, turns: Sequence[BareTurns] = ()) -> None:
        """Two turns of each tenant, not sealed yet."""
        turns = turns or [await BareTurns.begin(self.database, name) for name in ("acme", "globex")]
        for tenant in turns:
            tenant.tenures = turns[-1].tenures
            await tenant.converse(1, 2)

    def unsealed(self, tenant: UUID) -> int:
        """Rows that are in no chain yet."""
        seals = "select from audit_seals s where s.tenant_id = e.tenant_id and s.event_id = e.id"
        where = f"e.tenant_id = '{tenant}' and not exists ({seals})"
        [(count,)] = self.intrude(f"select count(*) from audit_events e where {where}")
        return int(count)

    async def findings(self, tenant: UUID = ACME, *keys: str) -> list[str]:
        """What `konstruct audit verify TENANT` finds."""
        evidence = self.evidence(*keys)
        return [str(finding) async for finding in evidence.of_tenant(tenant)] + [str(f) for f in await evidence.tail()]

    async def all_findings(self) -> list[str]:
        """What `konstruct audit verify --all` finds beyond each tenant's own."""
        return [str(finding) async for finding in self.evidence().of_installation()]

    def intrude(self, *statements: str) -> list[tuple[Any, ...]]:
        """As a superuser who has switched the triggers off; answers the rows of the last statement."""
        with psycopg.connect(self.url, autocommit=True) as owner:
            owner.execute("set session_replication_role = replica")
            cursor = None
            for statement in statements:
                cursor = owner.execute(statement.encode())
            return list(cursor.fetchall()) if cursor is not None and cursor.description else []

    def mark(self, tenant: UUID) -> str:
        """What the tenant is called in the chain of all tenants."""
        return Signer(self.keys).marks(tenant)[0].hex()

    def seal_of(self, seq: int, tenant: UUID = ACME) -> UUID:
        """The id of the row that is sealed there."""
        [(id_,)] = self.intrude(f"select event_id from audit_seals where tenant_id = '{tenant}' and seq = {seq}")
        return UUID(str(id_))


class Gauges(Unmeasured):
    """What was measured last."""

    def __init__(self) -> None:
        self.values: dict[str, float] = {}

    def gauge(self, name: str, value: float) -> None:
        """Remember it."""
        self.values[name] = value


@asynccontextmanager
async def audited(url: str, home: Path) -> AsyncIterator[Audited]:
    """On an empty database."""
    database = Database(url, 3)
    await database.start()
    try:
        yield Audited(url, home, database)
    finally:
        await database.stop()
