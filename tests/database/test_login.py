"""People log in at a real OpenID provider, and their session is worth what they may do today."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio

from tests.admin_rig import AdminRig, admin_rig
from tests.oidc import CALLBACK, Browser, Provider, provider

GRACE = "grace@example.com"
WRITE = {"X_Konstruct_CSRF": "1"}


@pytest.fixture(scope="module")
def idp() -> Iterator[Provider]:
    with provider() as running:
        yield running


@pytest_asyncio.fixture
async def k(idp: Provider, database_url: str, tmp_path: Path) -> AsyncIterator[AdminRig]:
    await idp.know("grace", email="Grace@Example.com", email_verified=True, name="Grace")
    async with admin_rig(database_url, tmp_path, **await idp.register()) as whole:
        yield whole


async def let_in(k: AdminRig, role: str = "owner", tenant: str = "acme", email: str = GRACE) -> None:
    saved = await k.ask(f"/tenants/{tenant}/members/{email}", "PUT", body={"role": role})
    assert (saved.status, saved.body["role"]) == (200, role), saved.text


async def test_a_member_logs_in_and_may_do_what_the_role_says(k: AdminRig) -> None:
    await let_in(k, "viewer")
    browser = Browser(k)
    answer = await browser.log_in("grace")
    assert (answer.status, answer.headers["Location"]) == (303, "/admin/v1/session")
    me = (await browser.open("/admin/v1/session")).body
    assert (me["email"], me["name"], me["tenant"], me["role"]) == (GRACE, "Grace", "acme", "viewer")
    assert (await browser.open("/admin/v1/tenants/acme")).status == 200
    assert (await browser.open("/admin/v1/tenants/globex")).status == 404
    assert [t["name"] for t in (await browser.open("/admin/v1/tenants")).body["items"]] == ["acme"]
    refused = await browser.open("/admin/v1/tenants/acme/members")
    assert refused.status == 403
    await let_in(k, "owner")
    assert (await browser.open("/admin/v1/tenants/acme/members")).status == 200


async def test_what_the_provider_is_asked_carries_pkce_nonce_and_state(k: AdminRig) -> None:
    begun = await Browser(k).open("/admin/v1/login")
    asked = parse_qs(urlsplit(begun.headers["Location"]).query)
    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == [CALLBACK]
    assert all(len(asked[name][0]) >= 43 for name in ("code_challenge", "nonce", "state"))
    again = parse_qs(urlsplit((await Browser(k).open("/admin/v1/login")).headers["Location"]).query)
    assert all(asked[name] != again[name] for name in ("code_challenge", "nonce", "state"))


async def test_cookies_are_out_of_reach_of_scripts_and_other_sites(k: AdminRig) -> None:
    await let_in(k)
    browser = Browser(k)
    await browser.log_in("grace")
    (session,) = [cookie for cookie in browser.set if cookie.startswith("konstruct_session=")]
    assert "HttpOnly" in session and "SameSite=Lax" in session and "Path=/" in session
    assert "konstruct_login" not in browser.cookies
    token = browser.cookies["konstruct_session"]
    assert len(token) >= 43
    assert k.sql("select count(*) from sessions where position(%s in encode(token, 'escape')) > 0", token) == [(0,)]
    assert k.sql("select count(*), max(octet_length(token)) from sessions") == [(1, 32)]


async def test_an_answer_that_another_browser_began_is_refused(k: AdminRig, idp: Provider) -> None:
    """Else somebody could be logged in as somebody else without noticing."""
    await let_in(k)
    attacker, victim = Browser(k), Browser(k)
    begun = await attacker.open("/admin/v1/login")
    back = await attacker.consent(begun.headers["Location"], "grace")
    assert (await victim.open(back)).status == 400
    await victim.open("/admin/v1/login")
    assert (await victim.open(back)).status == 400
    assert victim.cookies.keys() == {"konstruct_login"}
    assert (await attacker.open(back)).status == 303


async def test_a_stolen_code_is_worth_nothing_in_another_browser_or_twice(k: AdminRig, idp: Provider) -> None:
    await let_in(k)
    victim, attacker = Browser(k), Browser(k)
    back = await victim.consent((await victim.open("/admin/v1/login")).headers["Location"], "grace")
    code = parse_qs(urlsplit(back).query)["code"][0]
    theirs = parse_qs(urlsplit((await attacker.open("/admin/v1/login")).headers["Location"]).query)["state"][0]
    stolen = await attacker.open(f"/admin/v1/login/callback?state={theirs}&code={code}")
    assert (stolen.status, "invalid_grant" in stolen.text) == (403, True)
    assert (await victim.open(back)).status == 403
    assert k.sql("select count(*) from sessions") == [(0,)]


@pytest.mark.parametrize(
    "query", ["", "?state=x", "?state=%C3%BC&code=y", "?code=y", f"?state={'x' * 3000}", "?error=access_denied"]
)
async def test_a_callback_out_of_nowhere_is_refused(k: AdminRig, query: str) -> None:
    answer = await Browser(k).open(f"/admin/v1/login/callback{query}")
    assert answer.status in {400, 422}
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_somebody_who_does_not_consent_is_told_so(k: AdminRig) -> None:
    browser = Browser(k)
    begun = await browser.open("/admin/v1/login")
    back = await browser.consent(begun.headers["Location"], "grace", "deny")
    state = parse_qs(urlsplit(begun.headers["Location"]).query)["state"][0]
    separator = "&" if "?" in back else "?"
    answer = await browser.open(back if "state=" in back else f"{back}{separator}state={state}")
    assert (answer.status, "access_denied" in answer.text) == (400, True)


async def test_only_a_verified_address_of_a_member_opens(k: AdminRig, idp: Provider) -> None:
    await let_in(k)
    await idp.know("mallory", email=GRACE, email_verified=False)
    await idp.know("nobody", name="Nobody")
    await idp.know("eve", email="eve@example.com", email_verified=True)
    told = [(await Browser(k).log_in(subject)).text for subject in ("mallory", "nobody", "eve")]
    assert "not verified" in told[0]
    assert "no e-mail address" in told[1]
    assert "konstruct members add" in told[2] and "acme" not in told[2]
    assert k.sql("select count(*) from sessions") == [(0,)]


async def test_a_write_with_the_cookie_alone_is_refused_as_forged(k: AdminRig) -> None:
    await let_in(k)
    browser = Browser(k)
    await browser.log_in("grace")
    path, body = "/admin/v1/tenants/acme/members/new@example.com", {"role": "viewer"}
    assert (await browser.open(path, "PUT", body=body)).status == 403
    assert (await browser.open(path, "PUT", body=body, Origin="https://evil.example", **WRITE)).status == 403
    assert (await browser.open("/admin/v1/session", "DELETE")).status == 403
    assert k.sql("select count(*) from members") == [(1,)]
    assert (await browser.open(path, "PUT", body=body, **WRITE)).status == 200
    preflight = await browser.open(path, "OPTIONS", Origin="https://evil.example")
    assert "Access-Control-Allow-Origin" not in preflight.headers


async def test_logging_out_ends_the_session_for_whoever_kept_the_cookie(k: AdminRig) -> None:
    await let_in(k)
    browser = Browser(k)
    await browser.log_in("grace")
    kept = Browser(k, dict(browser.cookies))
    assert (await browser.open("/admin/v1/session", "DELETE", **WRITE)).status == 204
    assert browser.cookies == {}
    gone = await kept.open("/admin/v1/session")
    assert gone.status == 401
    assert kept.cookies == {}


@pytest.mark.parametrize("how", ["removed", "logged out everywhere", "expired"])
async def test_a_session_ends_with_the_next_request(k: AdminRig, how: str) -> None:
    await let_in(k)
    browser = Browser(k)
    await browser.log_in("grace")
    member = f"/tenants/acme/members/{GRACE}"
    if how == "removed":
        assert (await k.ask(member, "DELETE")).status == 204
        assert (await k.ask(member, "DELETE")).status == 404
    elif how == "expired":
        k.sql("update sessions set expires_at = now() - interval '1 second'")
    else:
        assert (await k.ask(f"{member}/sessions", "DELETE")).status == 204
    assert (await browser.open("/admin/v1/tenants/acme")).status == 401
    again = await Browser(k).log_in("grace")
    assert again.status == (403 if how == "removed" else 303)
    assert k.sql("select count(*) from sessions") == [(0 if how == "removed" else 1,)]


async def test_a_browser_forgets_a_session_that_has_ended_though_somebody_guesses_tokens(k: AdminRig) -> None:
    await let_in(k)
    browser = Browser(k)
    await browser.log_in("grace")
    for n in range(20):
        await k.ask("/tenants", token=f"guess-{n}")
    k.sql("update sessions set expires_at = now() - interval '1 second'")
    assert (await browser.open("/admin/v1/session")).status == 429
    assert browser.cookies == {}


async def test_a_member_of_two_tenants_chooses_and_changes(k: AdminRig) -> None:
    await let_in(k, "viewer", "acme")
    await let_in(k, "owner", "globex")
    browser = Browser(k)
    await browser.log_in("grace", "?tenant=globex")
    me = (await browser.open("/admin/v1/session")).body
    assert (me["tenant"], me["role"]) == ("globex", "owner")
    assert me["tenants"] == [{"tenant": "acme", "role": "viewer"}, {"tenant": "globex", "role": "owner"}]
    assert (await browser.open("/admin/v1/session", "POST", body={"tenant": "initech"}, **WRITE)).status == 404
    before = Browser(k, dict(browser.cookies))
    changed = await browser.open("/admin/v1/session", "POST", body={"tenant": "acme"}, **WRITE)
    assert (changed.body["tenant"], changed.body["role"]) == ("acme", "viewer")
    assert (await browser.open("/admin/v1/tenants/globex")).status == 404
    assert (await before.open("/admin/v1/session")).status == 401


async def test_a_session_ends_when_the_login_says_whichever_tenant_is_chosen(k: AdminRig) -> None:
    await let_in(k, "owner", "acme")
    await let_in(k, "owner", "globex")
    browser = Browser(k)
    await browser.log_in("grace", "?tenant=acme")
    k.sql("update sessions set expires_at = now() + interval '1 minute'")
    ends = (await browser.open("/admin/v1/session")).body["expires_at"]
    for chosen in ("acme", "globex"):
        again = await browser.open("/admin/v1/session", "POST", body={"tenant": chosen}, **WRITE)
        assert (again.body["tenant"], again.body["expires_at"]) == (chosen, ends)
        assert 0 < int(browser.set[0].partition("Max-Age=")[2].partition(";")[0]) <= 60


@pytest.mark.parametrize(
    ("to", "leads"),
    [
        ("/console", "/console"),
        ("/console?tab=a", "/console?tab=a"),
        ("https://evil.example/", "/admin/v1/session"),
        ("//evil.example", "/admin/v1/session"),
        ("/\\evil.example", "/admin/v1/session"),
        ("/%0d%0aSet-Cookie:x=y", "/admin/v1/session"),
    ],
)
async def test_the_login_leads_to_our_own_pages_only(k: AdminRig, to: str, leads: str) -> None:
    await let_in(k)
    answer = await Browser(k).log_in("grace", f"?to={to.replace('?', '%3F')}")
    assert answer.headers["Location"] == leads


async def test_logins_are_audited_without_a_name(k: AdminRig) -> None:
    await let_in(k)
    browser = Browser(k)
    await browser.log_in("grace")
    await browser.open("/admin/v1/session", "DELETE", **WRITE)
    await let_in(k, "viewer")
    ((member,),) = k.sql("select id::text from members")
    found = k.sql(
        "select action, actor, details::text from audit_events where subject = %s order by xid", f"member:{member}"
    )
    assert [row[:2] for row in found] == [
        ("member.created", "installation"),
        ("member.logged_in", f"member:{member}"),
        ("member.logged_out", f"member:{member}"),
        ("member.changed", "installation"),
    ]
    assert found[-1][2] == '{"fields": ["role"]}'
    assert "grace" not in str(k.sql("select * from audit_events")).lower()
