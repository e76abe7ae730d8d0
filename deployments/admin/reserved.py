"""What a tenant's owner may not say of the tenant's models."""

from collections.abc import Iterable

from deployments.admin.access import Access
from deployments.admin.problem import NotAllowed
from konstruct.database.pool import TenantConnection
from konstruct.database.tenants import models_of
from konstruct.reserved import reserved
from konstruct.tenant_file import ModelEntry


async def check_reserved(connection: TenantConnection, access: Access, wanted: Iterable[ModelEntry]) -> None:
    """Raise NotAllowed where somebody of a tenant gives a model, or changes, what the installation's owner decides."""
    if access.principal.tenant is not None:
        rows = await models_of(connection)
        before = {row["name"]: reserved(row["litellm"], row["api_base"], row["price"]) for row in rows}
        for model in wanted:
            _check(model, before.get(model.name, {}))


def _check(model: ModelEntry, had: dict[str, str]) -> None:
    has = reserved(model.litellm, model.api_base, model.row["price"])
    gone = {what for what in had if what == "`price`" and what not in has}
    for what in sorted(gone | {what for what in has if has[what] != had.get(what)}):
        raise NotAllowed(
            f"models.{model.name}: {what} is for the installation's owner to set or change, with "
            "KONSTRUCT_ADMIN_TOKEN; leave it as it is, or ask them."
        )
