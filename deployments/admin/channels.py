"""`/channels`: where a tenant's employee works; of secrets only the ending is shown."""

import time
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from deployments.admin.access import Access, Asking, OwnerChanging, Owning, Viewing
from deployments.admin.employees import employees
from deployments.admin.once import once
from deployments.admin.page import Page
from deployments.admin.problem import NotHere, Problem
from konstruct.database import configuration
from konstruct.database.configuration import ChannelShown
from konstruct.database.installs import disconnect
from konstruct.database.pool import TenantConnection
from konstruct.database.tenants import ChannelRow, save_channels, taken
from konstruct.errors import AlreadyTaken
from konstruct.tenant_file import ChannelEntries

router = APIRouter(prefix="/tenants/{tenant}/channels", tags=["channels"])


class ChannelConnection(BaseModel):
    """A connection to a channel."""

    id: UUID
    kind: str
    app: str = Field(description="Slack: the app's id.")
    team: str = Field(description="Slack: the workspace; WhatsApp: the phone number's id; web: the site.")
    account: str
    employee_id: UUID
    options: dict[str, Any]
    secrets: dict[str, str] = Field(description="The last four characters of each.")
    installed_by: str = Field(description="`file`: by a tenant file or this API; `oauth`: by a link.")
    disconnected: bool = Field(description="The provider ended it.")
    expires_at: datetime | None = Field(description="When its token must be renewed.")


class Connections(BaseModel):
    """A tenant's connections."""

    items: list[ChannelConnection]


@router.get("")
async def list_channels(access: Asking) -> Page[ChannelConnection]:
    """All of them."""
    async with access.transaction() as connection:
        return Page(items=await channels(connection, access), next_cursor=None)


@router.get("/{id_}", response_model=ChannelConnection)
async def read_channel(id_: UUID, access: Viewing) -> Response:
    """One of them."""
    async with access.transaction() as connection:
        return access.show(_view(await _found(connection, access, id_)))


@router.post("", status_code=201, response_model=Connections)
async def connect_channels(wanted: ChannelEntries, access: Owning) -> Response:
    """Connect channels, described as in a tenant file, or describe them anew; others stay as they are."""

    async def effect(connection: TenantConnection) -> Connections:
        await configuration.lock(connection)
        [employee, *_] = await employees(connection)
        await save_channels(connection, wanted, employee.id, access.parts.vault)
        return Connections(items=await channels(connection, access))

    if not wanted.connections:
        raise Problem("Name at least one channel: slack, whatsapp or web.", status=422)
    try:
        return await once(access, effect, 201)
    except AlreadyTaken:
        raise Problem(str(taken(wanted)), status=409) from None


@router.delete("/{id_}", status_code=204)
async def remove_channel(id_: UUID, access: OwnerChanging) -> Response:
    """End a connection and forget its secrets; what still was to be sent there is not sent any more."""

    async def effect(connection: TenantConnection) -> None:
        await configuration.lock(connection)
        channel = await _found(connection, access, id_)
        access.check_match(_view(channel))
        row = ChannelRow(
            connection.tenant, channel.kind, channel.app, channel.team, channel.employee_id, channel.account, {}
        )
        await disconnect(connection, row, time.time(), [])
        await configuration.drop_channel(connection, channel)

    return await once(access, effect)


async def channels(connection: TenantConnection, access: Access) -> list[ChannelConnection]:
    """The tenant's, in a lasting order."""
    return [_view(channel) for channel in await configuration.channels_shown(connection, access.parts.vault)]


def _view(channel: ChannelShown) -> ChannelConnection:
    return ChannelConnection.model_validate(asdict(channel))


async def _found(connection: TenantConnection, access: Access, id_: UUID) -> ChannelShown:
    for channel in await configuration.channels_shown(connection, access.parts.vault):
        if channel.id == id_:
            return channel
    raise NotHere
