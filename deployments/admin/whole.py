"""Whether a configuration holds as a whole once a piece of it was changed: by the rules of `konstruct apply`."""

from collections.abc import Sequence

from deployments.admin.access import Access
from konstruct.budget import check_affordable
from konstruct.database.pool import TenantConnection
from konstruct.database.tenants import employees_of, models_of, tenant_of
from konstruct.price_list import PriceList
from konstruct.tenant_file import BudgetEntries, EmployeeEntry, ModelEntry, TenantFile, check


async def check_whole(connection: TenantConnection, access: Access, at_limit: Sequence[str] | None = None) -> None:
    """Raise TenantFileInvalid where the transaction leaves a contradiction, or a budget in USD without prices.

    `at_limit`: as wanted, where it is not stored because nothing is limited.
    """
    stored = (await tenant_of(connection))["budgets"]
    rows = await models_of(connection)
    models = tuple(
        ModelEntry(name=row["name"], litellm=row["litellm"], transcription=row["transcription"]) for row in rows
    )
    budgets = BudgetEntries(at_limit=tuple(stored.get("at_limit", ()) if at_limit is None else at_limit))
    asked = set(stored.get("at_limit", ()))
    for employee in (await employees_of(connection)).values():
        entry = EmployeeEntry.model_validate({name: value for name, value in employee.items() if name != "options"})
        check(TenantFile(tenant=access.name, employee=entry, models=models, budgets=budgets))
        asked |= {entry.model, entry.fallback_model}
    listed = {row["name"]: (row["litellm"], row["price"]) for row in rows if row["name"] in asked}
    check_affordable(stored, listed, PriceList.read(access.parts.settings.prices_file))
