"""Two tenants in one database: acme with a row in every table, globex that always tries to read them."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from konstruct import identity
from konstruct.database.pool import Database
from tests.database.named_queries import QUERIES
from tests.database.rows_of_acme import (
    ACME,
    ADDRESS,
    CANARY,
    CONTACT,
    CONVERSATION,
    EMPLOYEE,
    GLOBEX,
    MEMBER,
    REPLY,
    ROWS,
    SAID,
    SHARD,
    TURN,
    VECTOR,
)

# Parameter -> the value that would hit acme, where the tenant itself were acme's.
ARGUMENTS: dict[str, Any] = {
    "address": ADDRESS, "api_base": None, "api_key": b"k", "app": CANARY, "account": "U", "body": b"{}",
    "bodies": [{"text": "hers"}], "channel": "slack", "channels": ["slack"], "claim_seconds": 5.0,
    "contact": CONTACT, "contacts": [CONTACT], "conversation": CONVERSATION,
    "conversations": [CONVERSATION], "embeddings": [VECTOR], "employee": EMPLOYEE, "epoch": 1,
    "anews": [0], "event_names": ["x"], "findings": 0,
    "epochs": [1], "error": "x", "errors": ["x"], "events": [f"{CANARY}:1"], "external_id": "x",
    "external_ids": ["x"], "fallback_model": None, "host": 0, "hosts": 1, "id": EMPLOYEE, "ids": [],
    "inbox": [1], "instructions": "x", "keys": [], "kind": "slack", "limit": 10, "limits": {}, "litellm": "x/y",
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
    "budget": None, "budgets": {}, "choices": [], "hold": timedelta(minutes=5),
    "max_answer_tokens": 4096, "price": None,
    "final": True, "role": "employee", "transcription": False, "vision": False,
    "ats": [datetime.now(UTC)], "billable": [True], "categories": ["service"], "charges": [UUID(int=0xACE3)],
    "countries": ["DE"], "delivered": [True], "prices": [1], "valid_from": datetime.now(UTC),
    "monthly_fee_micros": 0, "unit": "micros", "included": 0, "overage_micros": 0, "overage_per": 1, "event_name": "x",
    "fee_price": "", "usage_price": "",
    "since": datetime(2020, 1, 1, tzinfo=UTC), "now": datetime.now(UTC), "nightly": datetime.now(UTC),
    "known": timedelta(hours=23), "attempts": [1], "states": ["sent"], "due": datetime.now(UTC), "ledger": 1,
    "begin": datetime(2020, 1, 1, tzinfo=UTC), "until": datetime(2030, 1, 1, tzinfo=UTC), "month": date(2026, 11, 1),
    "stripe": 1, "unsent": 0, "refused": 0, "difference": 0, "difference_micros": 0, "count": 1, "summary": "x",
    "actor": CANARY, "again_as": UUID(int=7), "answer": b"a", "before_id": UUID(int=9), "before_message": None,
    "by": ["employee"],
    "first_day": date(2026, 1, 1), "last_day": date(9998, 1, 1), "offset": 0,
    "only_paused": False, "pattern": None, "created_by": "x", "days": 1, "inbox_id": 2,
    "key": CANARY, "position": "", "request": b"r", "digested": b"h",
    "asked": None, "cancels_at": None, "customer": f"cus_{CANARY}", "ended_at": None, "observed_at": datetime.now(UTC),
    "overdue_at": None, "period_end_at": None, "period_start_at": None, "plan": "team", "rank": 0, "snapshot": None,
    "started_at": datetime.now(UTC), "status": "active", "subscription": f"sub_{CANARY}",
    "suspends_at": datetime(2020, 1, 1, tzinfo=UTC), "trial_ends_at": None, "former_plans": [], "left_at": [],
    "type": "x", "unix_at": 1,
    "after_email": None, "email": CANARY, "lasts": timedelta(hours=1), "member": MEMBER, "token": b"t",
    "contact_name": CANARY, "tried": 1, "holes": [], "table_name": "messages",
    "floor": 0, "ceiling": 2**63 - 1, "earliest": datetime(2020, 1, 1, tzinfo=UTC), "action": "x.y",
    "latest": datetime(2100, 1, 1, tzinfo=UTC), "number": 1, "checkpoint": "{}", "signature": b"s", "first": 1,
    "there": timedelta(0), "times": [], "hashes": [], "anchor_place": 7, "mark": b"m", "marks": [b"m"], "anchor": "{}",
    "anchor_signature": b"s", "through": 2**63 - 1, "subject": "x:1", "details": {}, "content": "{}",
    "before_at": datetime(2100, 1, 1, tzinfo=UTC),
    "gone": datetime(2020, 1, 1, tzinfo=UTC), "settled": datetime(2100, 1, 1, tzinfo=UTC),
    "turn": TURN, "turns": [TURN], "usage": {}, "version": 1, "window": 20, "window_start": 0,
}  # fmt: skip
# The same name means another thing here.
SPECIAL: dict[str, dict[str, Any]] = {
    "keep_prices": {"version": "x"},
    "bill_rows": {"after": UUID(int=0)},
    "mark_meter_events": {"ids": [UUID(int=0xACE4)]},
    "settle_meter_events": {"ids": [UUID(int=0xACE4)]},
    "doubt_meter_events": {"ids": [UUID(int=0xACE4)]},
    "keep_meter_report": {"body": {}, "event": "evt_x"},
    "save_reconciliation": {"customer": "cus_globex"},
    # Else globex finds its own row under acme's ids.
    "keep_stripe_customer": {"customer": "cus_globex"},
    "replace_stripe_customer": {"customer": "cus_globex"},
    "save_subscription": {"customer": "cus_globex", "subscription": "sub_globex"},
    "commit_turn": {"contacts": [], "replies": []},
    "save_api_token": {"role": "viewer", "id": UUID(int=8), "digested": b"i"},
    "save_idempotent_answer": {"key": "another"},
    "conversations_of_tenant": {"at": None},
    "dead_letters_of_tenant": {"at": None},
    "has_memories": {"conversation": UUID(int=5)},
    "recall": {"conversation": UUID(int=5)},
    "memory_text": {},
    "save_member": {"role": "viewer", "email": "new@example.com", "id": UUID(int=10)},
    "begin_session": {"token": b"new"},
    "rotate_answer": {"before": SAID.encode()},
    "resolve_contact": {"channel": "whatsapp"},
    "move_contact": {"channel": "whatsapp", "before": ["her-phone"]},
    "conversations_begun": {"ids": [CONVERSATION]},
    "merge_contact": {"channel": "whatsapp"},
    "say_on_web": {"id": UUID(int=6)},  # else globex finds its own row under acme's id
    "web_feed": {"after": 0},
    "audit_span": {"after": 0},
    "audit_listed": {"action": None},
    "audit_anchors": {"after": 0},
    "audit_sealed": {"after": 0},
    "audit_checkpoints": {"after": 0},
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
    "audit_waiting",
    "audit_waits",
    "audited_tenants",
    "amended_in_vain",
    "answered_long_ago",
    "socket_channels",
    "find_stripe_customer",
    "tenants_to_bill",
    "subscribers",
    "suspended_untold",
    "memberships",
    "find_session",
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
            found(owner, tenant, name, employee)
        for statement, values in ROWS:
            owner.execute(statement.encode(), values)


def found(owner: psycopg.Connection[Any], tenant: UUID, name: str, employee: str) -> None:
    """A tenant and its employee, unless there are."""
    owner.execute("insert into tenants (id, name) values (%s, %s) on conflict do nothing", [tenant, name])
    owner.execute(
        "insert into employees values (%s, %s, %s, %s, 'local/x') on conflict do nothing",
        [tenant, identity.employee_id(tenant, employee), employee, employee],
    )
