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
COMMAND = "/konstruct"
MAX_NAME_CHARS = 35
MAX_DESCRIPTION_CHARS = 300


def manifest(public_url: str, name: str = "Konstruct", description: str = "An AI employee.") -> dict[str, Any]:
    """The manifest of an app that calls `public_url`."""
    root = public_url.rstrip("/")
    return {
        "display_information": {"name": name[:MAX_NAME_CHARS]},
        "features": {
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "agent_view": {"agent_description": description[:MAX_DESCRIPTION_CHARS]},
            "bot_user": {"display_name": name[:MAX_NAME_CHARS], "always_online": True},
            "slash_commands": [
                {
                    "command": COMMAND,
                    "url": f"{root}/slack/commands",
                    "description": "Ask, pause or resume the AI employee",
                    "usage_hint": "help | status | pause | resume | a question",
                    "should_escape": True,
                }
            ],
        },
        "oauth_config": {
            "redirect_urls": [f"{root}/slack/oauth/callback"],
            "scopes": {"bot": list(BOT_SCOPES)},
        },
        "settings": {
            "event_subscriptions": {"request_url": f"{root}/slack/events", "bot_events": list(BOT_EVENTS)},
            "interactivity": {"is_enabled": True, "request_url": f"{root}/slack/interactivity"},
            "org_deploy_enabled": True,
            "socket_mode_enabled": False,
            "token_rotation_enabled": True,
        },
    }
