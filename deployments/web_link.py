"""`konstruct web-token`: a link that opens a site's web chat for one visitor."""

from collections.abc import Mapping

from deployments.installation.api import ApiClient, Refused
from konstruct.errors import SettingsInvalid


async def link(environment: Mapping[str, str], site: str, visitor: str, hours: float) -> str:
    """The link; raises SettingsInvalid for a site that nobody has."""
    body = {"site": site, "visitor": visitor, "hours": hours}
    try:
        answer = await ApiClient(environment).ask("POST", "/web-links", body)
    except Refused as refused:
        if refused.status != 404:
            raise
        raise SettingsInvalid(
            f"No tenant has a web chat for {site}; add `channels.web.site: {site}` to a tenant file."
        ) from None
    return str(answer["url"])
