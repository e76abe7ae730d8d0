"""Slack's callbacks: every documented shape is understood."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from konstruct.channels.slack import (
    Challenge,
    Disconnected,
    Event,
    Ignored,
    Limited,
    Message,
    Opened,
    Reaction,
    Source,
    Unreadable,
    parse,
)
from konstruct.messages import Attachment

PAYLOADS = Path(__file__).parents[1] / "payloads" / "slack"
TS, ROOT, EDITED = "1793000000.000100", "1792999999.000100", "1793000005.000200"
HOURS, NEW_HOURS = "What are your opening hours?", "What are your hours?"
OPEN = "<@U0BOT> is the shop open?"
ACME, CORP = Source("A0ACME", "T0ACME"), Source("A0ACME", "T0ACME", "E0CORP")
FILES = "https://files.slack.com/files-pri/"


def said(channel: str, text: str, thread: str = "", user: str = "U0ALICE", **more: Any) -> Message:
    team = "T0PARTNER" if user == "U0STRANGER" else "T0ACME"
    known = {"source": ACME, "user_team": team} | more
    return Message(channel=channel, direct=channel[0] == "D", thread=thread, ts=TS, user=user, text=text, **known)


def mentioned(channel: str, thread: str = "", user: str = "U0ALICE") -> Message:
    return said(channel, OPEN, thread, user, mentioned=True)


def edited(channel: str, text: str, thread: str = "") -> Message:
    return said(channel, text, thread, user_team="", kind="edit", change=EDITED)


def deleted(channel: str, thread: str = "") -> Message:
    return said(channel, "", thread, user_team="", kind="delete", change="deleted")


def reacted(*, removed: bool) -> Reaction:
    return Reaction(ACME, "D0ALICE", TS, "U0ALICE", "", "thumbsup", removed, "1793000001.000000")


PDF = Attachment("document", "menu.pdf", "application/pdf", FILES + "T0ACME-F0MENU/download/menu.pdf", 48213)
CLIP_URL = FILES + "T0ACME-F0CLIP/download/audio_message.m4a"
CLIP = Attachment("audio", "audio_message.m4a", "audio/mp4", CLIP_URL, 30211, voice=True)
TO_BE_ASKED_FOR = Attachment("document", "file", "application/octet-stream", "F0PART")
ODD = (
    Attachment("document", "file", "application/octet-stream", "F0ODD"),
    Attachment("image", "a.png", "image/png", "https://files.slack.com/a.png"),
)

EXPECTED: dict[str, Event | type[Challenge | Ignored | Unreadable]] = {
    "url_verification__plain": Challenge,
    "app_rate_limited__team": Limited(ACME),
    "message__im": said("D0ALICE", HOURS),
    "message__im_thread_reply": said("D0ALICE", HOURS, ROOT),
    "message__im_agent_thread_root": said("D0ALICE", HOURS, TS),
    "message__im_without_channel_type": said("D0ALICE", HOURS),
    "message__im_emoji_and_escapes": said("D0ALICE", "café 😀 &lt;b&gt; &amp; <https://acme.example|shop>"),
    "message__im_edited_before_delivery": said("D0ALICE", HOURS),
    "message__im_slack_connect": said("D0ALICE", HOURS, user="U0STRANGER"),
    "message__im_enterprise_install": said("D0ALICE", HOURS, source=CORP),
    "message__im_without_authorizations": said("D0ALICE", HOURS),
    "message__im_empty_text": Ignored,
    "message__im_whitespace": Ignored,
    "message__im_own_reply": Ignored,
    # Only the channel's row knows the employee's own account; the door ignores this one.
    "message__im_own_account_without_bot_id": said("D0ALICE", "You said: hello", user="U0BOT"),
    "message__im_slackbot": Ignored,
    "message__im_by_workflow": Ignored,
    "message__im_file": said("D0ALICE", "Is this current?", files=(PDF,)),
    "message__im_voice_without_text": said("D0ALICE", "", files=(CLIP,)),
    "message__im_files_deleted": Ignored,
    "message__im_file_slack_connect": said("D0ALICE", "", user="U0STRANGER", files=(TO_BE_ASKED_FOR,)),
    "message__im_files_are_wrong": said("D0ALICE", "look", files=ODD),
    "message__im_me": said("D0ALICE", "waves"),
    "message__im_forwarded": said("D0ALICE", "> We close at six."),
    "message__bot_message": Ignored,
    "message__bot_by_app": Ignored,
    "message__changed": edited("D0ALICE", NEW_HOURS),
    "message__changed_without_previous": replace(edited("D0ALICE", NEW_HOURS), change="1793000005.000000"),
    "message__changed_in_channel_thread": edited("C0SHOP", "<@U0BOT> and on Monday?", ROOT),
    "message__changed_to_tombstone": deleted("C0SHOP", TS),
    "message__changed_by_preview": Ignored,
    "message__changed_by_preview_after_edit": Ignored,
    "message__changed_own_answer": Ignored,
    "message__changed_without_message": Ignored,
    "message__deleted": deleted("D0ALICE"),
    "message__deleted_own_answer": Ignored,
    "message__deleted_without_previous": replace(deleted("D0ALICE"), user=""),
    "message__deleted_join_notice": Ignored,
    "message__channel_join": Ignored,
    "message__assistant_thread_root": Ignored,
    "message__channel": said("C0SHOP", "good morning everyone"),
    "message__channel_mention_copy": said("C0SHOP", OPEN),
    "message__channel_thread_reply": said("C0SHOP", "And on Sunday?", ROOT),
    "message__channel_thread_aside": said("C0SHOP", "<@U0BOB> what do you think?", ROOT),
    "message__channel_thread_broadcast": said("C0SHOP", "For all: is it open?", ROOT),
    "message__group": said("G0SECRET", "only us here"),
    "message__mpim": said("G0THREE", "three of us"),
    "message__mpim_mention": said("G0THREE", "<@U0BOT> three of us"),
    "message__mpim_thread_reply": said("G0THREE", "three of us", ROOT),
    "message__without_ts": Unreadable,
    "message__without_user": Unreadable,
    "message__channel_is_a_number": Unreadable,
    "message__user_is_an_object": Unreadable,
    "message__text_is_a_list": Ignored,
    "app_mention__channel": mentioned("C0SHOP"),
    "app_mention__thread": mentioned("C0SHOP", ROOT),
    "app_mention__private_channel": mentioned("G0SECRET"),
    "app_mention__by_bot": Ignored,
    "app_mention__slack_connect": mentioned("C0SHOP", user="U0STRANGER"),
    "app_home_opened__messages": Opened(ACME, "U0ALICE", "D0ALICE", "messages"),
    "app_home_opened__home": Opened(ACME, "U0ALICE", "D0ALICE", "home"),
    "app_home_opened__other_tab": Ignored,
    "app_context_changed__channel": Ignored,
    "assistant_thread_started__plain": Ignored,
    "reaction_added__message": reacted(removed=False),
    "reaction_removed__message": reacted(removed=True),
    "reaction_added__file": Ignored,
    "reaction_added__without_name": Unreadable,
    "tokens_revoked__bot": Disconnected(ACME, 1793000000.0, ("U0BOT",)),
    "tokens_revoked__wrong_types": Disconnected(ACME, 1793000000.0, ("U0BOT",)),
    "tokens_revoked__person": Ignored,
    "app_uninstalled__plain": Disconnected(ACME, 1793000000.0),
    "app_uninstalled__organisation": Disconnected(Source("A0ACME", "", "E0CORP"), 1793000000.0),
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
    assert parsed == Challenge(Source("", ""), payload("url_verification__plain")["challenge"])


def test_in_slack_connect_the_installation_decides_and_not_the_senders_team() -> None:
    parsed = parse((PAYLOADS / "message__im_slack_connect.json").read_bytes())
    assert parsed.source.team == "T0ACME" != payload("message__im_slack_connect")["team_id"]


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
