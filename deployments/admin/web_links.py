"""`/web-links`: links that open a site's web chat for one visitor, to try it out."""

import time
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from deployments.admin.access import Anybody, Everything, check_role
from deployments.admin.principal import Role
from deployments.admin.problem import NotHere, Problem
from konstruct.channels import web_chat
from konstruct.database.lookups import find_channels

router = APIRouter(prefix="/web-links", tags=["web links"])


class NewLink(BaseModel):
    """For whom, where, and how long it opens the chat."""

    model_config = ConfigDict(extra="forbid")

    site: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    visitor: Annotated[str, StringConstraints(min_length=1, max_length=200)] = "me"
    hours: float = Field(12, ge=0.1, le=744)


class WebLink(BaseModel):
    """Whoever has it is this visitor."""

    url: str


@router.post("", status_code=201)
async def make_web_link(wanted: NewLink, asker: Anybody, parts: Everything) -> WebLink:
    """Make a link; the same visitor sees the same conversation."""
    rows = await find_channels(parts.database, "web", "", wanted.site, parts.vault)
    row = next((row for row in rows if row.team == wanted.site and asker.may_enter(row.tenant)), None)
    if row is None:
        raise NotHere
    check_role(asker, Role.operator)
    until = int(time.time() + wanted.hours * 3600)
    try:
        token = web_chat.sign(row.secrets["signing_secret"], wanted.site, wanted.visitor, until)
    except ValueError as error:
        raise Problem(f"{error}, which this visitor's is not.", status=422) from None
    return WebLink(url=f"{parts.settings.public_url.rstrip('/')}/web/{wanted.site}#token={token}")
