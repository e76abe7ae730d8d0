"""The demo tenant acme: an employee on the local model, in channels that only the simulators know."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from deployments.installation import keys
from deployments.installation.api import Refused
from deployments.installation.layout import Layout
from deployments.installation.tenants import apply_file

DEMO_FILE = Path(__file__).resolve().parents[1] / "demo" / "acme.yaml"
START_SECONDS = 20  # the proxy learns of new replicas a moment after they run


def apply(layout: Layout, environment: Mapping[str, str]) -> str:
    """Make the demo tenant what its file says; answers what came of it. Whoever erased it does not get it back."""
    demo = keys.demo(layout)
    whatsapp = keys.demo_whatsapp(layout)
    filled = {
        "SLACK_BOT_TOKEN": demo["bot_token"],
        "SLACK_SIGNING_SECRET": demo["signing_secret"],
        "WA_TOKEN": whatsapp["access_token"],
        "WA_APP_SECRET": whatsapp["app_secret"],
        "WA_VERIFY_TOKEN": whatsapp["verify_token"],
        "WEB_SECRET": keys.demo_web_secret(layout).read_text(),
    }
    try:
        _, changed = asyncio.run(apply_file(DEMO_FILE, {**environment, **filled}, patience=START_SECONDS))
    except Refused as refused:
        if refused.status != HTTPStatus.CONFLICT:
            raise
        return f"left out: {refused}"
    return "applied" if changed else "unchanged"
