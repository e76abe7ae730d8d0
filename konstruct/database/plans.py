"""The plans that an operator offers."""

from collections.abc import Mapping, Sequence

from konstruct.database.pool import Database, TenantConnection
from konstruct.errors import PlansInvalid
from konstruct.plans import Plan, plan_of


async def offered(database: Database | TenantConnection) -> dict[str, Plan]:
    """All plans by name."""
    return {row["name"]: plan_of(row) for row in await database.run("plans")}


async def keep(database: Database | TenantConnection, plans: Sequence[Plan]) -> list[str]:
    """Add plans; answers the names of new ones. Raises PlansInvalid for one that is there with other numbers."""
    known = await offered(database)
    _check(plans, known)
    new = [plan for plan in plans if plan.name not in known]
    for plan in new:
        await database.run("keep_plan", **plan.model_dump())
    if new:
        _check(plans, await offered(database))  # others may have added some meanwhile
    return [plan.name for plan in new]


def _check(plans: Sequence[Plan], known: Mapping[str, Plan]) -> None:
    for plan in plans:
        if plan.name in known and known[plan.name] != plan:
            raise PlansInvalid(
                f"The plan {plan.name} exists with other numbers, and invoices are explained by them; "
                "give the new offer a new name."
            )
        for other in known.values():
            if other.event_name == plan.event_name and other.unit != plan.unit:
                raise PlansInvalid(f"The meter {plan.event_name} counts {other.unit} already, for plan {other.name}.")
