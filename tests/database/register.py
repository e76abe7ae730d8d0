"""Names and contacts of acme, for tests of who is who."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import psycopg

from konstruct.database import people
from konstruct.database.people import Whereabouts
from konstruct.database.pool import Database
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


@asynccontextmanager
async def open_register(database_url: str) -> AsyncIterator[Register]:
    """An empty one, beside another tenant."""
    with psycopg.connect(database_url) as owner:
        for tenant, name in ((ACME, "acme"), (GLOBEX, "globex")):
            owner.execute("insert into tenants (id, name) values (%s, %s)", (tenant, name))
    database = Database(database_url, 4)
    await database.start()
    yield Register(database_url, database)
    await database.stop()
