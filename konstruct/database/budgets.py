"""What a month's budgets leave room for: held before a model is asked, settled by C2."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from konstruct.database.pool import Database, TenantConnection

# Longer than any turn asks and commits; one that does takes longer begins anew, see settle_budget.
HELD_FOR = timedelta(minutes=5)
CONVERSATIONS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Cost:
    """What a turn may cost at most."""

    micros: int
    tokens: int


# What nobody knows the price of could cost anything: there is no budget of money that has room for it.
BOUNDLESS = Cost(micros=2**62, tokens=0)


@dataclass(frozen=True, slots=True)
class Room:
    """Which of the choices is held, None: there is room for none; `full`: the budget that has none for the first."""

    chosen: int | None
    full: dict[str, str] | None
    held: bool


async def reserve(
    database: Database, tenant: UUID, conversation: UUID, *, employee: UUID, turn: UUID, choices: Sequence[Cost]
) -> Room:
    """Hold the first choice that fits, in one statement; a turn that is repeated holds once. Raises StaleTurn."""
    row = await database.run(
        "reserve_budget",
        tenant=tenant,
        conversation=conversation,
        employee=employee,
        turn=turn,
        choices=[{"micros": cost.micros, "tokens": cost.tokens} for cost in choices],
        hold=HELD_FOR,
    )
    full = {"scope": row["scope"], "unit": row["unit"]} if row["scope"] else None
    return Room(row["chosen"] if row["chosen"] >= 0 else None, full, row["held"])


async def save(connection: TenantConnection, stored: dict[str, Any]) -> None:
    """What the tenant file says; what was spent this month without a budget counts from the first one on."""
    await connection.run("save_budgets", budgets=stored)
    if stored:
        await connection.run("count_unreserved")


async def spending(connection: TenantConnection) -> list[Any]:
    """What the tenant and its employees have spent and reserved this month."""
    return list(await connection.run("spending"))


async def spending_of_conversations(connection: TenantConnection) -> list[Any]:
    """The conversations that spent most this month."""
    return list(await connection.run("spending_of_conversations", limit=CONVERSATIONS_SHOWN))


async def alerts(connection: TenantConnection, *, limit: int, offset: int = 0) -> list[Any]:
    """Budgets that were half, four fifths or wholly used, newest first."""
    return list(await connection.run("budget_alerts", limit=limit, offset=offset))
