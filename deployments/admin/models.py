"""`/models`: hosted models with the tenant's own keys, of which only the ending is shown."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from deployments.admin.access import Access, Asking, OwnerChanging, Viewing
from deployments.admin.employees import employees
from deployments.admin.once import once
from deployments.admin.page import Page
from deployments.admin.problem import NotHere, Problem
from deployments.admin.providers import check_providers
from deployments.admin.reserved import check_reserved
from deployments.admin.whole import check_whole
from konstruct.database import configuration
from konstruct.database.pool import TenantConnection
from konstruct.database.tenants import models_of, save_model, tenant_of
from konstruct.price_list import provider_of
from konstruct.tenant_file import ModelEntry

router = APIRouter(prefix="/tenants/{tenant}/models", tags=["models"])

ModelName = Annotated[str, Path(min_length=1, max_length=200)]


class HostedModel(BaseModel):
    """A hosted model."""

    name: str
    litellm: str = Field(description="What LiteLLM calls it.")
    api_base: str | None
    api_key: str | None = Field(description="Its last four characters.")
    vision: bool
    transcription: bool
    price: dict[str, int | None] | None = Field(description="In micro-USD per million tokens; null: from the list.")
    max_answer_tokens: int


class ModelWanted(ModelEntry):
    """A model; without `api_key` the key stays, null removes it."""

    name: str = Field("", exclude=True, description="Taken from the address.")


@router.get("")
async def list_models(access: Asking) -> Page[HostedModel]:
    """All of them."""
    async with access.transaction() as connection:
        return Page(items=await models(connection, access), next_cursor=None)


@router.get("/{name:path}", response_model=HostedModel)
async def read_model(name: ModelName, access: Viewing) -> Response:
    """One of them."""
    async with access.transaction() as connection:
        found = await _find(connection, access, name)
    if found is None:
        raise NotHere
    return access.show(found)


@router.put("/{name:path}", response_model=HostedModel)
async def save_hosted_model(name: ModelName, wanted: ModelWanted, access: OwnerChanging) -> Response:
    """Add a model, or make one what you say."""

    async def effect(connection: TenantConnection) -> HostedModel | None:
        await configuration.lock(connection)
        access.check_match(await _find(connection, access, name))
        fields: dict[str, Any] = wanted.model_dump() | {"name": name}
        if "api_key" not in wanted.model_fields_set:
            fields["api_key"] = await _key(connection, access, name, wanted)
        entry = ModelEntry.model_validate(fields)
        await check_reserved(connection, access, [entry])
        await save_model(connection, entry, access.parts.vault)
        await check_whole(connection, access)
        return await _find(connection, access, name)

    await check_providers([wanted.model_copy(update={"name": name})])
    return await once(access, effect)


@router.delete("/{name:path}", status_code=204)
async def remove_model(name: ModelName, access: OwnerChanging) -> Response:
    """Forget a model and its key."""

    async def effect(connection: TenantConnection) -> None:
        await configuration.lock(connection)
        access.check_match(await _find(connection, access, name))
        for employee in await employees(connection):
            if name in {employee.model, employee.fallback_model}:
                raise Problem(f"{employee.name} answers with this model; give another one first.", status=409)
        if name in (await tenant_of(connection))["budgets"].get("at_limit", ()):
            raise Problem("The budgets go on with this model at their limit; name another one first.", status=409)
        if not await configuration.drop_model(connection, name):
            raise NotHere

    return await once(access, effect)


async def models(connection: TenantConnection, access: Access) -> list[HostedModel]:
    """The tenant's, by name."""
    return [HostedModel(**row) for row in await configuration.models_shown(connection, access.parts.vault)]


async def _find(connection: TenantConnection, access: Access, name: str) -> HostedModel | None:
    return next((model for model in await models(connection, access) if model.name == name), None)


async def _key(connection: TenantConnection, access: Access, name: str, wanted: ModelWanted) -> str | None:
    """The key stays with whom it was given for: else whoever may change a model could have it sent to themselves."""
    rows = [row for row in await models_of(connection) if row["name"] == name and row["api_key"]]
    if not rows:
        return None
    if (rows[0]["api_base"], provider_of(rows[0]["litellm"])) != (wanted.api_base, provider_of(wanted.litellm)):
        raise Problem("The key was given for another provider or address; name `api_key`, too.", status=422)
    return access.parts.vault.decrypt(connection.tenant, rows[0]["api_key"])
