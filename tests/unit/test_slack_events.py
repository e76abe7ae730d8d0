"""Slack's callbacks: every documented shape is understood, and no bytes whatever make `parse` raise."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from konstruct.channels.slack import Challenge, Ignored, Message, Unreadable, parse
from konstruct.channels.slack.events import MAX_TEXT_CHARS
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


def direct(**changes: object) -> bytes:
    """A direct message with parts of its inner event changed."""
    whole = payload("message__im")
    whole["event"] |= changes
    return json.dumps(whole).encode()


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
    [None, [], {}, "T0OTHER", [None], ["T0OTHER"], [{}], [{"team_id": None}], [{"team_id": 5}], [{"team_id": ""}]],
)
def test_authorizations_of_any_other_shape_fall_back_to_the_top_level_team(authorizations: object) -> None:
    parsed = parse(json.dumps(payload("message__im") | {"authorizations": authorizations}).encode())
    assert parsed == said("D0ALICE", HOURS)


@pytest.mark.parametrize("field", ["channel", "user", "ts"])
@pytest.mark.parametrize("value", [None, "", 0, 17.5, True, [], {}, ["D0ALICE"]])
def test_a_message_without_a_usable_id_is_unreadable(field: str, value: object) -> None:
    assert isinstance(parse(direct(**{field: value})), Unreadable)


@pytest.mark.parametrize("field", ["channel", "user", "ts"])
def test_an_id_too_long_for_an_index_is_unreadable(field: str) -> None:
    # PostgreSQL refuses index rows over 2,704 bytes; the refusal would hit all messages of the same commit.
    assert isinstance(parse(direct(**{field: "D" + "9" * 3000})), Unreadable)


@pytest.mark.parametrize("field", ["team_id", "api_app_id"])
def test_a_team_or_app_of_absurd_length_is_not_kept(field: str) -> None:
    # Both are looked up, and remembered, before the signature is checked.
    whole = payload("message__im") | {"authorizations": [], field: "T" * 100_000}
    parsed = parse(json.dumps(whole).encode())
    assert len(parsed.team) < 1000 and len(parsed.app) < 1000


@pytest.mark.parametrize("kind", [None, 5, [], {}, "massage", ["message"]])
def test_an_unknown_kind_of_event_asks_for_nothing(kind: object) -> None:
    assert isinstance(parse(direct(type=kind)), Ignored)


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "\udfff", "\0"])
def test_text_that_postgresql_cannot_store_is_mended(text: str) -> None:
    parsed = parse(direct(text=text))
    assert isinstance(parsed, Message)
    assert "\0" not in parsed.text
    parsed.text.encode()


@pytest.mark.parametrize("field", ["channel", "user", "ts", "thread_ts"])
@pytest.mark.parametrize("broken", ["\0", "\ud83d", "x\0y"])
def test_ids_that_postgresql_cannot_store_are_mended_or_refused(field: str, broken: str) -> None:
    assert_storable(parse(direct(**{field: broken})))


def test_a_challenge_that_json_cannot_encode_is_mended() -> None:
    body = b'{"type": "url_verification", "challenge": "a\\ud800b"}'
    parsed = parse(body)
    if isinstance(parsed, Challenge):
        parsed.challenge.encode()


def test_a_very_long_text_is_cut() -> None:
    parsed = parse(direct(text="x" * (MAX_TEXT_CHARS + 1)))
    assert isinstance(parsed, Message) and len(parsed.text) == MAX_TEXT_CHARS


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
weird_text = st.text(st.characters(), max_size=20) | st.sampled_from(["D0A", "C0A", "U0A", "1.2", "im", "\0", "\ud800"])
events = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["message", "app_mention"]) | json_values,
        "channel": weird_text | json_values,
        "user": weird_text | json_values,
        "ts": weird_text | json_values,
        "thread_ts": weird_text | json_values,
        "text": weird_text | json_values,
        "channel_type": weird_text | json_values,
        "bot_id": json_values,
    },
)
callbacks = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["event_callback", "url_verification", "app_rate_limited"]) | json_values,
        "api_app_id": weird_text | json_values,
        "team_id": weird_text | json_values,
        "challenge": weird_text | json_values,
        "authorizations": st.lists(st.dictionaries(st.just("team_id"), weird_text | json_values)) | json_values,
        "event": events | json_values,
    },
)


@given(st.binary(max_size=300))
@example(b"")
@example(b"null")
@example(b"\xef\xbb\xbf{}")
@example(b"\xff\xfe{\x00}\x00")
@example(b'{"type": "event_callback", "event": {"type": NaN}}')
@example(b"1" * 5000)
@example(b'{"type":' * 500)
@example(b"[" * 100_000)
def test_arbitrary_bytes_never_raise(body: bytes) -> None:
    assert_storable(parse(body))


@given(callbacks)
def test_arbitrary_callbacks_never_raise_and_give_only_what_can_be_stored(callback: dict[str, Any]) -> None:
    assert_storable(parse(json.dumps(callback).encode()))


@pytest.mark.parametrize("field", ["type", "event", "kind", "subtype"])
def test_values_nested_to_the_edge_of_what_json_reads_never_raise(field: str) -> None:
    for depth in range(800, 1010):
        nested = "[" * depth + "]" * depth
        body = {
            "type": f'{{"type": {nested}}}',
            "event": f'{{"type": "event_callback", "event": {nested}}}',
            "kind": f'{{"type": "event_callback", "event": {{"type": {nested}}}}}',
            "subtype": f'{{"type": "event_callback", "event": {{"type": "message", "subtype": {nested}}}}}',
        }[field]
        parse(body.encode())


def assert_storable(parsed: Challenge | Message | Ignored | Unreadable) -> None:
    """Everything that may reach PostgreSQL or a JSON answer is well-formed text without NUL."""
    texts = [parsed.app, parsed.team]
    match parsed:
        case Message():
            texts += [parsed.user, parsed.text, parsed.ts, parsed.address.channel, parsed.address.thread or ""]
            assert parsed.text and parsed.user and parsed.ts and parsed.address.channel
        case Challenge():
            texts.append(parsed.challenge)
        case _:
            texts.append(parsed.reason)
            assert len(parsed.reason) < 1000
    for text in texts:
        text.encode()
        assert "\0" not in text
