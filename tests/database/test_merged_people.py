"""Two histories that turn out to be one person's: nothing of either is lost."""

import json
import time
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio

from konstruct.database import amendments
from konstruct.database.people import Whereabouts
from konstruct.escalation import Counters
from konstruct.identity import contact_id, shard_of
from tests.database.register import ACME, HERE, Register, open_register


@pytest_asyncio.fixture
async def register(database_url: str) -> AsyncIterator[Register]:
    async with open_register(database_url) as opened:
        yield opened


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


async def test_two_contacts_that_turn_out_to_be_one_become_one(register: Register) -> None:
    await register.who("491")
    register.said("491", "by phone", UUID(int=1))
    await register.who("DE.1")
    register.said("DE.1", "by name", UUID(int=2))
    assert await register.who("DE.1", "491") == "491"
    assert await register.who("DE.1") == "491"
    assert register.rows("select distinct conversation_id from messages") == [(HERE.conversation("491"),)]


SINCE = "select paused_at from conversations where id = %s"
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
    since = register.rows(SINCE, HERE.conversation(takes_over))
    assert await register.who("DE.1", "491") == "491"
    assert register.rows(SINCE, HERE.conversation("491")) == since
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
