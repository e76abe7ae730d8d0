"""`konstruct web-token`: a link that opens a site's web chat for one visitor."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from deployments.installation.api import ApiClient, Refused, segment
from konstruct.errors import SettingsInvalid


async def link(environment: Mapping[str, str], site: str, visitor: str, hours: float) -> str:
    """The link to a site, or to the only one of the tenant with this name; raises SettingsInvalid where there is none.

    A site goes before a tenant that is called the same.
    """
    client = ApiClient(environment)
    wanted = {"visitor": visitor, "hours": hours}
    answer = await _unless_missing(client, "POST", "/web-links", wanted | {"site": site})
    if answer is None:
        answer = await client.ask("POST", "/web-links", wanted | {"site": await _only_site(client, site)})
    return str(answer["url"])


async def _only_site(client: ApiClient, tenant: str) -> str:
    channels = await _unless_missing(client, "GET", f"/tenants/{segment(tenant)}/channels")
    if channels is None:
        raise SettingsInvalid(
            f"No tenant has a web chat for {tenant}; add `channels.web.site: {tenant}` to a tenant file."
        )
    sites = [channel["team"] for channel in channels["items"] if channel["kind"] == "web"]
    if not sites:
        raise SettingsInvalid(f"Tenant {tenant} has no web chat; add `channels.web` to its tenant file.")
    if len(sites) > 1:
        raise SettingsInvalid(f"Tenant {tenant} has the sites {', '.join(sites)}; name one of them.")
    return str(sites[0])


async def _unless_missing(client: ApiClient, method: str, path: str, body: object = None) -> Any:
    """What is answered, None where there is no such thing."""
    try:
        return await client.ask(method, path, body)
    except Refused as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return None
