"""The session's cookie: where it goes, and what it is worth."""

from datetime import UTC, datetime

import pytest

from deployments.admin.session import Cookies, Forged
from konstruct.database.members import SESSION

HTTPS = Cookies("https://konstruct.example/")
COOKIE = {"cookie": "other=1; __Host-konstruct_session=kss_planted"}


def test_over_https_the_cookie_is_secure_and_of_this_host_only() -> None:
    written = HTTPS.set_session("kss_planted", datetime.now(UTC) + SESSION)
    assert written.startswith("__Host-konstruct_session=kss_planted; Path=/; Max-Age=28800; HttpOnly; SameSite=Lax")
    assert written.endswith("; Secure")
    assert "Domain" not in written
    assert "Secure" not in Cookies("http://127.0.0.1:8000").write("session", "x", 9)


def test_a_cookie_that_another_host_of_the_domain_could_set_counts_for_nothing() -> None:
    assert HTTPS.session({"cookie": "konstruct_session=kss_planted"}) == ""
    assert HTTPS.session(COOKIE) == "kss_planted"


@pytest.mark.parametrize("given", ["", "a=b", "=;;=", "__Host-konstruct_session", 'x="', "\x00"])
def test_cookies_that_are_none_are_no_session(given: str) -> None:
    assert HTTPS.session({"cookie": given}) == ""


def test_reading_needs_the_cookie_only_and_a_token_goes_first() -> None:
    assert HTTPS.credential("GET", COOKIE) == "Bearer kss_planted"
    assert HTTPS.credential("POST", COOKIE | {"authorization": "Bearer t"}) == "Bearer t"
    assert HTTPS.credential("POST", {}) == ""


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_writing_needs_a_header_that_no_other_site_can_send(method: str) -> None:
    ours = {"x-konstruct-csrf": "1"}
    for headers in ({}, {"origin": "https://konstruct.example"}, ours | {"origin": "https://evil.example"},
                    ours | {"origin": "null"}, ours | {"origin": "http://konstruct.example"}):  # fmt: skip
        with pytest.raises(Forged):
            HTTPS.credential(method, COOKIE | headers)
    assert HTTPS.credential(method, COOKIE | ours) == "Bearer kss_planted"
    assert HTTPS.credential(method, COOKIE | ours | {"origin": "https://konstruct.example"}) == "Bearer kss_planted"
