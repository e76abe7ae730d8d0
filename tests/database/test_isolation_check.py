"""The check of isolation: it finds nothing on our schema, leaves no trace, and finds each hole that is planted."""

import shutil
from pathlib import Path

import psycopg
import pytest

from deployments.isolation import catalogue, stored, traces
from deployments.isolation.canary import Canary
from deployments.isolation.trial import Trial, holes
from konstruct.database.pool import SCHEMA
from tests.database.two_tenants import settle
from tests.postgres import Server

OTHER = "create schema reports; grant usage on schema reports to konstruct_app;"
AUDITING = """
  select t.tgname, t.tgrelid::regclass::text from pg_trigger t join pg_proc p on p.oid = t.tgfoid
  where not t.tgisinternal and t.tgparentid = 0
    and (p.prosrc ~ 'insert into audit_events' or p.proname = 'refuse_to_change_audit') order by 2, 1"""

# What is planted, and words of the sentence that must name it.
HOLES = {
    "a table without FORCE": ("alter table messages no force row level security", "Table messages .* not forced"),
    "a table without row-level security": ("alter table outbox disable row level security", "Relation outbox shows"),
    "a table that was forgotten": (
        ("create table diaries (tenant_id uuid not null, id int, said text, primary key (tenant_id, id));"
        "grant select, insert on diaries to konstruct_app"),
        "Relation diaries shows",
    ),
    "a policy without WITH CHECK": (
        ("drop policy models_by_tenant on models; create policy models_by_tenant on models"
        " using (tenant_id = (select current_tenant()))"),
        "models_by_tenant with USING and WITH CHECK",
    ),
    "a policy that checks nothing": (
        ("drop policy models_by_tenant on models; create policy models_by_tenant on models"
        " using (tenant_id = (select current_tenant())) with check (true)"),
        "can insert rows of another in models",
    ),
    "a policy for everybody": ("create policy all_see on memories for select using (true)", "Relation memories shows"),
    "a definer function that answers foreign rows": (
        ("create function last_words() returns setof text language sql stable security definer"
        " as 'select text from messages'"),
        "last_words.. shows one tenant's words",
    ),
    "a definer function that is on no list": (
        ("create function last_words() returns bigint language sql stable security definer"
        " set search_path = public, pg_temp as 'select count(*) from messages'"),
        "last_words.. reads with its owner's rights, and is not on the list",
    ),
    "a listed definer without a fixed search_path": (
        "alter function tenant_names() reset search_path",
        "tenant_names.. .* no fixed search_path",
    ),
    "a listed definer for everybody": ("grant execute on function tenant_names() to public", "everybody may call it"),
    "a unique key over all tenants": (
        "alter table contact_aliases add constraint one_alias unique (alias)",
        "Unique key one_alias on contact_aliases tells",
    ),
    "a foreign key without its tenant": (
        ("alter table contacts add constraint one_id unique (id);"
        "alter table memories add constraint anybodys foreign key (contact_id) references contacts (id)"),
        "Foreign key anybodys of memories does not carry the tenant",
    ),
    "a view with its owner's rights": (
        "create view latest as select * from messages; grant select on latest to konstruct_app",
        "View latest reads with its owner's rights",
    ),
    "a materialised view": (
        ("create materialized view counted as select tenant_id, count(*) from messages group by 1;"
        "grant select on counted to konstruct_app"),
        "Relation counted shows",
    ),
    "a function that forgets its tenant": (
        ("create function say_all(p_tenant uuid, p_text text) returns void language plpgsql security definer"
        " set search_path = public, pg_temp as 'begin update messages set text = p_text; end'"),
        "say_all.* lets one tenant change rows of another",
    ),
    "TRUNCATE for the application": ("grant truncate on messages to konstruct_app", "may TRUNCATE messages"),
    "a table for everybody": ("grant select on messages to public", "PUBLIC may SELECT messages"),
    "a sequence that can be read": ("grant select on sequence inbox_id_seq to konstruct_app", "inbox_id_seq tells"),
    "a table that the application owns": ("alter table usage owner to konstruct_app", "application owns usage"),
    "a view in another schema": (
        OTHER + "create view reports.latest as select * from messages; grant select on reports.latest to konstruct_app",
        "reports.latest lies outside the schema public",
    ),
    "a copy in another schema": (
        (OTHER + "create table reports.copies as select * from messages;"
        "grant select (text) on reports.copies to konstruct_app"),
        "reports.copies lies outside the schema public",
    ),
    "a definer function in another schema": (
        (OTHER + "create function reports.words() returns setof text language sql stable security definer"
        " as 'select text from public.messages'"),
        "reports.words.. lies outside the schema public",
    ),
    "a month of audit that can be read": (
        ("grant usage on schema audit_months to konstruct_app;"
        "grant select on audit_months.events_rest to konstruct_app"),
        "audit_months.events_rest lies outside the schema public",
    ),
    "an audit trigger that writes nothing": (
        ("create or replace function audit_send() returns trigger language plpgsql as"
        " 'begin return null; end'"),
        "Trigger audit_send on outbox is not what it was",
    ),
    "an audit trigger that is off": ("alter table usage disable trigger audit_model_call", "on usage is off"),
    "a month of audit that can be changed": (
        "alter table audit_months.events_rest disable trigger append_only",
        "append_only on audit_months.events_rest is gone or off",
    ),
}  # fmt: skip
ROLES = {
    "superuser": ("alter role konstruct_app superuser", "alter role konstruct_app nosuperuser", "is superuser"),
    "bypassrls": ("alter role konstruct_app bypassrls", "alter role konstruct_app nobypassrls", "is bypassrls"),
    "lookup": ("alter role konstruct_lookup bypassrls", "alter role konstruct_lookup nobypassrls", "_lookup is bypass"),
    "member": ("grant konstruct_lookup to konstruct_app", "revoke konstruct_lookup from konstruct_app", "may become"),
}  # fmt: skip


