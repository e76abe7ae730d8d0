"""Installing the Slack app by OAuth: real pages, the simulator's consent, real PostgreSQL."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import pytest_asyncio
from cryptography.fernet import Fernet

from konstruct.database import tenants
from simulator.slack.event import envelope, new_event_id, signed
from tests.database.test_strangers import post
from tests.oauth import ACME, OURS, SETTINGS, Browser, answers, channel, consented, install, link, rows, vault
from tests.rig import APP, Rig, apply, rig


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(database_url, tmp_path, chosen=SETTINGS, clients=[OURS]) as under_test:
        yield under_test


async def test_a_workspace_is_attached_and_answered_and_what_is_stored_tells_nothing(k: Rig) -> None:
    status, text = await install(k)
    assert status == 200
    assert "Connected" in text
    assert await answers(k, "hello") == ["You said: hello"]
    stored = repr(rows(k, "select * from channels") + rows(k, "select * from install_states"))
    assert (await channel(k)).secrets["bot_token"].encode() not in stored.encode()
    assert "signing-secret-of-ours" not in stored


@pytest.mark.parametrize("named", [OURS.app, ""])
async def test_while_its_signing_secret_is_changed_both_are_believed_and_then_only_the_new_one(
    database_url: str, tmp_path: Path, named: str
) -> None:
    old, new, keys = OURS.signing_secret, "the-new-one-of-ours", (Fernet.generate_key().decode(),)
    for believed in ((old,), (new, old), (new,)):
        chosen = SETTINGS | {"slack_signing_secret": believed, "master_keys": keys, "slack_app_id": named}
        async with rig(database_url, tmp_path, hosts=0, chosen=chosen, clients=[OURS]) as k:
            if believed == (old,):
                await install(k)
            body = envelope(OURS, {"type": "app_home_opened", "user": "U0", "channel": "D0"}, new_event_id())
            for secret in (old, new):
                signature = signed(replace(OURS, signing_secret=secret), body)
                assert await post(f"{k.url}/slack/events", body, signature) == (200 if secret in believed else 401)


async def test_installing_again_updates_and_applying_the_file_leaves_it_alone(k: Rig) -> None:
    await install(k)
    first = (await channel(k)).secrets["bot_token"]
    await install(k)
    second = await channel(k)
    assert second.secrets["bot_token"] != first
    assert await apply(k, "acme", APP) is False
    assert await apply(k, "acme", APP, quiet=1.0) is True
    assert await channel(k) == second
    assert {channel.team for channel in (await tenants.read_tenant(k.database, ACME, vault(k))).channels} == {  # type: ignore[union-attr]
        "T0ACME", "T0NEW",
    }  # fmt: skip


async def test_a_link_that_this_installation_did_not_make_leads_nowhere(k: Rig) -> None:
    for url in (
        link(k).replace("tenant=acme", "tenant=globex"),
        link(k)[:-1],
        f"{k.url}/slack/install?tenant=acme",
        f"{k.url}/slack/install",
        link(k, "nobody"),
    ):
        status, text, leads = await Browser(k).open(url)
        assert (status, leads) == (403, "")
        assert "cannot be used" in text
    assert rows(k, "select * from install_states") == []


async def test_a_state_is_good_once_in_its_own_browser_and_for_ten_minutes(k: Rig) -> None:
    browser = Browser(k)
    back = await consented(k, browser)
    assert (await Browser(k).open(back))[0] == 400
    # Whoever tried it elsewhere has used it up.
    assert (await browser.open(back))[0] == 400
    back = await consented(k, browser)
    rows(k, "update install_states set expires_at = now() - interval '1 second'")
    assert (await browser.open(back))[0] == 400
    back = await consented(k, browser)
    assert (await browser.open(back))[0] == 200
    assert (await browser.open(back))[0] == 400
    for state in ("", "x", "\0", f"{ACME.hex}.", "0" * 5000):
        status, text, _ = await browser.open(f"{k.url}/slack/oauth/callback?code=x&state={state}")
        assert status == 400
        assert "Traceback" not in text


async def test_whoever_says_no_gets_a_page_and_so_does_a_code_that_slack_does_not_know(k: Rig) -> None:
    k.slack.set_options(deny_installation=True)
    status, text = await install(k)
    assert status == 400
    assert "access_denied" in text
    k.slack.set_options(deny_installation=False)
    browser = Browser(k)
    back = urlsplit(await consented(k, browser))
    state = parse_qs(back.query)["state"][0]
    hostile = "%3Cscript%3Ealert(1)%3C/script%3E"
    status, text, _ = await browser.open(f"{k.url}{back.path}?code={hostile}&state={state}")
    assert status == 502
    assert "invalid_code" in text
    assert "<script" not in text


async def test_a_workspace_that_works_for_somebody_else_stays_with_them(k: Rig) -> None:
    await install(k)
    await apply(k, "globex", replace(APP, team="T0GLOBEX", app="A0GLOBEX"))
    status, text = await install(k, "globex")
    assert status == 409
    assert "taken" in text
    assert (await channel(k)).tenant == ACME


async def test_a_workspace_that_somebody_has_left_may_be_anothers_and_does_not_come_back(k: Rig) -> None:
    await install(k)
    rows(k, "update channels set installed_at = now() - interval '1 minute'")
    assert [said.status for said in await k.slack.admin.uninstall(team="T0NEW")] == [200, 200]
    await apply(k, "globex", replace(APP, team="T0GLOBEX", app="A0GLOBEX"))
    assert (await install(k, "globex"))[0] == 200
    assert await answers(k, "hello") == ["You said: hello"]
    assert rows(k, "select distinct t.name from inbox i join tenants t on t.id = i.tenant_id") == [("globex",)]
    status, text = await install(k)
    assert status == 409
    assert "taken" in text


async def test_without_an_app_of_its_own_the_installation_says_so(database_url: str, tmp_path: Path) -> None:
    async with rig(database_url, tmp_path) as k:
        assert (await Browser(k).open(link(k)))[0] == 503


async def test_an_organisation_installs_once_for_all_its_workspaces(k: Rig) -> None:
    k.slack.set_options(org_installation=True)
    assert (await install(k))[0] == 200
    assert (await channel(k, "E0NEW")).app == "A0OURS"
    assert await answers(k, "hello") == ["You said: hello"]
