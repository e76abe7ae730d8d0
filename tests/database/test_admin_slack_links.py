"""`/slack/install-links` and its command: links that really attach a workspace, made by owners only."""

from pathlib import Path

from tests.admin_rig import admin_rig
from tests.oauth import SETTINGS, Browser

LINKS = "/tenants/acme/slack/install-links"


async def test_an_owner_makes_a_link_that_leads_to_slack(database_url: str, tmp_path: Path) -> None:
    async with admin_rig(database_url, tmp_path, **SETTINGS) as k:
        code, said = await k.konstruct("slack", "install-link", "acme")
        assert code == 0, said
        assert "/slack/install?tenant=acme&" in said
        assert str(SETTINGS["slack_client_secret"]) not in said
        status, _, leads = await Browser(k.rig).open(said.strip())
        assert status == 302
        assert "client_id=1.2" in leads
        made = [await k.ask(LINKS, "POST", token=await k.token("acme"), Idempotency_Key="1") for _ in range(2)]
        assert [one.status for one in made] == [201, 201]
        assert (await k.ask(LINKS, "POST", token=await k.token("acme", "operator"))).status == 403
        assert (await k.ask(LINKS, "POST", token=await k.token("globex"))).status == 404
        code, said = await k.konstruct("slack", "install-link", "nobody")
        assert (code, said) == (1, "There is no tenant nobody; `konstruct status` lists those that there are.\n")


async def test_an_installation_without_a_slack_app_says_what_is_missing(database_url: str, tmp_path: Path) -> None:
    async with admin_rig(database_url, tmp_path) as k:
        code, said = await k.konstruct("slack", "install-link", "acme")
        assert code == 1
        assert "KONSTRUCT_SLACK_CLIENT_ID is not set" in said
