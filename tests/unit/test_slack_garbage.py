"""Callbacks that Slack never sends: nothing makes `parse` raise, nothing unstorable leaves it."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from konstruct.channels.slack import Challenge, Event, Ignored, Message, Unreadable, parse
from konstruct.channels.slack.fields import MAX_TEXT_CHARS

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
    assert len(parsed.source.team) < 1000
    assert len(parsed.source.app) < 1000


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

wrong = st.sampled_from(
    [None, True, 0, -1, 2**70, 1.5, float("nan"), "", "x", [], [[]], ["U0A"], {}, {"ts": {}}, [None]]
)


def object_of(*texts: str, **named: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects with some of these fields, of the expected type or of any other."""
    fields = dict.fromkeys(texts, weird_text | wrong) | {name: inner | wrong for name, inner in named.items()}
    return st.fixed_dictionaries({}, optional=fields)


KINDS = [
    "message", "app_mention", "reaction_added", "reaction_removed", "app_home_opened", "tokens_revoked",
    "app_uninstalled",
]  # fmt: skip
SUBTYPES = ["file_share", "thread_broadcast", "message_changed", "message_deleted", "tombstone", "bot_message"]
files = st.lists(
    object_of("id", "name", "title", "mimetype", "subtype", "mode", "url_private", "url_private_download", "size")
    | wrong,
    max_size=3,
)
shares = st.lists(object_of("text", is_share=st.booleans()), max_size=2)
spoken = object_of(
    "user", "ts", "thread_ts", "text", "user_team", files=files, attachments=shares,
    edited=object_of("ts"), subtype=st.sampled_from(SUBTYPES), bot_id=st.none(),
)  # fmt: skip
events = st.one_of(
    spoken,
    object_of(
        "channel", "user", "ts", "thread_ts", "text", "channel_type", "deleted_ts", "event_ts", "reaction", "tab",
        type=st.sampled_from(KINDS), subtype=st.sampled_from(SUBTYPES), files=files, attachments=shares,
        message=spoken, previous_message=spoken, item=object_of("channel", "ts", type=st.just("message")),
        tokens=object_of(bot=st.lists(weird_text)), bot_id=st.none(),
    ),
)  # fmt: skip
callbacks = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["event_callback", "url_verification", "app_rate_limited"]) | json_values,
        "api_app_id": weird_text | json_values,
        "team_id": weird_text | json_values,
        "challenge": weird_text | json_values,
        "authorizations": st.lists(object_of("team_id", "enterprise_id", is_enterprise_install=st.booleans()))
        | json_values,
        "event_time": st.integers() | json_values,
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


def assert_storable(parsed: Event) -> None:
    """Everything that may reach PostgreSQL or a JSON answer is well-formed text without NUL."""
    if isinstance(parsed, Message):
        assert parsed.text or parsed.files or parsed.kind != "message"
        assert parsed.user and parsed.ts and parsed.channel
    if isinstance(parsed, Ignored | Unreadable):
        assert len(parsed.reason) < 1000
    for text in texts(asdict(parsed)):
        text.encode()
        assert "\0" not in text


def texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, tuple | list):
        for inner in value:
            yield from texts(inner)
