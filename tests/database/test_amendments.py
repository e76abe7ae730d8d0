"""What changes a conversation beside its messages, of every kind that some channel knows; no door is involved."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from konstruct.database import amendments, dead_letters, turns
from konstruct.identity import conversation_id, shard_of, tenant_id
from konstruct.messages import Address, Inbound, Kind
from tests.postgres import Server
from tests.rig import APP, Rig, rig

ACME = tenant_id("acme")
ADDRESS = Address(APP.team, "D0ALICE", private=True)
CONVERSATION = conversation_id(ACME, "slack", f"{APP.team}:D0ALICE:")


@pytest.fixture
async def town(postgres_server: Server, tmp_path: Path) -> AsyncIterator[Rig]:
    with postgres_server.database() as url:
        async with rig(url, tmp_path) as under_test:
            yield under_test


async def hear(town: Rig, text: str, source: str, kind: Kind = "message", target: str = "", **more: Any) -> None:
    inbound = Inbound(
        ACME, "slack", f"{source}:{kind}", CONVERSATION, shard_of(CONVERSATION), ADDRESS, "U0ALICE", text, source,
        kind=kind, target=target, **more,
    )  # fmt: skip
    town.wake([heard for heard in await turns.hear(town.database, [inbound]) if heard])


async def window(town: Rig) -> list[tuple[str, str]]:
    state = await turns.activate(town.database, ACME, CONVERSATION, shard_of(CONVERSATION))
    return [(spoken.role, spoken.text) for spoken in state.window]


async def until(condition: Any, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def test_an_edit_of_an_answered_message_rewrites_window_and_memory(town: Rig) -> None:
    await hear(town, "my code is sesame", "1.0")
    await town.replies(1)
    await hear(town, "my code is secret", "1.1", "edit", "1.0")

    async def rewritten() -> bool:
        return ("contact", "my code is secret") in await window(town)

    await until(rewritten)
    assert await texts_anywhere(town, "sesame") == {"messages": 1, "memories": 1}  # the employee's own words stay


async def test_what_an_edit_said_is_forgotten_with_the_message(town: Rig) -> None:
    town.model.reply = lambda _: "Noted."
    await hear(town, "my code is secret", "1.0")
    await town.replies(1)
    await hear(town, "my code is sesame", "1.1", "edit", "1.0")
    await hear(town, "", "1.2", "delete", "1.0")

    async def forgotten() -> bool:
        return await window(town) == [("employee", "Noted.")]

    await until(forgotten)
    assert await texts_anywhere(town, "sesame") == {}


async def test_a_dead_letter_that_is_deleted_keeps_its_error_only(town: Rig) -> None:
    town.model.fault("delay", seconds=2.0)
    await hear(town, "my code is sesame", "1.0")
    await execute(town, "update inbox set state = 'dead', error = 'ZeroDivisionError'")
    await hear(town, "", "1.1", "delete", "1.0")

    async def forgotten() -> bool:
        return await texts_anywhere(town, "sesame") == {}

    await until(forgotten)
    assert await texts_anywhere(town, "ZeroDivisionError") == {"inbox": 1}
    # Nothing is left of it that could be tried again.
    async with town.database.tenant(ACME) as connection:
        [letter] = await dead_letters.dead_letters(connection, 9, None)
        assert not await dead_letters.retry(connection, "message", letter.id)


async def test_a_deletion_is_applied_although_an_answer_was_begun_whose_question_is_gone(town: Rig) -> None:
    await hear(town, "my code is sesame", "1.0")
    await town.replies(1)
    await town.crash_host(town.hosts[0])
    await execute(
        town,
        "insert into outbox (tenant_id, id, conversation_id, shard, turn_id, part, text, state, claim_epoch,"
        " claimed_until, channel, address) select tenant_id, gen_random_uuid(), conversation_id, shard,"
        " gen_random_uuid(), 0, '', 'streaming', claim_epoch, claimed_until, channel, address from outbox",
    )
    await hear(town, "", "1.1", "delete", "1.0")
    await town.start_host()

    async def forgotten() -> bool:
        return await window(town) == [("employee", "You said: my code is sesame")]

    await until(forgotten)


async def test_reactions_and_asides_are_remembered_and_not_answered(town: Rig) -> None:
    await hear(town, "hello", "1.0")
    await town.replies(1)
    await hear(town, ":thumbsup:", "1.1", "reaction", "1.0")
    await hear(town, "see you there, Bob", "1.2", "aside")

    async def heard() -> bool:
        return len(await window(town)) == 4

    await until(heard)
    assert (await window(town))[2:] == [("contact", "[reacted with :thumbsup:]"), ("contact", "see you there, Bob")]
    assert len(await town.replies(1)) == 1


async def test_what_cannot_be_read_is_said_once_without_the_model(town: Rig) -> None:
    await hear(town, "a poll", "1.0", "unsupported")
    (answer,) = await town.replies(1)
    assert "can't read a poll" in answer
    assert town.model.calls == 0


async def test_an_operator_who_speaks_silences_the_employee(town: Rig) -> None:
    await hear(town, "hello", "1.0")
    await town.replies(1)
    await hear(town, "I'll take this one.", "1.1", "operator")
    await hear(town, "thanks!", "2.0")

    async def heard() -> bool:
        return len(await window(town)) == 4

    await until(heard)
    assert (await window(town))[2:] == [("operator", "I'll take this one."), ("contact", "thanks!")]
    assert len(await town.replies(1)) == 1
    assert await amendments.resume(town.database, ACME, CONVERSATION)
    await hear(town, "and now?", "3.0")
    # The model also sees what it was silent about.
    assert (await town.replies(2))[-1] == "You said: thanks!\nand now?"


async def test_a_pause_ends_a_turn_under_way_before_anything_is_said(town: Rig) -> None:
    await hear(town, "hello", "1.0")
    await town.replies(1)
    town.model.fault("delay", seconds=1.0)
    await hear(town, "are you there?", "2.0")
    await asyncio.sleep(0.2)
    assert await amendments.pause(town.database, ACME, CONVERSATION, "an operator takes over", 60)

    async def heard() -> bool:
        return ("contact", "are you there?") in await window(town)

    await until(heard)
    assert len(await town.replies(1)) == 1


async def test_a_follow_up_is_stored_only_where_the_conversation_is_known(town: Rig) -> None:
    await hear(town, "who is this?", "1.0", only_known=True)
    await hear(town, "hello", "2.0")
    await town.replies(1)
    await hear(town, "and you?", "3.0", only_known=True)
    assert await town.replies(2) == ["You said: hello", "You said: and you?"]


async def execute(town: Rig, statement: str) -> None:
    owner = await asyncpg.connect(town.settings.database_url)
    await owner.execute(statement)
    await owner.close()


async def texts_anywhere(town: Rig, needle: str) -> dict[str, int]:
    """Table -> rows that hold the text."""
    owner = await asyncpg.connect(town.settings.database_url)
    found = {}
    for table in ("messages", "memories", "inbox", "outbox", "conversations", "amended_early"):
        count = await owner.fetchval(f"select count(*) from {table} t where t::text like $1", f"%{needle}%")
        if count and table != "outbox":
            found[table] = count
    await owner.close()
    return found
