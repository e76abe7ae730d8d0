"""Contacts whose names change: who it is, and where they are written to."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest_asyncio

from konstruct.database.people import Whereabouts
from konstruct.identity import contact_id
from tests.database.register import ACME, DAY, GLOBEX, HERE, NOW, Register, open_register


@pytest_asyncio.fixture
async def register(database_url: str) -> AsyncIterator[Register]:
    async with open_register(database_url) as opened:
        yield opened


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


async def test_who_had_the_new_number_long_before_is_somebody_else(register: Register) -> None:
    await register.who("492")
    register.said("492", "secret", UUID(int=2))
    register.rows("update contact_aliases set created_at = now() - interval '1 year'")
    await register.who("491")
    assert await register.move("491", to=("492",)) == "491"
    assert await register.who("492") == "491"
    theirs = contact_id(ACME, "whatsapp", "492")
    assert register.rows("select text from messages where contact_id = %s", theirs) == [("secret",)]


async def test_fifty_first_messages_at_once_make_one_contact(register: Register) -> None:
    names = [("491",), ("DE.1", "491"), ("DE.1", "DE.ENT.1", "491"), ("DE.ENT.1",), ("DE.1",)]
    await asyncio.gather(*(register.who(*names[n % 5]) for n in range(50)))
    assert len({await register.who(*aliases) for aliases in (("DE.1", "DE.ENT.1", "491"), *names)}) == 1
