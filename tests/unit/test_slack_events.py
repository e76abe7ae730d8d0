"""Slack's callbacks: every documented shape is understood."""

import json
from pathlib import Path
from typing import Any

import pytest

from konstruct.channels.slack import Challenge, Ignored, Message, Unreadable, parse
from konstruct.messages import Address

PAYLOADS = Path(__file__).parents[1] / "payloads" / "slack"
TS, ROOT = "1793000000.000100", "1792999999.000100"
HOURS = "What are your opening hours?"
OPEN = "<@U0BOT> is the shop open?"


def said(channel: str, text: str, thread: str | None = None, user: str = "U0ALICE") -> Message:
    address = Address("T0ACME", channel, thread, private=channel.startswith("D"))
    return Message("A0ACME", "T0ACME", address, user, text, TS)


EXPECTED: dict[str, Message | type[Challenge | Ignored | Unreadable]] = {
    "url_verification__plain": Challenge,
    "app_rate_limited__team": Ignored,
    "message__im": said("D0ALICE", HOURS),
    "message__im_thread_reply": said("D0ALICE", HOURS, ROOT),
    "message__im_agent_thread_root": said("D0ALICE", HOURS, TS),
    "message__im_without_channel_type": said("D0ALICE", HOURS),
    "message__im_emoji_and_escapes": said("D0ALICE", "café 😀 &lt;b&gt; &amp; <https://acme.example|shop>"),
    "message__im_edited_before_delivery": said("D0ALICE", HOURS),
    "message__im_slack_connect": said("D0ALICE", HOURS, user="U0STRANGER"),
    "message__im_enterprise_install": said("D0ALICE", HOURS),
    "message__im_without_authorizations": said("D0ALICE", HOURS),
    "message__im_empty_text": Ignored,
    "message__im_whitespace": Ignored,
    "message__im_own_reply": Ignored,
    # Only the channel's row knows the employee's own account; the webhook ignores this one.
    "message__im_own_account_without_bot_id": said("D0ALICE", "You said: hello", user="U0BOT"),
    "message__im_slackbot": Ignored,
    "message__bot_message": Ignored,
    "message__bot_by_app": Ignored,
    "message__changed": Ignored,
    "message__deleted": Ignored,
    "message__channel_join": Ignored,
    "message__assistant_thread_root": Ignored,
    "message__channel": Ignored,
    "message__channel_mention_copy": Ignored,
    "message__group": Ignored,
    "message__mpim": Ignored,
    "message__without_ts": Unreadable,
    "message__without_user": Unreadable,
    "message__channel_is_a_number": Unreadable,
    "message__user_is_an_object": Unreadable,
    "message__text_is_a_list": Ignored,
    "app_mention__channel": said("C0SHOP", OPEN, TS),
    "app_mention__thread": said("C0SHOP", OPEN, ROOT),
    "app_mention__private_channel": said("G0SECRET", OPEN, TS),
    "app_mention__by_bot": Ignored,
    "app_mention__slack_connect": said("C0SHOP", OPEN, TS, user="U0STRANGER"),
    "app_home_opened__messages": Ignored,
    "reaction_added__message": Ignored,
    "tokens_revoked__bot": Ignored,
    "app_uninstalled__plain": Ignored,
    "member_joined_channel__bot": Ignored,
    "event_callback__without_event": Unreadable,
    "event_callback__event_is_text": Unreadable,
    "block_actions__wrong_door": Unreadable,
}


def payload(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text())
    return loaded


@pytest.mark.parametrize("name", sorted(path.stem for path in PAYLOADS.glob("*.json")))
def test_a_callback_as_slack_documents_it_is_understood(name: str) -> None:
    parsed, expected = parse((PAYLOADS / f"{name}.json").read_bytes()), EXPECTED[name]
    if isinstance(expected, type):
        assert isinstance(parsed, expected)
    else:
        assert parsed == expected


def test_every_payload_has_an_expectation_and_vice_versa() -> None:
    assert set(EXPECTED) == {path.stem for path in PAYLOADS.glob("*.json")}


def test_a_challenge_is_handed_back_as_it_came() -> None:
    parsed = parse((PAYLOADS / "url_verification__plain.json").read_bytes())
    assert parsed == Challenge("", "", payload("url_verification__plain")["challenge"])


def test_in_slack_connect_the_installation_decides_and_not_the_senders_team() -> None:
    parsed = parse((PAYLOADS / "message__im_slack_connect.json").read_bytes())
    assert parsed.team == "T0ACME" != payload("message__im_slack_connect")["team_id"]


@pytest.mark.parametrize(
    "authorizations",
    [
        None,
        [],
        {},
        "T0OTHER",
        [None],
        ["T0OTHER"],
        [{}],
        [{"team_id": None}],
        [{"team_id": 5}],
        [{"team_id": ""}],
    ],
)
def test_authorizations_of_any_other_shape_fall_back_to_the_top_level_team(authorizations: object) -> None:
    parsed = parse(json.dumps(payload("message__im") | {"authorizations": authorizations}).encode())
    assert parsed == said("D0ALICE", HOURS)
