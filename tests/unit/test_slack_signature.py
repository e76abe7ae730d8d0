"""Slack's signature: only who knows the secret passes, only for five minutes, only with these bytes."""

import hashlib
import hmac
from collections.abc import Iterable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from slack_sdk.signature import SignatureVerifier

from konstruct.channels import slack
from konstruct.channels.slack.signature import REPLAY_WINDOW_SECONDS
from konstruct.errors import SignatureRejected

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
NOW = 1_793_000_000.0
BODY = b'{"type": "event_callback"}'


def sign(body: bytes = BODY, timestamp: str = "1793000000", secret: str = SECRET) -> str:
    return "v0=" + hmac.new(secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()


def verify(body: bytes, timestamp: str | None, signature: str | None, secrets: Iterable[str], now: float) -> None:
    slack.verify(body, slack.check_form(timestamp, signature, now), secrets)


def rejected(
    body: bytes = BODY,
    timestamp: str | None = "1793000000",
    signature: str | None = None,
    secrets: Iterable[str] = (SECRET,),
) -> str:
    with pytest.raises(SignatureRejected) as caught:
        verify(body, timestamp, signature, secrets, NOW)
    assert caught.value.permanent
    return str(caught.value)


def test_slacks_own_example_passes() -> None:
    # https://docs.slack.dev/authentication/verifying-requests-from-slack
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name="
        b"foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2F"
        b"hooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47"
        b"445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    given_signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    verify(body, "1531420618", given_signature, [SECRET], 1531420618.0)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_we_agree_with_slacks_own_library(body: str) -> None:
    theirs = SignatureVerifier(SECRET).generate_signature(timestamp="1793000000", body=body)
    assert theirs is not None
    verify(body.encode(), "1793000000", theirs, [SECRET], NOW)


@given(st.binary(max_size=100), st.text(max_size=80), st.text(max_size=20))
def test_arbitrary_bytes_never_pass(body: bytes, signature: str, timestamp: str) -> None:
    for stamp in (timestamp, "1793000000"):
        rejected(body, stamp, signature)


@given(st.binary(max_size=100), st.binary(max_size=100))
def test_an_altered_body_never_passes(body: bytes, other: bytes) -> None:
    assume(body != other)
    rejected(other, signature=sign(body))


@given(st.integers(0, 66), st.sampled_from("0123456789abcdefv=AZ "))
def test_one_altered_character_of_the_signature_never_passes(position: int, character: str) -> None:
    signature = sign()
    assume(signature[position] != character)
    rejected(signature=signature[:position] + character + signature[position + 1 :])


@pytest.mark.parametrize("age", [-REPLAY_WINDOW_SECONDS, -1, 0, 1, REPLAY_WINDOW_SECONDS])
def test_a_request_within_the_window_passes(age: int) -> None:
    stamp = str(int(NOW) - age)
    verify(BODY, stamp, sign(timestamp=stamp), [SECRET], NOW)


@pytest.mark.parametrize("age", [-REPLAY_WINDOW_SECONDS - 1, REPLAY_WINDOW_SECONDS + 1, 86_400])
def test_a_replayed_or_postdated_request_is_rejected(age: int) -> None:
    stamp = str(int(NOW) - age)
    assert "five minutes" in rejected(timestamp=stamp, signature=sign(timestamp=stamp))


@pytest.mark.parametrize(
    "timestamp",
    [
        None,
        "",
        "now",
        "-1793000000",
        "1793000000.5",
        " 1793000000",
        "1793000000 ",
        "\u0661\u0667\u0669\u0663" + "\u0660" * 6,
        "1" * 5000,
    ],
)
def test_a_timestamp_of_another_form_is_rejected(timestamp: str | None) -> None:
    rejected(timestamp=timestamp, signature=sign(timestamp=timestamp or ""))


@pytest.mark.parametrize(
    "signature",
    [None, "", "v0=", "v1=" + sign()[3:], sign()[3:], sign().upper(), sign() + "0", "ü" * 67, "\ud800"],
)
def test_a_signature_of_another_form_is_rejected(signature: str | None) -> None:
    rejected(signature=signature)


def test_while_a_secret_is_rotated_both_are_accepted() -> None:
    for secret in ("old-secret", "new-secret"):
        verify(BODY, "1793000000", sign(secret=secret), ["new-secret", "old-secret"], NOW)


@pytest.mark.parametrize("secrets", [(), ("",), ("another",)])
def test_no_secret_an_empty_secret_or_another_secret_is_rejected(secrets: tuple[str, ...]) -> None:
    rejected(signature=sign(secret=""), secrets=secrets)
    rejected(signature=sign(), secrets=secrets)


def test_the_secret_is_not_in_the_refusal() -> None:
    assert SECRET not in rejected(signature=sign(secret="x"))
