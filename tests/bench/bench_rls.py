"""What row-level security costs: a turn's own statements on two equal databases, one of them without it."""

import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import psycopg

from konstruct.database import memories, outbox, turns
from konstruct.database.pool import Database
from konstruct.identity import contact_id, conversation_id, reply_id, shard_of, tenant_id, turn_id
from konstruct.messages import Address, Heard, Inbound, Reply
from tests import postgres
from tests.bench.asked import Asked
from tests.bench.figure import Figure, ratio_at_most
from tests.bench.percentile import median

TENANTS, CONVERSATIONS, MESSAGES, MEMORIES = 10, 100, 40, 40
MOST = 1.10
VECTOR = [1.0] * 384
WITHOUT = """do $$ declare t regclass; begin
  for t in select oid from pg_class where relrowsecurity and relnamespace = 'public'::regnamespace loop
    execute format('alter table %s disable row level security', t);
  end loop; end $$"""
FILL = """
  insert into tenants (id, name) select t.id, t.id::text from unnest(%(tenants)s::uuid[]) t (id);
  insert into conversations (tenant_id, id, shard, channel, address, version)
    select e.tenant, e.conversation, e.shard, 'slack', '{"team": "T", "channel": "D"}', 1
    from unnest(%(tenant)s::uuid[], %(conversation)s::uuid[], %(shard)s::int[]) e (tenant, conversation, shard);
  insert into contacts (tenant_id, id, channel, external_id) select e.tenant, e.contact, 'slack', e.contact::text
    from unnest(%(tenant)s::uuid[], %(contact)s::uuid[]) e (tenant, contact);
  insert into messages (tenant_id, conversation_id, turn_id, turn, role, contact_id, text)
    select e.tenant, e.conversation, gen_random_uuid(), 1, 'contact', e.contact, repeat('said ', 20)
    from unnest(%(tenant)s::uuid[], %(conversation)s::uuid[], %(contact)s::uuid[]) e (tenant, conversation, contact),
      generate_series(1, %(messages)s);
  insert into memories (tenant_id, turn_id, contact_id, conversation_id, shard, turn, private, text, embedding)
    select e.tenant, gen_random_uuid(), e.contact, e.conversation, e.shard, 0, true, repeat('said ', 20),
      array(select random() from generate_series(1, 384))::vector
    from unnest(%(tenant)s::uuid[], %(conversation)s::uuid[], %(contact)s::uuid[], %(shard)s::int[])
      e (tenant, conversation, contact, shard), generate_series(1, %(memories)s);"""


class Person:
    """One contact of one tenant, in their conversation."""

    def __init__(self, tenant: int, number: int) -> None:
        self.tenant = tenant_id(f"bench-{tenant}")
        self.conversation = conversation_id(self.tenant, "slack", str(number))
        self.contact = contact_id(self.tenant, "slack", str(number))
        self.shard = shard_of(self.conversation)
        self.version = 1
        self.said = 0


ADDRESS = Address("T", "D", private=True)


async def measure(asked: Asked) -> list[Figure]:
    """Ratios of medians, interleaved; the whole turn has the goal."""
    count = int(asked.scaled(300, 60))
    with postgres.server() as server, server.database() as fenced, server.database() as bare:
        fill(fenced)
        fill(bare)
        sides = {"fenced": Side(Database(fenced, 1)), "bare": Side(Database(bare, 1))}
        for side in sides.values():
            await side.database.start()
            await side.database.check_health()
        # A pool that had not found its database fit before would refuse it now.
        with psycopg.connect(bare, autocommit=True) as owner:
            owner.execute(WITHOUT.encode())
        try:
            return await _figures(sides, count, asked.rounds)
        finally:
            for side in sides.values():
                await side.database.stop()


