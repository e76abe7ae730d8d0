"""Two tenants in one database: acme with a row in every table, globex that always tries to read them."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from konstruct import identity
from konstruct.database.pool import Database
from tests.database.named_queries import QUERIES

ACME, GLOBEX = identity.tenant_id("acme"), identity.tenant_id("globex")
CANARY = "canary-of-acme"
SAID = f"{CANARY}: my diagnosis"
CONVERSATION = identity.conversation_id(ACME, "slack", CANARY)
CONTACT = identity.contact_id(ACME, "slack", CANARY)
EMPLOYEE = identity.employee_id(ACME, CANARY)
SHARD = identity.shard_of(CONVERSATION)
TURN, REPLY = UUID(int=0xACE), UUID(int=0xACE1)
ADDRESS = {"team": CANARY, "channel": CANARY, "thread": None, "private": True}
VECTOR = "[" + ",".join(["1"] * 384) + "]"
TRACES = {CANARY, *(str(id_) for id_ in (ACME, CONVERSATION, CONTACT, EMPLOYEE, TURN, REPLY))}

# Parameter -> the value that would hit acme, where the tenant itself were acme's.
ARGUMENTS: dict[str, Any] = {
    "address": ADDRESS, "api_base": None, "api_key": b"k", "app": CANARY, "account": "U", "body": b"{}",
    "bodies": [{"text": "hers"}], "channel": "slack", "channels": ["slack"], "claim_seconds": 5.0,
    "contact": CONTACT, "contacts": [CONTACT], "conversation": CONVERSATION,
    "conversations": [CONVERSATION], "embeddings": [VECTOR], "employee": EMPLOYEE, "epoch": 1,
    "epochs": [1], "error": "x", "errors": ["x"], "events": [f"{CANARY}:1"], "external_id": "x",
    "external_ids": ["x"], "fallback_model": None, "host": 0, "hosts": 1, "id": EMPLOYEE, "ids": [],
    "inbox": [1], "instructions": "x", "keys": [], "kind": "slack", "limit": 10, "litellm": "x/y",
    "memories": [], "model": "x", "name": "globex", "names": [], "older_than": timedelta(0),
    "private": True, "query": VECTOR, "quiet_seconds": 0.0, "reason": "x", "replies": [REPLY],
    "reply": REPLY, "said": [], "secrets": b"s", "shard": SHARD, "shards": [SHARD], "team": CANARY,
    "chars": 500, "counters": {}, "deliveries": ["sent"], "escalation": {}, "form": "%s %s", "only_known": [False],
    "operators": {}, "options": {}, "outcome": "answered", "part": 0, "pause": None, "pause_seconds": 1.0,
    "source_id": CANARY, "target": CANARY, "text": "globex", "aliases": ["her-phone"], "again": [False],
    "closed": [False], "recipient": "x",
    "accounts": [], "at": datetime.now(UTC), "before": CANARY.encode(), "browser": b"b", "event": f"{CANARY}:1",
    "lease": timedelta(seconds=60), "left": timedelta(hours=2), "place": CANARY, "positive": False, "seconds": 600.0,
    "state": b"s", "said_at": datetime.now(UTC), "moved_at": datetime.now(UTC), "after": ["x"],
    "old_name": CANARY, "old_contact": CONTACT, "old_conversation": CONVERSATION, "digest": "x",
    "max_answer_tokens": 4096, "price": None,
    "final": True, "role": "employee", "transcription": False, "vision": False,
    "ats": [datetime.now(UTC)], "billable": [True], "categories": ["service"], "charges": [UUID(int=0xACE3)],
    "countries": ["DE"], "delivered": [True], "prices": [1], "valid_from": datetime.now(UTC),
    "monthly_fee_micros": 0, "unit": "micros", "included": 0, "overage_micros": 0, "overage_per": 1, "event_name": "x",
    "fee_price": "", "usage_price": "",
    "actor": CANARY, "again_as": UUID(int=7), "answer": b"a", "before_id": UUID(int=9), "before_message": None,
    "only_paused": False, "pattern": None, "created_by": "x", "days": 1, "inbox_id": 2,
    "key": CANARY, "position": "", "request": b"r", "digested": b"h",
    "turn": TURN, "turns": [TURN], "usage": {}, "version": 1, "window": 20, "window_start": 0,
}  # fmt: skip
# The same name means another thing here.
SPECIAL: dict[str, dict[str, Any]] = {
    "keep_prices": {"version": "x"},
    "commit_turn": {"contacts": [], "replies": []},
    "save_api_token": {"role": "viewer", "id": UUID(int=8), "digested": b"i"},
    "save_idempotent_answer": {"key": "another"},
    "conversations_of_tenant": {"at": None},
    "dead_letters_of_tenant": {"at": None},
    "has_memories": {"conversation": UUID(int=5)},
    "recall": {"conversation": UUID(int=5)},
    "memory_text": {},
    "resolve_contact": {"channel": "whatsapp"},
    "move_contact": {"channel": "whatsapp", "before": ["her-phone"]},
    "conversations_begun": {"ids": [CONVERSATION]},
    "merge_contact": {"channel": "whatsapp"},
    "say_on_web": {"id": UUID(int=6)},  # else globex finds its own row under acme's id
    "web_feed": {"after": 0},
    "save_channel": {"employee": identity.employee_id(GLOBEX, "Gus")},
    "save_installation": {"employee": identity.employee_id(GLOBEX, "Gus")},
}
# Look-ups across tenants, for routing and counting: what they answer may name acme, never what was said.
ACROSS_TENANTS = {
    "find_channels",
    "waiting_conversations",
    "waiting_memories",
    "dead_letters",
    "tenant_names",
    "amended_in_vain",
    "socket_channels",
}


@dataclass
class Town:
    """A database with both tenants in it."""

    url: str
    database: Database

    def rows_of_acme(self) -> dict[str, list[Any]]:
        with psycopg.connect(self.url) as owner:
            tables = [
                row[0]
                for row in owner.execute(
                    "select table_name::text from information_schema.columns"
                    " where table_schema = 'public' and column_name = 'tenant_id' order by 1"
                )
            ]
            return {
                table: owner.execute(f"select * from {table} where tenant_id = %s order by 1, 2", [ACME]).fetchall()
                for table in tables
            } | {"tenants": owner.execute("select * from tenants where id = %s", [ACME]).fetchall()}

    async def ask(self, query: str, tenant: UUID) -> Any:
        text = next(text for name, text, _ in QUERIES if name == query)
        wanted = {name for name in ARGUMENTS if f":{name}" in parameters(text)}
        arguments = {name: (ARGUMENTS | SPECIAL.get(query, {}))[name] for name in wanted}
        if ":tenants" in parameters(text):
            arguments["tenants"] = [tenant]
        if ":tenant" in parameters(text):
            arguments["tenant"] = tenant
        if "Needs a tenant connection" in text:
            async with self.database.tenant(tenant) as connection:
                return await connection.run(query, **arguments)
        return await self.database.run(query, **arguments)


def parameters(text: str) -> set[str]:
    return set(re.findall(r"(?<!:):[a-z_]+", text))


def settle(url: str) -> None:
    """Fill the database at `url`."""
    with psycopg.connect(url) as owner:
        for tenant, name, employee in ((ACME, "acme", CANARY), (GLOBEX, "globex", "Gus")):
            owner.execute("insert into tenants (id, name) values (%s, %s)", [tenant, name])
            owner.execute(
                "insert into employees values (%s, %s, %s, %s, 'local/x')",
                [tenant, identity.employee_id(tenant, employee), employee, employee],
            )
        for statement, values in ROWS:
            owner.execute(statement.encode(), values)


ROWS: list[tuple[str, list[Any]]] = [
    ("insert into models values (%s, %s, %s, null, %s)", [ACME, CANARY, CANARY, CANARY.encode()]),
    (
        "insert into channels values (%s, 'slack', %s, %s, %s, %s, %s)",
        [ACME, CANARY, CANARY, EMPLOYEE, CANARY, CANARY.encode()],
    ),
    (
        (
            "insert into conversations (tenant_id, id, shard, channel, address, version)"
            " values (%s, %s, %s, 'slack', %s, 1)"
        ),
        [ACME, CONVERSATION, SHARD, f'{{"team": "{CANARY}", "channel": "{CANARY}"}}'],
    ),
    (
        "insert into contacts (tenant_id, id, channel, external_id) values (%s, %s, 'slack', %s)",
        [ACME, CONTACT, CANARY],
    ),
    (
        (
            "insert into messages (tenant_id, conversation_id, turn_id, turn, role, contact_id, text)"
            " values (%s, %s, %s, 1, 'contact', %s, %s)"
        ),
        [ACME, CONVERSATION, TURN, CONTACT, SAID],
    ),
    (
        (
            "insert into memories (tenant_id, turn_id, contact_id, conversation_id, shard, turn, private,"
            " text, embedding)"
            " values (%s, %s, %s, %s, %s, 1, true, %s, %s)"
        ),
        [ACME, TURN, CONTACT, CONVERSATION, SHARD, SAID, VECTOR.replace("1", "2")],
    ),
    (
        (
            "insert into memories (tenant_id, turn_id, contact_id, conversation_id, shard, turn, private,"
            " text)"
            " values (%s, %s, %s, %s, %s, 1, true, %s)"
        ),
        [ACME, UUID(int=0xACE2), CONTACT, CONVERSATION, SHARD, SAID],
    ),
    (
        (
            "insert into inbox (tenant_id, channel, event, conversation_id, shard, epoch, body)"
            " values (%s, 'slack', %s, %s, %s, 1, %s)"
        ),
        [ACME, f"{CANARY}:1", CONVERSATION, SHARD, f'{{"text": "{SAID}"}}'],
    ),
    (
        (
            "insert into inbox (tenant_id, channel, event, conversation_id, shard, epoch, body, state, error)"
            " values (%s, 'slack', %s, %s, %s, 1, %s, 'dead', 'ZeroDivisionError')"
        ),
        [ACME, f"{CANARY}:2", CONVERSATION, SHARD, f'{{"text": "{SAID}"}}'],
    ),
    (
        (
            "insert into outbox (tenant_id, id, conversation_id, shard, turn_id, part, text, state,"
            " claim_epoch, claimed_until, channel, address)"
            " values (%s, %s, %s, %s, %s, 0, %s, 'pending', 1, now(), 'slack', %s)"
        ),
        [ACME, REPLY, CONVERSATION, SHARD, TURN, SAID, f'{{"team": "{CANARY}"}}'],
    ),
    (
        "insert into contact_aliases (tenant_id, channel, alias, contact) values (%s, 'whatsapp', %s, %s)",
        [ACME, "her-phone", CANARY],
    ),
    (
        (
            "insert into amended_early (tenant_id, conversation_id, source_id, text, at)"
            " values (%s, %s, 'long-ago', %s, now() - interval '9 days')"
        ),
        [ACME, CONVERSATION, SAID],
    ),
    ("insert into usage values (%s, %s, %s, %s, %s, 1, 1, 1)", [ACME, TURN, CONVERSATION, EMPLOYEE, CANARY]),
    (
        (
            "insert into message_charges (tenant_id, id, category, country, delivered, billable, created_at)"
            " values (%s, %s, '', '', false, true, now())"
        ),
        [ACME, UUID(int=0xACE3)],
    ),
    (
        "insert into feedback values (%s, %s, %s, %s, true)",
        [ACME, TURN, CONTACT, CONVERSATION],
    ),
    (
        (
            "insert into install_states (tenant_id, state, browser, expires_at)"
            " values (%s, 's', 'b', now() + interval '1 day')"
        ),
        [ACME],
    ),
    (
        "update channels set expires_at = now(), installed_at = now() - interval '1 day' where tenant_id = %s",
        [ACME],
    ),
    (
        (
            "insert into web_messages (tenant_id, conversation_id, id, place, seq, role, text, final)"
            " values (%s, %s, %s, 1, 1, 'employee', %s, false)"
        ),
        [ACME, CONVERSATION, EMPLOYEE, SAID],
    ),
    (
        "insert into api_tokens values (%s, %s, 'h', %s, 'owner', 'x', now(), now() + interval '1 day')",
        [ACME, EMPLOYEE, CANARY],
    ),
    ("insert into idempotency_keys values (%s, %s, %s, 'r', %s)", [ACME, CANARY, CANARY, SAID]),
    ("update shards set epoch = 1 where %s", [True]),
]