def look(url: str, queries: Path = SCHEMA / "queries") -> list[Trial]:
    return stored.examine(url, (Canary(), Canary()), queries)


def test_everything_is_tried_and_nothing_is_seen_on_a_system_with_tenants(database_url: str) -> None:
    settle(database_url)
    trials = look(database_url)
    assert holes(trials) == []
    tried = {(trial.area, trial.subject) for trial in trials}
    with psycopg.connect(database_url) as owner:
        tables = "select relname::text from pg_class where relrowsecurity and relnamespace = 'public'::regnamespace"
        for (table,) in owner.execute(tables).fetchall():
            assert ("table", table) in tried
    for query in (
        "recall",
        "activate",
        "find_channels",
        "web_feed",
        "recall_memories(uuid,uuid[],boolean,uuid,bigint,text,integer)",
    ):
        assert ("query", query) in tried
    assert len(trials) > 150


def test_the_check_leaves_no_trace(database_url: str) -> None:
    settle(database_url)
    canaries = (Canary(), Canary())

    def rows() -> list[tuple[str, int]]:
        with psycopg.connect(database_url, autocommit=True) as owner:
            names = [name for (name,) in owner.execute("select oid::regclass::text from pg_class where relrowsecurity")]
            return [(name, len(owner.execute(f"select * from {name}".encode()).fetchall())) for name in names]

    before = rows()
    stored.examine(database_url, canaries)
    assert rows() == before
    with psycopg.connect(database_url, autocommit=True) as owner:
        assert owner.execute("select count(*) from tenants where name like 'canary%'").fetchone() == (0,)


@pytest.mark.parametrize("hole", HOLES)
def test_a_planted_hole_is_found_and_named(database_url: str, hole: str) -> None:
    planted, sentence = HOLES[hole]
    settle(database_url)
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(planted.encode())
    found = holes(look(database_url))
    with pytest.raises(AssertionError, match=sentence):
        raise AssertionError("\n".join(found))


def test_every_trigger_that_audits_is_missed_when_it_is_gone(database_url: str) -> None:
    with psycopg.connect(database_url) as owner:
        triggers = owner.execute(AUDITING.encode()).fetchall()
        assert len(triggers) > 30
        for name, table in triggers:
            with owner.transaction(force_rollback=True):
                owner.execute(f"drop trigger {name} on {table}".encode())
                found = holes(catalogue.examine(owner))
            assert any(hole.startswith(f"Trigger {name} on {table} is gone") for hole in found), (name, table)


@pytest.mark.parametrize("power", ROLES)
def test_a_role_that_became_too_powerful_is_found_and_named(
    postgres_server: Server, database_url: str, power: str
) -> None:
    planted, mended, sentence = ROLES[power]
    postgres_server.execute(planted)
    try:
        found = holes(look(database_url))
    finally:
        postgres_server.execute(mended)
    assert any(sentence in hole for hole in found), found


def test_a_query_without_a_tenant_is_found_and_named(database_url: str, tmp_path: Path) -> None:
    queries = tmp_path / "queries"
    shutil.copytree(SCHEMA / "queries", queries)
    (queries / "planted.sql").write_text("-- name: words$\n-- Somebody's.\nselect text from messages where id = :id;\n")
    assert holes(look(database_url, queries)) == [
        "Query words reads messages and names no tenant; add tenant_id = current_tenant()."
    ]


def test_a_canary_in_a_log_is_found_and_named(tmp_path: Path) -> None:
    canary = Canary()
    (tmp_path / "worker").mkdir()
    (tmp_path / "worker" / "host.err").write_text(
        "x" * 10_000 + f'{{"event": "turn failed", "text": "{canary.said}"}}\n'
    )
    (tmp_path / "quiet.log").write_text("nothing\n")
    trials = traces.search([tmp_path], canary.traces)
    assert holes(trials) == [f"The log {tmp_path / 'worker' / 'host.err'} holds what a contact said."]
    assert "2 files" in trials[0].saw


def test_words_that_lie_across_two_pieces_of_a_log_are_found(tmp_path: Path) -> None:
    canary = Canary()
    (tmp_path / "big.log").write_bytes(b"x" * (traces.PIECE_BYTES - 9) + canary.said.encode())
    assert len(holes(traces.search([tmp_path], [canary.said]))) == 1
