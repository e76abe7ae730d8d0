"""Contacts whose names change: who it is, and histories that turn out to be one."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio

from konstruct.database import amendments, people
from konstruct.database.people import Whereabouts
from konstruct.database.pool import Database
from konstruct.escalation import Counters
from konstruct.identity import contact_id, shard_of, tenant_id

ACME, GLOBEX = tenant_id("acme"), tenant_id("globex")
HERE = Whereabouts(ACME, "whatsapp", "1065")
NOW = time.time()
DAY = 86_400.0


class Register:
    """Names and contacts of acme, and the rows behind them."""

    def __init__(self, url: str, database: Database) -> None:
        self._url = url
        self.database = database

    async def who(self, *aliases: str, at: float = NOW, where: Whereabouts = HERE) -> str:
        return (await people.resolve(self.database, where, aliases, at, aliases[-1])).contact

    async def written_to(self, *aliases: str, at: float = NOW) -> str:
        return (await people.resolve(self.database, HERE, aliases, at, aliases[-1])).recipient

    async def move(self, *before: str, to: tuple[str, ...], at: float = NOW) -> str:
        return await people.move(self.database, HERE, before, to, recipient=to[-1], at=at)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._url) as owner:
            cursor = owner.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def said(self, contact: str, text: str, turn: UUID, *, waiting: bool = False, where: Whereabouts = HERE) -> None:
        """A contact said something in the past; `waiting`: it is still to be answered."""
        conversation, who = where.conversation(contact), contact_id(ACME, "whatsapp", contact)
        shard = shard_of(conversation)
        if waiting:
            body = {"contact": contact, "text": text, "address": {"team": where.team, "channel": contact}}
            self.rows("insert into inbox (tenant_id, channel, event, conversation_id, shard, epoch, body)"
                      " values (%s, 'whatsapp', %s, %s, %s, 0, %s)",
                      ACME, text, conversation, shard, json.dumps(body))  # fmt: skip
            return
        self.rows(
            "insert into conversations (tenant_id, id, shard, channel, address, version)"
            " values (%s, %s, %s, 'whatsapp', '{}', 1) on conflict do nothing",
            ACME,
            conversation,
            shard,
        )
        self.rows("insert into contacts values (%s, %s, 'whatsapp', %s) on conflict do nothing", ACME, who, contact)
        self.rows(
            "insert into messages (tenant_id, conversation_id, turn_id, turn, role, contact_id, text)"
            " values (%s, %s, %s, 1, 'contact', %s, %s)",
            ACME,
            conversation,
            turn,
            who,
            text,
        )
        self.rows("insert into memories (tenant_id, turn_id, contact_id, conversation_id, shard, turn, private, text)"
                  " values (%s, %s, %s, %s, %s, 1, true, %s)", ACME, turn, who, conversation, shard, text)  # fmt: skip


@pytest_asyncio.fixture
async def register(database_url: str) -> AsyncIterator[Register]:
    with psycopg.connect(database_url) as owner:
        for tenant, name in ((ACME, "acme"), (GLOBEX, "globex")):
            owner.execute("insert into tenants (id, name) values (%s, %s)", (tenant, name))
    database = Database(database_url, 4)
    await database.start()
    yield Register(database_url, database)
    await database.stop()


async def test_a_stranger_becomes_a_contact_under_the_most_lasting_name(register: Register) -> None:
    assert await register.who("DE.1", "DE.ENT.1", "491") == "DE.1"
    for alias in ("DE.1", "DE.ENT.1", "491"):
        assert await register.who(alias) == "DE.1"


async def test_a_contact_known_by_phone_stays_the_same_when_a_user_id_comes_along(register: Register) -> None:
    assert await register.who("491") == "491"
    assert await register.who("DE.1", "491") == "491"
    assert await register.who("DE.1") == "491"


async def test_a_number_that_comes_with_another_user_id_is_another_person(register: Register) -> None:
    assert await register.who("DE.1", "491") == "DE.1"
    assert await register.who("DE.2", "491") == "DE.2"
    assert await register.who("491") == "DE.2"
    assert await register.who("DE.1") == "DE.1"


async def test_linked_businesses_know_one_person_by_the_parent_id(register: Register) -> None:
    assert await register.who("DE.1", "DE.ENT.1") == "DE.1"
    assert await register.who("DE.2", "DE.ENT.1") == "DE.1"


async def test_tenants_and_channels_know_their_own_contacts_only(register: Register) -> None:
    await register.who("491")
    await register.who("DE.1", "491")
    assert await register.who("DE.1", "491", where=Whereabouts(GLOBEX, "whatsapp", "1065")) == "DE.1"
    assert await register.who("DE.1", "491", where=Whereabouts(ACME, "elsewhere", "1065")) == "DE.1"


async def test_after_a_change_of_number_the_new_one_is_the_same_contact(register: Register) -> None:
    assert await register.who("DE.1", "491") == "DE.1"
    assert await register.move("DE.1", "491", to=("DE.2", "492")) == "DE.1"
    assert await register.who("DE.2", "492") == "DE.1"
    assert await register.move("DE.1", "491", to=("DE.2", "492")) == "DE.1"


async def test_what_is_still_to_be_sent_goes_to_the_new_number(register: Register) -> None:
    await register.who("491")
    register.said("491", "hello", UUID(int=1))
    for n, (state, channel) in enumerate((("pending", "491"), ("sent", "491"), ("pending", "499"))):
        register.rows(
            "insert into outbox (tenant_id, id, conversation_id, shard, turn_id, part, text, state, claim_epoch,"
            " claimed_until, channel, address)"
            " values (%s, %s, %s, 0, %s, %s, 'x', %s, 0, now(), 'whatsapp', jsonb_build_object('channel', %s::text))",
            ACME, UUID(int=n), HERE.conversation("491"), UUID(int=1), n, state, channel,
        )  # fmt: skip
    await register.move("491", to=("492",))
    assert register.rows("select address ->> 'channel' from outbox order by part") == [("492",), ("491",), ("499",)]
    assert register.rows("select version from conversations") == [(2,)]


async def test_what_is_still_to_be_answered_is_answered_at_the_new_number(register: Register) -> None:
    await register.who("DE.1", "491")
    register.said("491", "waits", UUID(int=1), waiting=True)
    await register.move("DE.1", to=("DE.2",))
    assert register.rows("select body -> 'address' ->> 'channel' from inbox") == [("DE.2",)]
    # A first turn that is under way meets this version, and begins anew.
    assert register.rows("select id, version from conversations") == [(HERE.conversation("491"), 1)]


async def test_who_wrote_before_their_number_changed_is_answered_at_the_new_one(register: Register) -> None:
    await register.who("DE.1", "491", at=NOW - DAY)
    await register.move("DE.1", "491", to=("DE.2", "492"), at=NOW - 60)
    assert await register.written_to("DE.1", "491", at=NOW - 120) == "492"
    assert await register.written_to("DE.2", "492") == "492"
    assert await register.written_to("DE.9", "491") == "491"


async def test_of_two_changes_in_the_wrong_order_the_newer_number_counts(register: Register) -> None:
    await register.who("491", at=NOW - DAY)
    register.said("491", "waits", UUID(int=1), waiting=True)
    await register.move("492", to=("493",), at=NOW - 60)
    await register.move("491", to=("492",), at=NOW - 120)
    assert register.rows("select body -> 'address' ->> 'channel' from inbox") == [("493",)]


async def test_a_message_from_before_the_change_is_still_theirs_and_one_from_after_is_not(register: Register) -> None:
    await register.who("491", at=NOW - DAY)
    await register.move("491", to=("492",), at=NOW - 60)
    assert await register.who("491", at=NOW - 120) == "491"
    assert await register.who("491", at=NOW) == "491+"
    assert await register.who("492") == "491"


async def test_changes_that_arrive_in_the_wrong_order_lead_to_the_same_contact(register: Register) -> None:
    await register.who("491", at=NOW - DAY)
    await register.move("492", to=("493",), at=NOW - 60)
    await register.move("491", to=("492",), at=NOW - 120)
    assert await register.who("493") == "491"


async def test_who_wrote_from_the_new_number_before_the_change_was_told_is_joined(register: Register) -> None:
    await register.who("491")
    register.said("491", "old", UUID(int=1))
    await register.who("492")
    register.said("492", "new", UUID(int=2))
    register.said("492", "waits", UUID(int=3), waiting=True)
    assert await register.move("491", to=("492",), at=time.time() - 5) == "491"
    assert await register.who("492") == "491"
    home, who = HERE.conversation("491"), contact_id(ACME, "whatsapp", "491")
    assert register.rows("select text from messages where conversation_id = %s and contact_id = %s order by id",
                         home, who) == [("old",), ("new",)]  # fmt: skip
    assert register.rows("select count(*) from memories where contact_id = %s", who) == [(2,)]
    assert register.rows("select conversation_id, shard, body ->> 'contact' from inbox") == [
        (home, shard_of(home), "491")
    ]
    assert register.rows("select min(version) from conversations") == [(2,)]


async def test_who_had_the_new_number_long_before_is_somebody_else(register: Register) -> None:
    await register.who("492")
    register.said("492", "secret", UUID(int=2))
    register.rows("update contact_aliases set created_at = now() - interval '1 year'")
    await register.who("491")
    assert await register.move("491", to=("492",)) == "491"
    assert await register.who("492") == "491"
    theirs = contact_id(ACME, "whatsapp", "492")
    assert register.rows("select text from messages where contact_id = %s", theirs) == [("secret",)]


async def test_two_contacts_that_turn_out_to_be_one_become_one(register: Register) -> None:
    await register.who("491")
    register.said("491", "by phone", UUID(int=1))
    await register.who("DE.1")
    register.said("DE.1", "by name", UUID(int=2))
    assert await register.who("DE.1", "491") == "491"
    assert await register.who("DE.1") == "491"
    assert register.rows("select distinct conversation_id from messages") == [(HERE.conversation("491"),)]


PAUSED = "select paused_until > now(), paused_by, paused_reason from conversations where id = %s"


@pytest.mark.parametrize("takes_over", ["491", "DE.1"])
async def test_where_an_operator_speaks_with_one_of_them_the_employee_is_silent_in_both(
    register: Register, takes_over: str
) -> None:
    for number, name in enumerate(("491", "DE.1")):
        await register.who(name)
        register.said(name, f"by {name}", UUID(int=number))
        register.rows("update conversations set paused_until = now() - interval '1 hour', paused_by = 'rule'")
    await amendments.pause(register.database, ACME, HERE.conversation(takes_over), "Ben speaks", 3600.0)
    assert await register.who("DE.1", "491") == "491"
    assert register.rows(PAUSED, HERE.conversation("491")) == [(True, "operator", "Ben speaks")]
    taken_over = "select subject from audit_events where action = 'conversation.taken_over'"
    assert (f"conversation:{HERE.conversation('491')}",) in register.rows(taken_over)


async def test_nobody_is_silenced_by_a_pause_that_is_over(register: Register) -> None:
    for number, name in enumerate(("491", "DE.1")):
        await register.who(name)
        register.said(name, f"by {name}", UUID(int=number))
    register.rows("update conversations set paused_until = now() - interval '1 hour' where id = %s",
                  HERE.conversation("DE.1"))  # fmt: skip
    await register.who("DE.1", "491")
    assert register.rows(PAUSED, HERE.conversation("491")) == [(None, None, None)]


async def test_rules_go_on_counting_what_either_of_them_said(register: Register) -> None:
    for number, name in enumerate(("491", "DE.1")):
        await register.who(name)
        register.said(name, f"by {name}", UUID(int=number))
        counters = Counters(messages=2 + number, attempts=1, counts={"both": 1, name: 4})
        register.rows("update conversations set counters = %s where id = %s",
                      json.dumps(counters.stored), HERE.conversation(name))  # fmt: skip
    await register.who("DE.1", "491")
    [(counters,)] = register.rows("select counters from conversations where id = %s", HERE.conversation("491"))
    assert Counters.read(counters) == Counters(5, 2, {"both": 2, "491": 4, "DE.1": 4})


async def test_what_was_set_aside_or_taken_back_early_goes_along(register: Register) -> None:
    await register.who("491")
    await register.who("DE.1")
    register.said("DE.1", "crashed", UUID(int=1), waiting=True)
    register.rows("update inbox set state = 'dead'")
    register.rows("insert into amended_early (tenant_id, conversation_id, source_id) values (%s, %s, 'wamid.late')",
                  ACME, HERE.conversation("DE.1"))  # fmt: skip
    await register.who("DE.1", "491")
    home = HERE.conversation("491")
    assert register.rows("select conversation_id, shard, body ->> 'contact', state from inbox") == [
        (home, shard_of(home), "491", "dead")
    ]
    assert register.rows("select conversation_id, source_id, text from amended_early") == [(home, "wamid.late", None)]


async def test_becoming_one_moves_the_conversations_of_all_the_tenants_numbers(register: Register) -> None:
    there, unused = Whereabouts(ACME, "whatsapp", "1066"), Whereabouts(ACME, "whatsapp", "1067")
    register.rows("insert into employees values (%s, %s, 'Ada', 'x', 'local/x')", ACME, UUID(int=9))
    for team in (HERE.team, there.team, unused.team):
        register.rows("insert into channels values (%s, 'whatsapp', '', %s, %s, '', '')", ACME, team, UUID(int=9))
    await register.who("491")
    await register.who("DE.1", where=there)
    register.said("DE.1", "hello there", UUID(int=2), where=there)
    register.said("DE.1", "waits there", UUID(int=3), where=there, waiting=True)
    assert await register.who("DE.1", "491") == "491"
    home = there.conversation("491")
    assert register.rows("select text, conversation_id from messages") == [("hello there", home)]
    assert register.rows("select conversation_id, body ->> 'contact' from inbox") == [(home, "491")]
    assert register.rows("select count(*) from conversations where id = %s", unused.conversation("491")) == [(0,)]


async def test_fifty_first_messages_at_once_make_one_contact(register: Register) -> None:
    names = [("491",), ("DE.1", "491"), ("DE.1", "DE.ENT.1", "491"), ("DE.ENT.1",), ("DE.1",)]
    await asyncio.gather(*(register.who(*names[n % 5]) for n in range(50)))
    assert len({await register.who(*aliases) for aliases in (("DE.1", "DE.ENT.1", "491"), *names)}) == 1
