"""A canary tenant that really is there for a moment: with a web chat, a Slack workspace, and somebody who writes."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from deployments.isolation.canary import Canary
from konstruct import tenant_file
from konstruct.channels import web_chat
from konstruct.database import erasure, tenants
from konstruct.database.pool import Database
from konstruct.forgetting import forget_tenant
from konstruct.identity import tenant_id
from konstruct.media.store import MediaStore
from konstruct.vault import Vault

TOKEN_SECONDS = 600
VISITOR = "canary"
# Rows that outlive a tenant, and why: see docs/erasure.md.
OUTLIVE = ("audit_events", "audit_seals", "audit_checkpoints")
FILE = """
tenant: {name}
employee: {{name: Canary, instructions: "{said}", model: local/smollm2}}
channels:
  web: {{site: {name}, secret: {secret}}}
  slack: {{team_id: T{mark}, app_id: A{mark}, bot_user_id: UBIRD, bot_token: xoxb-{secret}, signing_secret: {secret}}}
"""


@dataclass(frozen=True, slots=True)
class Bird:
    """What `canary` says is in its instructions, its messages and its model's prompts."""

    canary: Canary
    name: str = field(default_factory=lambda: f"canary-{uuid4().hex[:12]}")
    secret: str = field(default_factory=lambda: uuid4().hex)

    @property
    def mark(self) -> str:
        """Tells its workspace and app."""
        return self.name.removeprefix("canary-").upper()

    @property
    def tenant(self) -> UUID:
        """Its id."""
        return tenant_id(self.name)

    def token(self, site: str) -> str:
        """What opens its own site, or claims to open another's."""
        return web_chat.sign(self.secret, site, VISITOR, int(time.time()) + TOKEN_SECONDS)


@asynccontextmanager
async def birds(
    database: Database, store: MediaStore, vault: Vault, canaries: tuple[Canary, Canary]
) -> AsyncIterator[tuple[Bird, Bird]]:
    """Both, until the block ends, however it ends."""
    foreign, mine = Bird(canaries[0]), Bird(canaries[1])
    try:
        for bird in (foreign, mine):
            text = FILE.format(name=bird.name, said=bird.canary.said, secret=bird.secret, mark=bird.mark)
            await tenants.apply_tenant(database, tenant_file.parse(text, {}), vault)
        yield foreign, mine
    finally:
        for bird in (foreign, mine):
            await forget_tenant(database, store, bird.tenant)
            await erasure.drop_tombstones(database, bird.tenant)


async def left_of(database: Database, bird: Bird) -> dict[str, int]:
    """Rows that are left of it, by table."""
    counts = {
        table: len(await erasure.rows_of_tenant(database, bird.tenant, table))
        for table in await erasure.tables_of_tenants(database)
        if table not in OUTLIVE
    }
    return {table: count for table, count in counts.items() if count}
