"""Whether a budget in USD still holds once something about models or budgets has been changed."""

from deployments.admin.access import Access
from konstruct.budget import check_affordable
from konstruct.database.pool import TenantConnection
from konstruct.database.tenants import employees_of, models_of, tenant_of
from konstruct.price_list import PriceList


async def check_prices_known(connection: TenantConnection, access: Access) -> None:
    """Raise TenantFileInvalid where a model that may be asked has no price, as the transaction leaves it."""
    stored = (await tenant_of(connection))["budgets"]
    asked = set(stored.get("at_limit", ()))
    for employee in (await employees_of(connection)).values():
        asked |= {employee["model"], employee["fallback_model"]}
    listed = {
        row["name"]: (row["litellm"], row["price"]) for row in await models_of(connection) if row["name"] in asked
    }
    check_affordable(stored, listed, PriceList.read(access.parts.settings.prices_file))
