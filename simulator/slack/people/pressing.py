"""Buttons and slash commands."""

import secrets
from typing import Any

import orjson

from simulator.delivery import Said
from simulator.slack.app import App
from simulator.slack.blocks import Block, elements
from simulator.slack.message import Message
from simulator.slack.people.acting import ALICE, DM, Acting
from simulator.slack.responses import Responses, Way
from simulator.slack.world import World


class Pressing(Acting):
    """Presses what an app put there, and calls it by its command."""

    def __init__(self, world: World, responses: Responses) -> None:
        super().__init__(world)
        self._responses = responses

    async def press(self, ts: str, what: str, *, channel: str = DM, user: str = ALICE, team: str | None = None) -> Said:
        """Press a button of a message, named by its label, its value or its action id; feedback buttons as well."""
        app, message = self._found(team, channel, ts)
        for block_id, element in elements(message.extra.get("blocks", ())):
            pressed = _pressed(element, what)
            if pressed is not None:
                action = pressed | {"block_id": block_id or "b0", "action_ts": ts}
                payload = self._actions(app, channel, user, message) | {"actions": [action]}
                return await self._world.sender.interactive(app, channel, ts, payload)
        raise LookupError(f"Message {ts} has nothing to press called {what!r}.")

    async def press_home(self, what: str, *, user: str = ALICE, team: str | None = None) -> Said:
        """Press a button in the app's home tab."""
        app = self._world.installations.app_of(team)
        view = self._world.workspaces.homes.get((app.team, user), {})
        for block_id, element in elements(view.get("blocks", ())):
            pressed = _pressed(element, what)
            if pressed is not None:
                action = pressed | {"block_id": block_id or "b0", "action_ts": "1.000001"}
                container = {"type": "view", "view_id": view["id"]}
                payload = _who(app, user) | {"container": container, "view": view, "actions": [action]}
                return await self._world.sender.interactive(app, "", "", payload)
        raise LookupError(f"The home tab of {user} has nothing to press called {what!r}.")

    async def command(
        self, command: str, text: str = "", *, channel: str = DM, user: str = ALICE, team: str | None = None
    ) -> Said:
        """Type a slash command; what the app answers at once is shown as Slack shows it."""
        app = self._world.installations.app_of(team)
        fields = {
            "token": "deprecated-verification-token",
            "team_id": app.team,
            "team_domain": app.tenant,
            "channel_id": channel,
            "channel_name": _channel_name(channel),
            "user_id": user,
            "user_name": user[2:].lower(),
            "command": command,
            "text": text,
            "api_app_id": app.app,
            "is_enterprise_install": "true" if app.org_wide else "false",
            "response_url": self._responses.url(app, channel, user, None),
            "trigger_id": secrets.token_hex(8),
        } | ({"enterprise_id": app.enterprise} if app.enterprise else {})
        said = await self._world.sender.command(app, channel, fields)
        self._show(app, channel, user, said)
        return said

    def _show(self, app: App, channel: str, user: str, said: Said) -> None:
        if said.status != 200 or not said.answer.strip():
            return
        try:
            answer = orjson.loads(said.answer)
        except ValueError:
            answer = {"text": said.answer}
        if isinstance(answer, dict) and (answer.get("text") or answer.get("blocks")):
            self._responses.show(Way(app, channel, user, None, 0.0), answer)

    def _actions(self, app: App, channel: str, user: str, message: Message) -> dict[str, Any]:
        container = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": channel,
            "is_ephemeral": False,
        }
        return _who(app, user) | {
            "container": container | ({"thread_ts": message.thread_ts} if message.thread_ts else {}),
            "channel": {"id": channel, "name": _channel_name(channel)},
            "message": message.to_json(metadata=True),
            "state": {"values": {}},
            "response_url": self._responses.url(app, channel, user, message),
        }


def _who(app: App, user: str) -> dict[str, Any]:
    return {
        "type": "block_actions",
        "user": {"id": user, "username": user[2:].lower(), "name": user[2:].lower(), "team_id": app.team},
        "api_app_id": app.app,
        "token": "deprecated-verification-token",
        "trigger_id": secrets.token_hex(8),
        "team": None if app.org_wide else {"id": app.team, "domain": app.tenant},
        "enterprise": {"id": app.enterprise, "name": app.enterprise} if app.enterprise else None,
        "is_enterprise_install": app.org_wide,
    }


def _pressed(element: Block, what: str) -> dict[str, Any] | None:
    kind, shared = element.get("type"), {"type": element.get("type"), "action_id": element.get("action_id", "a0")}
    if kind == "feedback_buttons":
        for side in ("positive_button", "negative_button"):
            button = element.get(side) or {}
            if what in (side.removesuffix("_button"), button.get("value"), (button.get("text") or {}).get("text")):
                return shared | {"value": button.get("value"), "text": button.get("text")}
    elif kind == "button":
        if what in (element.get("action_id"), element.get("value"), element["text"].get("text")):
            return shared | {name: element[name] for name in ("text", "value", "style") if name in element}
    else:
        for option in element.get("options", ()):
            if what in (option.get("value"), option["text"].get("text")):
                return shared | {"selected_option": option}
    return None


def _channel_name(channel: str) -> str:
    return "directmessage" if channel.startswith("D") else channel.lower()
