"""Turns as PostgreSQL sees them, without model, channel and Ray: heard, committed, claimed, marked."""

import asyncio
import time
import uuid
from dataclasses import dataclass

from konstruct.database import hosting, turns
from konstruct.database.outbox import Outbox, Sent
from konstruct.database.pool import Database
from konstruct.identity import conversation_id, reply_id, shard_of, tenant_id, turn_id
from konstruct.messages import Address, Heard, Inbound, Reply

HOST = 0


@dataclass
class BareTurns:
    """People of one tenant who talk, each in a conversation of their own."""

    database: Database
    tenant: uuid.UUID
    tenures: dict[int, hosting.Tenure]
    outbox: Outbox

    @classmethod
    async def begin(cls, database: Database, name: str) -> "BareTurns":
        """Create the tenant `name` and take all shards."""
        tenant = tenant_id(name)
        async with database.tenant(tenant) as connection:
            await connection.run("save_tenant", name=name, quiet_seconds=0, escalation={}, operators={})
        return cls(database, tenant, await hosting.take(database, HOST, list(range(1024))), Outbox(database))

    async def converse(self, conversations: int, messages: int) -> float:
        """Turns per second."""
        begun = time.perf_counter()
        await asyncio.gather(*(self._talk(uuid.uuid4().hex, messages) for _ in range(conversations)))
        await self.outbox.settle()
        return conversations * messages / (time.perf_counter() - begun)

    async def _talk(self, name: str, messages: int) -> None:
        id_ = conversation_id(self.tenant, "slack", name)
        shard, place = shard_of(id_), Address("T1", name, private=True)
        for number in range(messages):
            inbound = Inbound(self.tenant, "slack", f"{name}:{number}", id_, shard, place, "U1", "Hello?", "1.0")
            [stored] = await turns.hear(self.database, [inbound])
            assert stored is not None
            await self._answer(stored, number)

    async def _answer(self, heard: Heard, version: int) -> None:
        turn = turn_id(self.tenant, heard.conversation, heard.id)
        id_ = reply_id(self.tenant, turn, 0)
        reply = Reply(id_, self.tenant, heard.conversation, turn, 0, "Hello.", "slack", heard.address)
        usage = {"employee": str(turn), "model": "m", "calls": 1, "prompt_tokens": 9, "completion_tokens": 9}
        said = [{"role": "employee", "contact": None, "text": "Hello."}]
        outcome = turns.Outcome(
            turn=turn, heard=[heard], contacts={}, said=said, memories=[], replies=[reply], usage=usage
        )
        epoch = self.tenures[heard.shard].epoch
        await turns.commit(self.database, outcome, epoch=epoch, version=version, claim_seconds=0)
        await self.outbox.claim(reply, shard=heard.shard, epoch=epoch, seconds=5)
        self.outbox.mark_later(Sent(self.tenant, id_, epoch, "ts"))
