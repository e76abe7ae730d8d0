"""The demo tenant acme: an employee on the local model, in channels that only the simulators know."""

import asyncio
import json
from collections.abc import Mapping
from hashlib import blake2b
from http import HTTPStatus
from pathlib import Path

from deployments.installation import keys
from deployments.installation.api import ApiClient, Refused
from deployments.installation.layout import Layout
from deployments.installation.tenants import apply_file

DEMO_FILE = Path(__file__).resolve().parents[1] / "demo" / "acme.yaml"
START_SECONDS = 20  # the proxy learns of new replicas a moment after they run


def apply(layout: Layout, environment: Mapping[str, str]) -> str:
    """Make the demo tenant what its file says; answers what came of it.

    Whoever erased it does not get it back, and whoever gave the name to a tenant of their own keeps that.
    """
    return asyncio.run(_apply(layout, environment))


async def _apply(layout: Layout, environment: Mapping[str, str]) -> str:
    client, ours = ApiClient(environment), layout.applied_demo
    await client.ask("GET", "/tenants?limit=1", patience=START_SECONDS)
    before = await _shown(client)
    if before is not None and before != (ours.read_text() if ours.exists() else ""):
        return "left as it is: somebody changed it"
    try:
        _, changed = await apply_file(DEMO_FILE, {**environment, **_secrets(layout)})
    except Refused as refused:
        if refused.status != HTTPStatus.CONFLICT:
            raise
        return f"left out: {refused}"
    ours.write_text(await _shown(client) or "")
    return "applied" if changed else "unchanged"


async def _shown(client: ApiClient) -> str | None:
    """What tells the tenant as it is now from one that somebody changed; None where there is none."""
    try:
        shown = await client.ask("GET", "/tenants/acme")
    except Refused as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return None
    return blake2b(json.dumps(shown, sort_keys=True).encode(), digest_size=16).hexdigest()


def _secrets(layout: Layout) -> dict[str, str]:
    demo = keys.demo(layout)
    whatsapp = keys.demo_whatsapp(layout)
    return {
        "SLACK_BOT_TOKEN": demo["bot_token"],
        "SLACK_SIGNING_SECRET": demo["signing_secret"],
        "WA_TOKEN": whatsapp["access_token"],
        "WA_APP_SECRET": whatsapp["app_secret"],
        "WA_VERIFY_TOKEN": whatsapp["verify_token"],
        "WEB_SECRET": keys.demo_web_secret(layout).read_text(),
    }
