"""views.publish: what one user sees in the app's home tab."""

from typing import Any

import orjson

from simulator.slack.blocks import check_blocks, text_of_blocks
from simulator.slack.methods.call import Call
from simulator.slack.refusal import Refused

MAX_HOME_BLOCKS = 100


def publish(call: Call) -> dict[str, Any]:
    """views.publish: recorded for the user, as the kind "home"."""
    user, view = call.user("user_id"), call.arguments.get("view")
    view = orjson.loads(view) if isinstance(view, str) else view
    if not isinstance(view, dict) or view.get("type") != "home":
        raise Refused("invalid_arguments")
    blocks = check_blocks(view.get("blocks"), most=MAX_HOME_BLOCKS)
    view = view | {"id": f"V{user[1:]}", "team_id": call.app.team, "app_id": call.app.app}
    call.workspaces.homes[call.app.team, user] = view
    call.workspaces.show("home", call.app, (user, ""), text_of_blocks(blocks), blocks)
    return {"view": view}
