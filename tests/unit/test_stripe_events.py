"""Stripe's webhook: signatures on raw bytes, and events of every shape."""

import random
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from konstruct.billing.event import EventUnreadable, event_of, metadata_of, parse, snapshot_of, subscription_of
from konstruct.billing.signature import verify
from konstruct.errors import SignatureRejected
from simulator.stripe.notifier import signed, thinned
from tests.stripe_history import recorded

NOW = 1_800_000_000.0
BODY = b'{"id":"evt_1"}'


def header(*secrets: str, body: bytes = BODY, at: float = NOW) -> str:
    return signed(body, secrets, at)["Stripe-Signature"]


def test_either_secret_of_a_rotation_is_accepted() -> None:
    verify(["whsec_new", "whsec_old"], header("whsec_old"), BODY, NOW)
    verify(["whsec_new", "whsec_old"], header("whsec_new"), BODY, NOW)
    verify(["whsec_new"], header("whsec_other", "whsec_new"), BODY, NOW)


def test_stripes_own_sdk_signs_as_we_check() -> None:
    from stripe import WebhookSignature

    made = WebhookSignature.generate_signature_header(BODY.decode(), "whsec_new")
    verify(["whsec_new"], made, BODY, time.time())


def test_a_signature_is_good_for_five_minutes_in_either_direction() -> None:
    verify(["s"], header("s", at=NOW - 299), BODY, NOW)
    for at in (NOW - 302, NOW + 302):
        with pytest.raises(SignatureRejected, match="300 s"):
            verify(["s"], header("s", at=at), BODY, NOW)


def test_a_wrong_secret_is_named_as_what_to_look_at() -> None:
    with pytest.raises(SignatureRejected, match="KONSTRUCT_STRIPE_WEBHOOK_SECRETS"):
        verify(["whsec_a", "whsec_b"], header("whsec_c"), BODY, NOW)


@pytest.mark.parametrize(
    "given",
    ["", "t=1", "v1=abc", f"t={NOW:.0f}", f"t=x,v1={'0' * 64}", f"t=²,v1={'0' * 64}", f"t={NOW:.0f},v1=é", "t=,v1=",
     f"t={NOW:.0f}" + ",v1=0" * 1000, "\0", f"t={NOW:.0f},v0={'0' * 64}"],
)  # fmt: skip
def test_a_header_of_any_other_kind_is_refused(given: str) -> None:
    with pytest.raises(SignatureRejected):
        verify(["s"], given, BODY, NOW)


def test_an_empty_secret_signs_nothing() -> None:
    with pytest.raises(SignatureRejected):
        verify([""], header(""), BODY, NOW)


@given(st.binary(max_size=200), st.integers(0, 10_000))
def test_a_body_that_was_altered_by_one_byte_is_refused(body: bytes, place: int) -> None:
    altered = bytearray(body or b"\0")
    altered[place % len(altered)] ^= 1 + place % 255
    with pytest.raises(SignatureRejected):
        verify(["s"], header("s", body=body), bytes(altered), NOW)


def test_every_recorded_event_is_read() -> None:
    for raw in recorded():
        event = parse(orjson.dumps(raw))
        assert (event.id, event.type, event.thin) == (raw["id"], raw["type"], False)
        if event.type.startswith("customer.subscription."):
            snapshot = snapshot_of(event.about)
            assert snapshot is not None
            assert snapshot.period_start_at is not None
            assert metadata_of(event.about)["konstruct_tenant"] == "acme"
        if event.type.startswith("invoice."):
            assert subscription_of(event.about).startswith("sub_")


def test_a_thin_event_names_what_to_ask_for() -> None:
    raw = next(event for event in recorded() if event["type"] == "customer.subscription.updated")
    event = event_of(thinned(raw))
    assert (event.thin, event.type, event.snapshot_event) == (True, raw["type"], raw["id"])
    assert event.related == f"/v1/subscriptions/{raw['data']['object']['id']}"
    assert event.at == raw["created"]


def test_shapes_of_older_and_newer_versions_are_understood() -> None:
    old = {
        "object": "subscription", "id": "sub_1", "customer": "cus_1", "status": "active", "created": 5,
        "current_period_start": 5, "current_period_end": 9, "items": {"data": [{"price": {"id": "p"}}]},
    }  # fmt: skip
    found = snapshot_of(old)
    assert found is not None
    assert (found.period_start_at, found.period_end_at, found.prices, found.started_at) == (5, 9, ("p",), 5)
    new: dict[str, Any] = {**old, "customer": {"id": "cus_1"}, "status": "hibernating", "items": ["odd"], "more": {}}
    found = snapshot_of(new)
    assert found is not None
    assert (found.customer, found.status, found.prices) == ("cus_1", "hibernating", ())
    assert subscription_of({"object": "invoice", "subscription": "sub_old"}) == "sub_old"


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense", b"[]", b"{}", b'{"id":"evt_1"}', b'{"id":1,"type":2}', b'{"id":"e","type":"t","created":1}',
     b'{"id":"e","type":"t","created":"x","data":{"object":{}}}',
     b'{"id":"e","type":"t","created":1e999,"data":{"object":{}}}',
     b"[" * 100_000],
    ids=range(10),
)  # fmt: skip
def test_what_is_no_event_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(EventUnreadable):
        parse(body)


def test_any_mutation_of_a_recorded_event_is_read_or_refused_but_never_breaks() -> None:
    chance = random.Random(5)
    odd = [None, True, -1, 1e300, "", "x" * 500, "\ud800\0", [], {}, [[]], {"id": 5}]
    for raw in recorded() * 20:
        mutated = orjson.loads(orjson.dumps(raw))
        _spoil(mutated, chance, odd)
        try:
            event = event_of(mutated)
        except EventUnreadable:
            continue
        snapshot_of(event.about)
        subscription_of(event.about)
        metadata_of(event.about)


def _spoil(tree: Any, chance: random.Random, odd: list[Any]) -> None:
    while isinstance(tree, dict | list) and tree:
        key = chance.choice(list(tree) if isinstance(tree, dict) else range(len(tree)))
        if chance.random() < 0.3 or not isinstance(tree[key], dict | list):
            tree[key] = chance.choice(odd)
            return
        tree = tree[key]
