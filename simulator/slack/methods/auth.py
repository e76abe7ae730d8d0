"""auth.…: who the token is."""

from typing import Any

from simulator.slack.arguments import is_true
from simulator.slack.methods.call import Call


def test(call: Call) -> dict[str, Any]:
    """auth.test: who the token is."""
    app = call.app
    enterprise = {"enterprise_id": app.enterprise} if app.enterprise else {}
    return enterprise | {
        "url": f"https://{app.tenant}.slack.com/",
        "team": app.tenant,
        "user": app.name.lower(),
        "team_id": app.team,
        "user_id": app.bot_user,
        "bot_id": app.bot,
        "is_enterprise_install": app.org_wide,
    }


def revoke(call: Call) -> dict[str, Any]:
    """auth.revoke: the token is good for nothing from now on; `test` only asks."""
    if not is_true(call.arguments, "test"):
        call.world.installations.revoke_token(call.app.bot_token)
    return {"revoked": not is_true(call.arguments, "test")}
