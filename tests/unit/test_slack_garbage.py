"""Callbacks that Slack never sends: nothing makes `parse` raise, nothing unstorable leaves it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from konstruct.channels.slack import Challenge, Ignored, Message, Unreadable, parse
from konstruct.channels.slack.events import MAX_TEXT_CHARS

ORDINARY = Path(__file__).parents[1] / "payloads" / "slack" / "message__im.json"


def ordinary() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(ORDINARY.read_text())
    return loaded


def direct(**changes: object) -> bytes:
    """A direct message with parts of its inner event changed."""
    whole = ordinary()
    whole["event"] |= changes
    return json.dumps(whole).encode()


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
    whole = ordinary() | {"authorizations": [], field: "T" * 100_000}
    parsed = parse(json.dumps(whole).encode())
    assert len(parsed.team) < 1000
    assert len(parsed.app) < 1000


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
    assert isinstance(parsed, Message)
    assert len(parsed.text) == MAX_TEXT_CHARS


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
            texts += [
                parsed.user,
                parsed.text,
                parsed.ts,
                parsed.address.channel,
                parsed.address.thread or "",
            ]
            assert parsed.text
            assert parsed.user
            assert parsed.ts
            assert parsed.address.channel
        case Challenge():
            texts.append(parsed.challenge)
        case _:
            texts.append(parsed.reason)
            assert len(parsed.reason) < 1000
    for text in texts:
        text.encode()
        assert "\0" not in text
