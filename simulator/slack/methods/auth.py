"""auth.…: who the token is."""

from typing import Any

from simulator.slack.methods.call import Call


def test(call: Call) -> dict[str, Any]:
    """auth.test: who the token is."""
    app = call.app
    return {
        "url": f"https://{app.tenant}.slack.com/",
        "team": app.tenant,
        "user": app.name.lower(),
        "team_id": app.team,
        "user_id": app.bot_user,
        "bot_id": app.bot,
        "is_enterprise_install": False,
    }
