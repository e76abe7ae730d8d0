"""Turns of several hosts against one budget, on real PostgreSQL, with costs and crashes that a test chooses."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import psycopg

from konstruct.database import budgets, hosting, turns
from konstruct.database.budgets import Cost
from konstruct.database.pool import Database
from konstruct.identity import employee_id, shard_of, tenant_id, turn_id
from konstruct.messages import Address, Heard, Inbound

STEPS = ("before reserve", "after reserve", "before settle", "never")


@dataclass(frozen=True, slots=True)
class Planned:
    """One turn: in which conversation, what it may cost and does, and where its host dies the first time."""

    conversation: int
    worst: int
    share: int  # percent of the worst case that it really costs; more where a provider counts what it likes
    dies: str
    turns: bool = False  # the month does, right before it


class Crashed(Exception):
    """The host is gone; another one repeats the turn, or nobody ever does."""


class BudgetTown:
    """One tenant; `settled` is what the test itself saw commit."""

    def __init__(self, url: str, hosts: Sequence[Database]) -> None:
        """`hosts`: each with connections of its own."""
        self.url = url
        self.hosts = hosts
        self.tenant = tenant_id(f"t{uuid4().hex}")
        self.employee = employee_id(self.tenant, "Ada")
        self.settled = self.stopped = self.excess = self.months = self.this_month = 0
        self._tenures: dict[int, hosting.Tenure] = {}
        self._in_turn: dict[int, asyncio.Lock] = {}

    async def found(self, limits: dict[str, dict[str, int | None]]) -> None:
        """Create the tenant with these budgets and own all its shards; the month is the test's to turn."""
        with psycopg.connect(self.url) as owner:
            owner.execute("create table if not exists calendar (month date)")
            owner.execute("grant select on calendar to konstruct_app")
            owner.execute("delete from calendar")
            owner.execute("insert into calendar values (date_trunc('month', now() at time zone 'utc'))")
            body = "language sql stable as 'select month from calendar'"
            owner.execute(f"create or replace function this_month() returns date {body}".encode())
        async with self.hosts[0].tenant(self.tenant) as connection:
            await connection.run("save_tenant", name=str(self.tenant), quiet_seconds=0, escalation={}, operators={})
            await budgets.save(connection, limits)
        self._tenures = await hosting.take(self.hosts[0], 0, list(range(1024)))

    async def take(self, number: int, planned: Planned, *, abandon: bool) -> None:
        """One turn, repeated by the next host after a crash, unless it is abandoned."""
        conversation = UUID(int=self.tenant.int ^ (planned.conversation + 1))
        if planned.turns:
            await asyncio.to_thread(self._turn_month)
        async with self._in_turn.setdefault(planned.conversation, asyncio.Lock()):
            heard = await self._hear(conversation, number)
            try:
                await self._run(self.hosts[number % len(self.hosts)], heard, planned, planned.dies)
            except Crashed:
                if not abandon:
                    await self._run(self.hosts[(number + 1) % len(self.hosts)], heard, planned, "never")

    async def _hear(self, conversation: UUID, number: int) -> Heard:
        place = Address("T1", str(conversation), private=True)
        inbound = Inbound(
            self.tenant,
            "slack",
            f"{conversation}:{number}",
            conversation,
            shard_of(conversation),
            place,
            "U1",
            "?",
            "1",
        )
        [heard] = await turns.hear(self.hosts[0], [inbound])
        assert heard is not None
        return heard

    async def _run(self, host: Database, heard: Heard, planned: Planned, dies: str) -> None:
        turn, month = turn_id(self.tenant, heard.conversation, heard.id), self.months
        _die(dies, "before reserve")
        worst = Cost(planned.worst, planned.worst)
        room = await budgets.reserve(
            host, self.tenant, heard.conversation, employee=self.employee, turn=turn, choices=[worst]
        )
        _die(dies, "after reserve")
        cost = 0 if room.chosen is None else planned.worst * planned.share // 100
        await asyncio.sleep(0)
        _die(dies, "before settle")
        budget = {"held": room.held, "full": room.full, "tell": None}
        self.excess += max(cost - planned.worst, 0)
        await self._commit(host, heard, turn, cost, budget)
        self.settled += cost
        self.this_month += cost if month == self.months else 0
        self.stopped += room.chosen is None

    async def _commit(self, host: Database, heard: Heard, turn: UUID, cost: int, budget: dict[str, object]) -> None:
        usage = {
            "employee": str(self.employee), "model": "m", "calls": 1, "prompt_tokens": cost, "completion_tokens": 0,
            "cost_micros": cost,
        }  # fmt: skip
        waiting = await turns.activate(host, self.tenant, heard.conversation, heard.shard)
        outcome = turns.Outcome(
            turn, waiting.waiting, {}, [], [], [], usage, budget=budget,
        )  # fmt: skip
        epoch = self._tenures[heard.shard].epoch
        await turns.commit(host, outcome, epoch=epoch, version=waiting.version, claim_seconds=0)

    def look(self) -> dict[str, tuple[int, int, int]]:
        """Spent, reserved and both, in micro-USD by scope (of conversations the greatest); what the ledger says."""
        with psycopg.connect(self.url) as owner:
            rows = owner.execute(
                "select scope, max(spent), max(reserved_micros), max(spent + reserved_micros) from (select *,"
                " case when month = max(month) over () then spent_micros else 0 end as spent"
                " from spending where tenant_id = %s) s group by 1",
                [self.tenant],
            ).fetchall()
            [(ledger, left)] = owner.execute(
                "select (select coalesce(sum(cost_micros), 0)::bigint from usage where tenant_id = %(t)s),"
                " (select coalesce(sum(micros), 0)::bigint from reservations where tenant_id = %(t)s)",
                {"t": self.tenant},
            ).fetchall()
        return {scope: (spent, held, both) for scope, spent, held, both in rows} | {"ledger": (ledger, left, 0)}

    def _turn_month(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as owner:
            owner.execute("update calendar set month = month + interval '1 month'")
        self.months += 1
        self.this_month = 0

    def expire(self) -> None:
        """Let the time pass after which what crashed turns hold is free."""
        with psycopg.connect(self.url, autocommit=True) as owner:
            owner.execute("update reservations set expires_at = now() where tenant_id = %s", [self.tenant])


def _die(dies: str, here: str) -> None:
    if dies == here:
        raise Crashed
