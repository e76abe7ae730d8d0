"""`/installation`: what runs and what waits over all tenants, for the installation's owner only."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from deployments.admin.access import Access, Everything, anybody, parts_of
from deployments.admin.page import INSTALLATION
from deployments.admin.principal import Principal
from deployments.admin.problem import NotAllowed
from konstruct.database import audit, hosting
from konstruct.database.installation import status

router = APIRouter(prefix="/installation", tags=["installation"])


class Hosts(BaseModel):
    """Conversation hosts: how many there are, and should be."""

    hosts: int
    wanted: int


class Installation(BaseModel):
    """Counts over all tenants; ages in seconds."""

    tenants: int
    conversations: int
    inbox_waiting: int
    inbox_oldest_seconds: float
    inbox_dead: int
    outbox_waiting: int
    outbox_dead: int
    memories_waiting: int
    malformed: int
    audit_unsealed_seconds: float
    hosts: Hosts


class HostsWanted(BaseModel):
    """How many there should be."""

    model_config = ConfigDict(extra="forbid")

    wanted: int = Field(ge=1, le=1024)


def installation_only(asker: Annotated[Principal, Depends(anybody)]) -> None:
    """Who belongs to a tenant has no business here."""
    if asker.tenant is not None:
        raise NotAllowed("This is about the whole installation; it takes KONSTRUCT_ADMIN_TOKEN.")


def of_installation(request: Request, asker: Annotated[Principal, Depends(anybody)]) -> Access:
    """What belongs to no tenant has its audit under INSTALLATION."""
    installation_only(asker)
    return Access(parts_of(request), asker, request.state.request_id, INSTALLATION, "")


Whole = Annotated[Access, Depends(of_installation)]


@router.get("", dependencies=[Depends(installation_only)])
async def read_installation(parts: Everything) -> Installation:
    """Counts, never what was said."""
    return Installation(**asdict(await status(parts.database)), hosts=await _hosts(parts))


@router.put("/hosts")
async def scale_hosts(wanted: HostsWanted, access: Whole) -> Hosts:
    """Want this many; the Supervisor sees to it while messages flow."""
    # Also the number that is wanted already, where nobody asked for it: from now on it outranks the setting.
    if (await hosting.read(access.parts.database)).wanted_hosts != wanted.wanted:
        async with access.transaction() as connection:
            await hosting.want(connection, wanted.wanted)
            await audit.record(connection, "hosts.changed", "hosts", wanted=wanted.wanted)
    return await _hosts(access.parts)


async def _hosts(parts: Everything) -> Hosts:
    now = await hosting.read(parts.database)
    return Hosts(hosts=now.hosts, wanted=now.wanted(parts.settings.conversation_hosts))
