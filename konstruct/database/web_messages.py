"""What is visible in the web chat: rows that the channel writes and open pages follow."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from konstruct.database.pool import Database
from konstruct.messages import WebRole

FEED_LIMIT = 200


@dataclass(frozen=True, slots=True)
class WebMessage:
    """A row as it is now. `seq` grows with every change of the conversation, `place` is the row's order in it."""

    id: UUID
    place: int
    seq: int
    role: WebRole
    text: str
    final: bool
    created_at: datetime


class WebMessages:
    """The feed that the web chat's channel is opened with."""

    def __init__(self, database: Database) -> None:
        """Nothing is read before it is needed."""
        self._database = database

    async def say(self, tenant: UUID, conversation: UUID, id_: UUID, role: WebRole, text: str, *, final: bool) -> None:
        """Upsert by id; what is final never becomes partial again, and nobody overwrites another role's row."""
        await self._database.run(
            "say_on_web", tenant=tenant, conversation=conversation, id=id_, role=role, text=text, final=final
        )

    async def seen(self, tenant: UUID, conversation: UUID, id_: UUID) -> bool | None:
        """Whether the row is final; None if there is none."""
        final: bool | None = await self._database.run("seen_on_web", tenant=tenant, conversation=conversation, id=id_)
        return final

    async def since(self, tenant: UUID, conversation: UUID, seq: int) -> list[WebMessage]:
        """Rows changed after `seq`, in the order of their changes; of more than FEED_LIMIT the latest."""
        rows = await self._database.run(
            "web_feed", tenant=tenant, conversation=conversation, after=seq, limit=FEED_LIMIT
        )
        return [WebMessage(**dict(row)) for row in rows]

    async def employee(self, tenant: UUID, employee: UUID) -> str | None:
        """The name under which the employee works."""
        async with self._database.tenant(tenant) as connection:
            name: str | None = await connection.run("employee_name", employee=employee)
            return name
