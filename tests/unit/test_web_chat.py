"""The web chat's tokens, bodies, pace and page: pure parts."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.doors.web_allowance import BURST_MESSAGES, Allowance
from deployments.doors.web_page import page
from konstruct.channels.web_chat import Message, Unreadable, parse, sign, verify
from konstruct.errors import SignatureRejected

NOW = 1_790_000_000
SECRET = "a-secret-of-the-shop"
TOKEN = sign(SECRET, "shop", "anna", NOW + 60)


def refused(token: str, site: str = "shop", secrets: tuple[str, ...] = (SECRET,), now: float = NOW) -> str:
    with pytest.raises(SignatureRejected) as caught:
        verify(token, site, secrets, now)
    return str(caught.value)


def test_a_token_names_its_visitor_while_it_lasts() -> None:
    assert verify(TOKEN, "shop", [SECRET], NOW) == "anna"
    assert verify(TOKEN, "shop", ["another secret", SECRET], NOW + 59) == "anna"


def test_a_token_is_refused_for_another_site_secret_visitor_or_time() -> None:
    assert "not signed" in refused(TOKEN, site="other")
    assert "not signed" in refused(TOKEN, secrets=("wrong",))
    assert "not signed" in refused(TOKEN, secrets=())
    assert "not signed" in refused(TOKEN.replace("anna", "bert"))
    assert "not signed" in refused(TOKEN.replace(str(NOW + 60), str(NOW + 99)))
    assert "expired" in refused(TOKEN, now=NOW + 60)
    assert "expired" in refused(sign(SECRET, "shop", "anna", NOW + 40 * 24 * 3600))


def test_an_empty_secret_signs_nothing() -> None:
    assert "not signed" in refused(sign("", "shop", "anna", NOW + 60), secrets=("",))


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_no_other_text_is_a_token(text: str) -> None:
    assert refused(text)


@pytest.mark.parametrize("visitor", ["", "a.b", "a b", "ä", "x" * 65, "a:b"])
def test_a_visitor_that_a_token_cannot_name_is_refused_at_once(visitor: str) -> None:
    with pytest.raises(ValueError, match="A visitor is named by"):
        sign(SECRET, "shop", visitor, NOW)


def test_a_message_is_an_id_and_a_text() -> None:
    id_ = uuid4()
    assert parse(json.dumps({"id": str(id_), "text": " hi\0 "}).encode()) == Message(id_, "hi\ufffd")


@given(
    st.binary() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(lambda x: json.dumps(x).encode())
)
def test_any_other_body_is_named_unreadable(body: bytes) -> None:
    assert isinstance(parse(body), Unreadable)


@pytest.mark.parametrize(
    "found",
    [
        {"id": "1", "text": "x"},
        {"id": str(UUID(int=1)), "text": " "},
        {"id": str(UUID(int=1)), "text": 5},
        {"id": str(UUID(int=1)), "text": "x" * 8_001},
        {"id": "{" + str(UUID(int=1))[:-2] + "}", "text": "x"},
    ],
)
def test_a_message_that_is_not_the_pages_is_refused_with_a_reason(found: dict[str, object]) -> None:
    answer = parse(json.dumps(found).encode())
    assert isinstance(answer, Unreadable)
    assert answer.reason


def test_one_visitor_may_write_in_a_burst_and_then_only_so_fast() -> None:
    allowance, anna, bert = Allowance(), uuid4(), uuid4()
    assert [allowance.wait(anna, 0.0) for _ in range(BURST_MESSAGES)] == [0.0] * BURST_MESSAGES
    assert allowance.wait(anna, 0.0) == pytest.approx(2.0)
    assert allowance.wait(bert, 0.0) == 0.0
    assert allowance.wait(anna, 2.1) == 0.0
    assert allowance.wait(anna, 2.1) > 0


def test_the_page_runs_its_own_script_only_and_may_be_framed_by_its_site_only() -> None:
    response = page('Ada <"&', ["https://shop.example"])
    text, policy = bytes(response.body).decode(), response.headers["content-security-policy"]
    script = re.search(r"<script>(.*)</script>", text, re.DOTALL)
    assert script is not None
    assert f"script-src 'sha256-{b64encode(sha256(script[1].encode()).digest()).decode()}'" in policy
    assert "frame-ancestors 'self' https://shop.example" in policy
    assert "unsafe" not in policy
    assert "Ada &lt;&quot;&amp;" in text
    assert "{{" not in text
    assert "innerHTML" not in text