async def _figures(sides: "dict[str, Side]", count: int, rounds: int) -> list[Figure]:
    seconds: dict[str, dict[str, list[float]]] = {name: {} for name in sides}
    for side in sides.values():
        await side.turns(20, {})
    for number in range(rounds * 4):
        order = list(sides) if number % 2 else list(reversed(sides))
        for name in order:
            await sides[name].turns(count // 4, seconds[name])
    steps = list(seconds["fenced"])
    whole = {name: [sum(parts) for parts in zip(*seconds[name].values(), strict=True)] for name in sides}
    figures = [_figure("RLS: all statements of a turn", whole["fenced"], whole["bare"], goal=True)]
    return figures + [_figure(f"RLS: {step}", seconds["fenced"][step], seconds["bare"][step]) for step in steps]


def _figure(name: str, fenced: list[float], bare: list[float], *, goal: bool = False) -> Figure:
    limit = ratio_at_most(MOST) if goal else None
    return Figure(name, median(fenced) * 1e6, "µs", "the same without row-level security", median(bare) * 1e6, limit)


class Side:
    """One of the two databases, and turns taken in it as hosts take them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._people = [Person(tenant, number) for tenant in range(TENANTS) for number in range(CONVERSATIONS)]
        self._next = 0

    async def turns(self, count: int, seconds: dict[str, list[float]]) -> None:
        """So many turns, each with the next person."""
        for _ in range(count):
            person = self._people[self._next % len(self._people)]
            self._next += 7
            await self._turn(person, seconds)

    async def _turn(self, person: Person, seconds: dict[str, list[float]]) -> None:
        person.said += 1
        [heard] = await timed(seconds, "hear", lambda: turns.hear(self.database, [_inbound(person)]))
        assert heard is not None
        await timed(
            seconds, "activate", lambda: turns.activate(self.database, person.tenant, person.conversation, person.shard)
        )
        scope = memories.Scope(person.tenant, person.conversation, [person.contact], private=True, window=[])
        other = memories.Scope(person.tenant, uuid4(), [person.contact], private=True, window=[])
        await timed(seconds, "has memories", lambda: memories.has_any(self.database, scope))
        await timed(seconds, "recall", lambda: memories.recall(self.database, other, VECTOR))
        outcome, reply = _outcome(person, heard)
        await timed(
            seconds, "commit",
            lambda: turns.commit(self.database, outcome, epoch=heard.epoch, version=person.version, claim_seconds=6),
        )  # fmt: skip
        person.version += 1
        sent = outbox.Outbox(self.database)
        await timed(seconds, "claim", lambda: sent.claim(reply, shard=person.shard, epoch=heard.epoch, seconds=6))


async def timed(seconds: dict[str, list[float]], step: str, act: Callable[[], Awaitable[Any]]) -> Any:
    """Its answer; how long it took is added to the step's."""
    begun = time.perf_counter()
    answer = await act()
    seconds.setdefault(step, []).append(time.perf_counter() - begun)
    return answer


def _inbound(person: Person) -> Inbound:
    event = f"{person.conversation}:{person.said}"
    return Inbound(
        person.tenant, "slack", event, person.conversation, person.shard, ADDRESS, str(person.contact), "Hello?", event
    )


def _outcome(person: Person, heard: Heard) -> tuple[turns.Outcome, Reply]:
    turn = turn_id(person.tenant, person.conversation, heard.id)
    id_ = reply_id(person.tenant, turn, 0)
    reply = Reply(id_, person.tenant, person.conversation, turn, 0, "An answer.", "slack", ADDRESS)
    said = [
        {"role": "contact", "contact": str(person.contact), "text": "Hello?", "source_id": heard.source_id},
        {"role": "employee", "contact": None, "text": "An answer."},
    ]
    remembered = [{"contact": str(person.contact), "private": True, "text": "They said: Hello?"}]
    return turns.Outcome(turn, [heard], {}, said, remembered, [reply], None), reply


def fill(url: str) -> None:
    """Equal tenants with a history each."""
    people = [Person(tenant, number) for tenant in range(TENANTS) for number in range(CONVERSATIONS)]
    values = {
        "tenants": list({person.tenant for person in people}),
        "tenant": [person.tenant for person in people],
        "conversation": [person.conversation for person in people],
        "contact": [person.contact for person in people],
        "shard": [person.shard for person in people],
        "messages": MESSAGES,
        "memories": MEMORIES,
    }
    with psycopg.connect(url, autocommit=True) as owner:
        for statement in FILL.split(";"):
            if statement.strip():
                owner.execute(statement.encode(), values)
        owner.execute("analyze")
