"""`/installation`: what runs and what waits over all tenants, for the installation's owner only."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from deployments.admin.access import Everything, anybody
from deployments.admin.principal import Principal
from deployments.admin.problem import NotAllowed
from konstruct.database import hosting
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
    hosts: Hosts


class HostsWanted(BaseModel):
    """How many there should be."""

    model_config = ConfigDict(extra="forbid")

    wanted: int = Field(ge=1, le=1024)


def installation_only(asker: Annotated[Principal, Depends(anybody)]) -> None:
    """Who belongs to a tenant has no business here."""
    if asker.tenant is not None:
        raise NotAllowed("This is about the whole installation; it takes KONSTRUCT_ADMIN_TOKEN.")


@router.get("", dependencies=[Depends(installation_only)])
async def read_installation(parts: Everything) -> Installation:
    """Counts, never what was said."""
    return Installation(**asdict(await status(parts.database)), hosts=await _hosts(parts))


@router.put("/hosts", dependencies=[Depends(installation_only)])
async def scale_hosts(wanted: HostsWanted, parts: Everything) -> Hosts:
    """Want this many; the Supervisor sees to it while messages flow."""
    await hosting.want(parts.database, wanted.wanted)
    return await _hosts(parts)


async def _hosts(parts: Everything) -> Hosts:
    now = await hosting.read(parts.database)
    return Hosts(hosts=now.hosts, wanted=now.wanted_hosts)
