"""users.info: everybody's name is made of their id, unless it was given."""

from typing import Any

from simulator.slack.methods.call import Call


def describe(call: Call) -> dict[str, Any]:
    """users.info: U0ALICE is Alice."""
    user = call.user()
    app = call.app
    is_app = user == app.bot_user
    name = app.name if is_app else call.options.names.get(user, user.removeprefix("U0").title())
    return {
        "user": {
            "id": user,
            "team_id": app.team,
            "name": name.lower().replace(" ", "."),
            "real_name": name,
            "tz": "Europe/Amsterdam",
            "locale": "en-US",
            "is_bot": is_app,
            "is_stranger": False,
            "deleted": False,
            "profile": {"real_name": name, "display_name": name, "email": f"{user.lower()}@example.com"},
        }
    }
