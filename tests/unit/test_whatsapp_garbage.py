"""Webhooks that Meta never sends: nothing makes `parse` raise, nothing unstorable leaves it."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from konstruct.channels.whatsapp import Notice, Record, Said, Unreadable, parse
from konstruct.channels.whatsapp.fields import MAX_ID_CHARS, MAX_TEXT_CHARS

PAYLOADS = sorted((Path(__file__).parents[1] / "payloads" / "whatsapp").glob("*.json"))
ORDINARY = json.loads(next(path for path in PAYLOADS if path.stem == "text__plain").read_text())


def text_message(**changes: object) -> bytes:
    """An ordinary text message with parts changed; None takes a part away."""
    whole = json.loads(json.dumps(ORDINARY))
    message = whole["entry"][0]["changes"][0]["value"]["messages"][0]
    message |= changes
    return json.dumps(whole).encode()


@pytest.mark.parametrize("value", [None, "", 0, 17.5, True, [], {}, ["wamid.1"], "w" * (MAX_ID_CHARS + 1)])
def test_a_message_without_a_usable_id_is_unreadable(value: object) -> None:
    assert [type(record) for record in parse(text_message(id=value))] == [Unreadable]


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "\udfff", "\0"])
def test_text_that_postgresql_cannot_store_is_mended(text: str) -> None:
    (parsed,) = parse(text_message(text={"body": text}))
    assert isinstance(parsed, Said)
    assert_storable(parsed)
    assert "\ufffd" in parsed.text


def test_a_very_long_text_is_cut() -> None:
    (parsed,) = parse(text_message(text={"body": "x" * (3 * MAX_TEXT_CHARS)}))
    assert isinstance(parsed, Said)
    assert len(parsed.text) == MAX_TEXT_CHARS


@pytest.mark.parametrize("at", [None, "", "soon", -5, 1e300, True, "1" * 400, [], "١٧٩٣"])
def test_a_timestamp_that_is_none_is_told_as_unknown(at: object) -> None:
    (parsed,) = parse(text_message(timestamp=at))
    assert isinstance(parsed, Said)
    assert parsed.at == 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where values stand in a JSON document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, one in inner for path in paths(one, (*at, key)))]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A documented webhook with one to three of its values replaced by anything."""
    whole = json.loads(draw(st.sampled_from(PAYLOADS)).read_text())
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(paths(whole)))
        place, value = whole, draw(json_values)
        if not path:
            whole = value
            continue
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
    return json.dumps(whole).encode()


@given(damaged())
def test_a_damaged_webhook_never_raises_and_gives_only_what_can_be_stored(body: bytes) -> None:
    for record in parse(body):
        assert_storable(record)


@given(st.binary(max_size=300))
@example(b"")
@example(b"null")
@example(b"\xef\xbb\xbf{}")
@example(b'{"object": "whatsapp_business_account", "entry": NaN}')
@example(b"1" * 5000)
@example(b'{"entry":' * 500)
@example(b"[" * 100_000)
def test_arbitrary_bytes_never_raise_and_are_kept(body: bytes) -> None:
    records = parse(body)
    assert [type(record) for record in records] == [Unreadable]
    assert_storable(records[0])


PLACES = {
    "an entry": '{"object": "whatsapp_business_account", "entry": [%s]}',
    "a value": '{"object": "whatsapp_business_account", "entry": [{"changes": [{"field": "messages", "value": %s}]}]}',
    "a form": text_message(
        type="interactive", interactive={"type": "nfm_reply", "nfm_reply": {"response_json": "DEEP"}}
    )
    .decode()
    .replace("DEEP", "%s"),
    "a body": text_message(text={"body": "DEEP"}).decode().replace('"DEEP"', "%s"),
}


@pytest.mark.parametrize("place", PLACES)
def test_values_nested_to_the_edge_of_what_json_reads_never_raise(place: str) -> None:
    for depth in range(800, 1010):
        for record in parse((PLACES[place] % ("[" * depth + "]" * depth)).encode()):
            assert_storable(record)


@pytest.mark.parametrize("reply", ['{"a": [[[[1]]]]}', '{"a": {"title": ["x"]}}', "[1]", '"x"', "null", '{"a": 1e999}'])
def test_a_form_filled_in_oddly_never_raises(reply: str) -> None:
    form = {"type": "nfm_reply", "nfm_reply": {"response_json": reply}}
    for record in parse(text_message(type="interactive", interactive=form)):
        assert_storable(record)


def assert_storable(record: Record) -> None:
    """Everything that may reach PostgreSQL or a log is well-formed, bounded text without NUL."""
    for text in texts_of(record):
        text.encode()
        assert "\0" not in text
        assert len(text) <= MAX_TEXT_CHARS
    match record:
        case Said():
            assert record.number
            assert record.id
            assert record.person.aliases
            assert record.text or record.attachments or record.kind in ("reaction", "delete", "edit")
            assert record.target or record.kind not in ("reaction", "delete", "edit")
        case Unreadable() | Notice():
            assert len(texts_of(record)[-1]) < 5000


def texts_of(value: Any) -> list[str]:
    """All texts in a record, however deep."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, tuple):
        return [text for one in value for text in texts_of(one)]
    if hasattr(type(value), "__dataclass_fields__"):
        return [text for field in fields(value) for text in texts_of(getattr(value, field.name))]
    return []
