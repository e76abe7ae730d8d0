"""`konstruct web-token`: a link that opens a site's web chat for one visitor."""

import time
from collections.abc import Mapping

from deployments.installation.tenants import open_database
from konstruct.channels import web_chat
from konstruct.database.lookups import find_channels
from konstruct.errors import SettingsInvalid
from konstruct.settings import Settings
from konstruct.vault import Vault


async def link(environment: Mapping[str, str], site: str, visitor: str, hours: float) -> str:
    """The link; raises SettingsInvalid for a site that nobody has or a visitor that cannot be named."""
    settings = Settings.from_environment(environment)
    async with open_database(settings) as database:
        rows = await find_channels(database, "web", "", site, Vault(settings.master_keys))
    secret = next((row.secrets["signing_secret"] for row in rows if row.team == site), None)
    if secret is None:
        raise SettingsInvalid(f"No tenant has a web chat for {site}; add `channels.web.site: {site}` to a tenant file.")
    try:
        token = web_chat.sign(secret, site, visitor, int(time.time() + hours * 3600))
    except ValueError as error:
        raise SettingsInvalid(f"{error}, which {visitor!r} is not.") from None
    return f"{settings.public_url.rstrip('/')}/web/{site}#token={token}"
