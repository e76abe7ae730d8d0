"""The app manifest: what Konstruct asks Slack for. https://docs.slack.dev/reference/app-manifest."""

from typing import Any

BOT_SCOPES = (
    "app_mentions:read", "channels:history", "chat:write", "commands", "files:read", "files:write", "groups:history",
    "im:history", "mpim:history", "reactions:read", "reactions:write", "users:read",
)  # fmt: skip
BOT_EVENTS = (
    "app_context_changed", "app_home_opened", "app_mention", "app_uninstalled", "member_joined_channel",
    "message.channels", "message.groups", "message.im", "message.mpim", "reaction_added", "reaction_removed",
    "tokens_revoked",
)  # fmt: skip
_COMMAND = {
    "command": "/konstruct",
    "description": "Ask, pause or resume the AI employee",
    "usage_hint": "help | status | pause | resume | a question",
    "should_escape": True,
}
MAX_NAME_CHARS = 35
MAX_DESCRIPTION_CHARS = 300


def manifest(
    public_url: str,
    name: str = "Konstruct",
    description: str = "An AI employee.",
    *,
    socket_mode: bool = False,
    rotating: bool = False,
) -> dict[str, Any]:
    """The manifest of an app that calls `public_url`, or is called through its own connection in Socket Mode.

    `rotating`: tokens end after twelve hours. Only for apps that are installed by link: a tenant file cannot renew one.
    """
    root = public_url.rstrip("/")

    def url(door: str, field: str = "request_url") -> dict[str, Any]:
        # In Socket Mode Slack wants no URLs.
        return {} if socket_mode else {field: f"{root}/slack/{door}"}

    return {
        "display_information": {"name": name[:MAX_NAME_CHARS]},
        "features": _features(name, description) | {"slash_commands": [url("commands", "url") | _COMMAND]},
        "oauth_config": {
            "redirect_urls": [f"{root}/slack/oauth/callback"],
            "scopes": {"bot": list(BOT_SCOPES)},
        },
        "settings": {
            "event_subscriptions": url("events") | {"bot_events": list(BOT_EVENTS)},
            "interactivity": url("interactivity") | {"is_enabled": True},
            "org_deploy_enabled": True,
            "socket_mode_enabled": socket_mode,
            "token_rotation_enabled": rotating,
        },
    }


def _features(name: str, description: str) -> dict[str, Any]:
    return {
        "app_home": {
            "home_tab_enabled": True,
            "messages_tab_enabled": True,
            "messages_tab_read_only_enabled": False,
        },
        "agent_view": {"agent_description": description[:MAX_DESCRIPTION_CHARS]},
        "bot_user": {"display_name": name[:MAX_NAME_CHARS], "always_online": True},
    }
