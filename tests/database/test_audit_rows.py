"""Effects write their audit row themselves, in their own transaction; nobody changes or removes one."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from cryptography.fernet import Fernet

from konstruct import tenant_file
from konstruct.database import amendments, tenants, turns
from konstruct.database.pool import Database
from konstruct.escalation import Counters, parse
from konstruct.identity import conversation_id, tenant_id, turn_id
from konstruct.messages import Address, Inbound
from konstruct.triage import Escalation, triage
from konstruct.vault import Vault
from tests.bench.bare_turns import BareTurns

ACME = tenant_id("acme")
FILE = """
tenant: acme
quiet_seconds: {quiet}
employee: {{name: {employee}, instructions: You help., model: gpt}}
models: [{{name: gpt, litellm: openai/gpt-5-mini, api_key: planted-{key}}}]
channels:
  slack: {{team_id: T0, app_id: A0, bot_user_id: U0, bot_token: xoxb-planted, signing_secret: planted-secret}}
"""
TABLES = ("audit_events", "audit_seals", "audit_checkpoints", "audit_anchors", "audit_keys")


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url, 2)
    await opened.start()
    yield opened
    await opened.stop()


def rows(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as owner:
        return list(
            owner.execute("select action, subject, details, actor, request_id from audit_events order by xid, action")
        )


def actions(url: str) -> list[str]:
    return [row[0] for row in rows(url)]


async def test_a_turn_leaves_one_row_for_its_model_call_and_one_for_its_send(
    database: Database, database_url: str
) -> None:
    turns = await BareTurns.begin(database, "acme")
    await turns.converse(2, 3)
    found = [row for row in rows(database_url) if row[0] != "tenant.created"]
    assert sorted(action for action, *_ in found) == ["model.called"] * 6 + ["reply.sent"] * 6
    with psycopg.connect(database_url) as owner:
        effects = [
            *(f"turn:{turn}" for (turn,) in owner.execute("select turn_id from usage")),
            *(f"reply:{reply}" for (reply,) in owner.execute("select id from outbox where state = 'sent'")),
        ]
    assert sorted(subject for _, subject, *_ in found) == sorted(effects)
    called = next(details for action, _, details, *_ in found if action == "model.called")
    assert called.keys() == {
        "model", "provider", "calls", "prompt_tokens", "completion_tokens", "cost_micros", "employee", "conversation",
    }  # fmt: skip


async def test_configuration_names_the_fields_that_changed_and_never_a_value(
    database: Database, database_url: str
) -> None:
    vault = Vault((Fernet.generate_key().decode(),))

    async def apply(**wanted: Any) -> None:
        text = FILE.format(**{"quiet": 0, "employee": "Ada", "key": 1} | wanted)
        await tenants.apply_tenant(database, tenant_file.parse(text, {}), vault)

    await apply()
    assert sorted(actions(database_url)) == ["channel.created", "employee.created", "model.created", "tenant.created"]
    await apply(quiet=5)
    changed = [(action, details) for action, _, details, *_ in rows(database_url) if action.endswith(".changed")]
    # Secrets are encrypted anew each time the file is applied, and so they did change.
    assert changed == [
        ("channel.changed", {"fields": ["secrets"]}),
        ("model.changed", {"fields": ["api_key"]}),
        ("tenant.changed", {"fields": ["quiet_seconds"]}),
    ]
    await apply(employee="Bea")
    assert "employee.deleted" in actions(database_url)
    stored = repr(rows(database_url))
    assert "planted" not in stored
    assert not any(word in stored for word in ("Ada", "Bea", "You help"))


async def escalate(database: Database, url: str, town: BareTurns) -> None:
    """A turn in the only conversation, in which a rule asks for a human."""
    with psycopg.connect(url) as owner:
        query = "select id, shard, channel, address, version from conversations"
        [(conversation, shard, channel, address, version)] = owner.execute(query).fetchall()
    inbound = Inbound(ACME, channel, "angry", conversation, shard, Address(**address), "U1", "I am angry!", "2.0")
    [heard] = await turns.hear(database, [inbound])
    assert heard is not None
    decision = triage([heard], Counters(), Escalation((parse('"angry"'),)), paused=False)
    assert decision.pause is not None
    outcome = turns.Outcome(
        turn=turn_id(ACME, conversation, heard.id), heard=[heard], contacts={}, said=[], memories=[], replies=[],
        usage=None, outcome=decision.outcome, pause=decision.pause.stored,
    )  # fmt: skip
    await turns.commit(database, outcome, epoch=town.tenures[shard].epoch, version=version, claim_seconds=0)


async def test_escalations_takeovers_and_their_end_are_told_apart_whatever_reason_is_given(
    database: Database, database_url: str
) -> None:
    town = await BareTurns.begin(database, "acme")
    await town.converse(1, 1)
    with psycopg.connect(database_url) as owner:
        [(conversation,)] = owner.execute("select id from conversations").fetchall()
    for reason in ("an operator speaks", "an operator speaks", "rule: refund"):
        await amendments.pause(database, ACME, conversation, reason, 600)
    await escalate(database, database_url, town)
    await amendments.pause(database, ACME, conversation, 'rule: "angry"', 600)
    await database.run("resume_conversation", tenant=ACME, conversation=conversation)
    assert [action.removeprefix("conversation.") for action in actions(database_url) if "conversation." in action] == [
        "taken_over", "taken_over", "escalated", "taken_over", "resumed",
    ]  # fmt: skip


def test_who_logs_in_and_out_is_named_by_id_only(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("insert into tenants (id, name) values (%s, 'acme')", [ACME])
        owner.execute("insert into members values (%s, %s, 'betty@acme.example', 'viewer')", [ACME, ACME])
        for token, left in (("a", "1 hour"), ("b", "-1 hour")):
            owner.execute(
                "insert into sessions values (%s, %s, %s, 'Betty', now(), now() + %s::interval)",
                [ACME, token.encode(), ACME, left],
            )
        owner.execute("delete from sessions")
    found = [row for row in rows(database_url) if "logged" in row[0]]
    assert [(action, subject) for action, subject, *_ in found] == [
        ("member.logged_in", f"member:{ACME}"), ("member.logged_in", f"member:{ACME}"),
        ("member.logged_out", f"member:{ACME}"),
    ]  # fmt: skip
    assert "etty" not in repr(rows(database_url))


async def test_what_is_rolled_back_leaves_no_row(database: Database, database_url: str) -> None:
    class Interrupted(Exception):
        pass

    async def save_and_fail() -> None:
        async with database.tenant(ACME) as connection:
            await connection.run("save_tenant", name="acme", quiet_seconds=0, escalation={}, operators={})
            raise Interrupted

    with pytest.raises(Interrupted):
        await save_and_fail()
    assert rows(database_url) == []


async def test_a_row_says_who_acted_in_which_request(database: Database, database_url: str) -> None:
    async with database.tenant(ACME, actor="token:7f", request="r-1") as connection:
        await connection.run("save_tenant", name="acme", quiet_seconds=0, escalation={}, operators={})
    assert rows(database_url) == [("tenant.created", f"tenant:{ACME}", {}, "token:7f", "r-1")]


PLANTED = (
    "insert into audit_events (tenant_id, action, subject) values (%(tenant)s, 'x', 'y')",
    "insert into audit_seals values (%(tenant)s, 1, now(), gen_random_uuid(), '')",
    "insert into audit_checkpoints values (%(tenant)s, 1, '', '')",
    "insert into audit_anchors values (1, '', '', '', 1)",
    "insert into audit_keys values (1, '', '')",
)


@pytest.mark.parametrize("role", ["konstruct_app", "konstruct_lookup", "the owner"])
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("change", ["update {} set tenant_id = tenant_id", "delete from {}", "truncate {}"])
def test_no_role_changes_removes_or_empties(database_url: str, role: str, table: str, change: str) -> None:
    with psycopg.connect(database_url) as owner:
        for statement in PLANTED:
            owner.execute(statement, {"tenant": ACME})
        if role != "the owner":
            owner.execute(f"set local role {role}".encode())
        statement = change.format(table)
        if table in {"audit_anchors", "audit_keys"}:
            statement = statement.replace("tenant_id", "content")
        with pytest.raises(psycopg.Error, match="append-only" if role == "the owner" else "permission denied"):
            owner.execute(statement.encode())


@pytest.mark.parametrize("change", ["update {} set subject = 'z'", "delete from {}", "truncate {}"])
def test_a_month_itself_is_no_way_around_it(database_url: str, change: str) -> None:
    with psycopg.connect(database_url) as owner:
        owner.execute(PLANTED[0].encode(), {"tenant": ACME})
        [(month,)] = owner.execute("select tableoid::regclass::text from audit_events").fetchall()
        assert month.startswith("audit_months.events_2")
        with pytest.raises(psycopg.errors.RestrictViolation):
            owner.execute(change.format(month).encode())


@pytest.mark.parametrize("column", ["at", "id", "xid"])
def test_the_application_says_neither_when_nor_in_which_transaction(database_url: str, column: str) -> None:
    with psycopg.connect(database_url) as owner:
        owner.execute("set local role konstruct_app")
        owner.execute("select set_config('app.current_tenant', %s, true)", [str(ACME)])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute(
                f"insert into audit_events (tenant_id, action, subject, {column}) values (%s, 'x', 'y', null)".encode(),
                [ACME],
            )


def test_months_are_made_ahead_once_and_a_missing_one_fails_nobody(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("set role konstruct_app")
        assert owner.execute("select prepare_audit_months()").fetchone() == (0,)
        owner.execute("reset role")
        [(month,)] = owner.execute(
            "select max(relname::text) from pg_class where relnamespace = 'audit_months'::regnamespace"
            " and relkind = 'r' and relname like 'events_2%'"
        ).fetchall()
        owner.execute(f"drop table audit_months.{month}".encode())
        owner.execute(
            "insert into audit_events (tenant_id, action, subject, at)"
            " values (%s, 'x', 'y', now() + interval '3 months')",
            [ACME],
        )
        # What the rest has of a month keeps that month from becoming a partition; nothing else does.
        assert owner.execute("select prepare_audit_months()").fetchone() == (0,)
        assert owner.execute("select count(*) from audit_months.events_rest").fetchone() == (1,)


async def test_a_stranger_reads_nothing(database: Database, database_url: str) -> None:
    await BareTurns.begin(database, "acme")
    assert actions(database_url) == ["tenant.created"]
    with psycopg.connect(database_url) as owner:
        owner.execute("set local role konstruct_app")
        for tenant in (tenant_id("globex"), conversation_id(ACME, "slack", "x"), None):
            owner.execute("select set_config('app.current_tenant', %s, true)", [str(tenant or "")])
            assert owner.execute("select count(*) from audit_events").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute("select * from audit_months.events_rest")
