"""`/slack/install-links`: links by which somebody attaches a Slack workspace to the tenant."""

import time

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from deployments.admin.access import Owning
from deployments.admin.once import once
from deployments.admin.problem import Problem
from konstruct.database.pool import TenantConnection
from konstruct.install_link import LINK_DAYS, install_link
from konstruct.settings import Settings

router = APIRouter(prefix="/tenants/{tenant}/slack/install-links", tags=["slack"])


class InstallLink(BaseModel):
    """Whoever opens it may attach a workspace to the tenant."""

    url: str = Field(description=f"Good for {LINK_DAYS} days.")


@router.post("", status_code=201, response_model=InstallLink)
async def make_install_link(access: Owning) -> Response:
    """Make a link; 409 where the installation does not know its Slack app."""
    settings = access.parts.settings
    _check_app(settings)

    async def effect(_connection: TenantConnection) -> InstallLink:
        return InstallLink(url=install_link(settings.public_url, settings.master_keys, access.name, time.time()))

    return await once(access, effect, 201)


def _check_app(settings: Settings) -> None:
    for variable, value in (
        ("SLACK_CLIENT_ID", settings.slack_client_id),
        ("SLACK_CLIENT_SECRET", settings.slack_client_secret),
        ("SLACK_SIGNING_SECRET", settings.slack_signing_secret),
    ):
        if not value:
            raise Problem(
                f"KONSTRUCT_{variable} is not set; Slack shows it under Basic Information. Set it for `konstruct up`.",
                status=409,
            )
