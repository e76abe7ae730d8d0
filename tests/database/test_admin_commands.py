"""Commands over the operators' API: what they say when it works, and when it does not."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from rich.console import Console

from deployments.handover import UnknownConversation, pause, resume
from deployments.installation.api import ApiClient, NotReachable, Refused
from deployments.installation.tenants import apply_file
from deployments.scaling import NotScaled, scale_hosts
from deployments.web_link import link
from konstruct.errors import SettingsInvalid, TenantFileInvalid
from konstruct.identity import conversation_id, tenant_id
from tests.admin_rig import AdminRig, admin_rig
from tests.rig import APP

NEW = """
tenant: initech
employee: {name: Ada, instructions: You answer., model: gpt}
models: [{name: gpt, litellm: openai/gpt-5-mini, api_key: "${KEY}", price: {input: 0.25, output: 2}}]
channels: {web: {site: initech, secret: "${SECRET}"}}
"""
GIVEN = {"KEY": "sk-0123456789-secret-hijk", "SECRET": "0123456789abcdef"}


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[AdminRig]:
    async with admin_rig(database_url, tmp_path) as whole:
        yield whole


async def test_applying_a_file_twice_changes_nothing(k: AdminRig, tmp_path: Path) -> None:
    file = tmp_path / "initech.yaml"
    file.write_text(NEW)
    assert await apply_file(file, k.environment(**GIVEN)) == ("initech", True)
    assert await apply_file(file, k.environment(**GIVEN)) == ("initech", False)
    assert (await k.ask("/tenants/initech")).body["models"][0]["price"]["output"] == 2_000_000
    url = await link(k.environment(), "initech", "me", 1)
    assert "/web/initech#token=" in url
    stranger = await k.token("acme")
    assert (await k.ask("/web-links", "POST", body={"site": "initech"}, token=stranger)).status == 404
    with pytest.raises(SettingsInvalid, match="No tenant has a web chat"):
        await link(k.environment(), "nowhere", "me", 1)


async def test_who_escalates_and_names_no_operators_is_warned_and_applied(k: AdminRig, tmp_path: Path) -> None:
    file, rules = tmp_path / "initech.yaml", "escalation: {rules: ['\"refund\"']}\n"
    file.write_text(NEW + rules)
    status, said = await k.konstruct("apply", "-f", str(file), **GIVEN)
    assert status == 0 and "operators:" in said and "konstruct paused initech" in said
    file.write_text(NEW + rules + "operators: {slack_channel: C0HELP}\n")
    status, said = await k.konstruct("apply", "-f", str(file), **GIVEN)
    assert status == 0 and "operators" not in said


async def test_a_web_chat_is_found_by_its_tenants_name_where_that_is_enough(k: AdminRig, tmp_path: Path) -> None:
    file = tmp_path / "initech.yaml"
    file.write_text(NEW.replace("site: initech", "site: initech-shop"))
    await apply_file(file, k.environment(**GIVEN))
    assert "/web/initech-shop#token=" in await link(k.environment(), "initech", "me", 1)
    with pytest.raises(SettingsInvalid, match="acme has no web chat"):
        await link(k.environment(), "acme", "me", 1)
    more = {"web": {"site": "initech-help", "secret": GIVEN["SECRET"]}}
    assert (await k.ask("/tenants/initech/channels", "POST", body=more)).status == 201
    with pytest.raises(SettingsInvalid, match="initech-help, initech-shop"):
        await link(k.environment(), "initech", "me", 1)
    assert "/web/initech-help#token=" in await link(k.environment(), "initech-help", "me", 1)


async def test_what_the_installation_refuses_is_said_as_it_says_it(k: AdminRig, tmp_path: Path) -> None:
    file = tmp_path / "globex.yaml"
    file.write_text(
        NEW.replace("initech", "globex").replace(
            "web: {site: globex",
            f"slack: {{team_id: {APP.team}, "
            f"app_id: {APP.app}, bot_user_id: U, bot_token: x, signing_secret: x12345678}}, web: {{site: globex",
        )
    )
    with pytest.raises(Refused, match="belongs to another tenant"):
        await apply_file(file, k.environment(**GIVEN))
    with pytest.raises(Refused, match="No valid token"):
        await apply_file(file, k.environment(**GIVEN, KONSTRUCT_ADMIN_TOKEN="wrong" * 5))
    with pytest.raises(NotReachable, match="konstruct up"):
        await apply_file(file, k.environment(**GIVEN, KONSTRUCT_HTTP_PORT="1"))
    with pytest.raises(SettingsInvalid, match="ADMIN_TOKEN"):
        ApiClient({"KONSTRUCT_HOME": str(tmp_path)})


async def test_a_file_that_cannot_be_used_is_named_with_what_is_wrong(k: AdminRig, tmp_path: Path) -> None:
    file = tmp_path / "initech.yaml"
    for content, said in ((NEW.encode() + b"tenant: x", "'tenant' twice"), (b"\xff\xfe", "UTF-8"), (b"", "a mapping")):
        file.write_bytes(content)
        with pytest.raises(TenantFileInvalid, match=said) as unusable:
            await apply_file(file, k.environment(**GIVEN))
        assert str(file) in str(unusable.value)


async def test_an_operator_pauses_and_resumes_by_command(k: AdminRig) -> None:
    await k.rig.slack.say("hello")
    await k.rig.replies(1)
    place = str(conversation_id(tenant_id("acme"), "slack", f"{APP.team}:D0ALICE:"))
    console = Console(quiet=True)
    await pause(k.environment(), "acme", place, 5, console)
    assert k.sql("select paused_reason from conversations") == [("paused by an operator",)]
    await resume(k.environment(), "acme", place, console)
    assert k.sql("select paused_reason from conversations") == [(None,)]
    k.sql(
        "insert into conversations (tenant_id, id, shard, channel, address, paused_reason, paused_until, paused_by)"
        " select %s, gen_random_uuid(), 1, 'slack', '{}', 'rule: [red]' || n, now() + interval '1 hour', 'rule'"
        " from generate_series(1, 201) n",
        tenant_id("acme"),
    )
    k.sql("update conversations set paused_until = now() - interval '1 s' where paused_reason like '%%]7'")
    await pause(k.environment(), "acme", place, 5, console)
    status, listed = await k.konstruct("paused", "acme")
    assert (status, listed.count("rule: [red]"), listed.count(place)) == (0, 200, 1)
    assert "unknown" not in listed
    database = {"KONSTRUCT_DATABASE_URL": k.rig.settings.database_url or ""}
    picture = json.loads((await k.konstruct("status", "--json", **database))[1])
    assert (picture["paused"], picture["asked_in_vain"]) == ({"acme": 201, "globex": 0}, [])
    assert "answers in every conversation" in (await k.konstruct("paused", "globex"))[1]
    assert "no tenant nobody" in (await k.konstruct("paused", "nobody"))[1]
    for tenant, conversation in (("acme", "x"), ("globex", place), ("ü/..", place)):
        with pytest.raises((UnknownConversation, Refused)):
            await pause(k.environment(), tenant, conversation, 5, console)


async def test_a_tenant_that_there_is_not_is_named_and_no_other_thing_taken_for_it(k: AdminRig) -> None:
    asked = (("tokens", "list"), ("dead-letters", "list"), ("subscription", "show"), ("budget", "show"))
    for command in asked:
        status, said = await k.konstruct(*command, "nobody")
        assert (status, "no tenant nobody" in said) == (1, True), said
    status, said = await k.konstruct("tokens", "revoke", "acme", str(tenant_id("acme")))
    assert (status, "no tenant" in said) == (1, False), said


async def test_only_the_installations_owner_sees_it_whole_and_scales_it(k: AdminRig) -> None:
    console = Console(quiet=True)
    default = k.rig.settings.conversation_hosts  # as `konstruct status` has it, where nobody asked for another number
    assert (await k.ask("/installation")).body["hosts"] == {"hosts": 1, "wanted": default}
    await scale_hosts(k.environment(), 1, 1, console)
    with pytest.raises(NotScaled, match="still 1 hosts"):
        await scale_hosts(k.environment(), 2, 0.1, console)
    assert (await k.ask("/installation")).body["hosts"] == {"hosts": 1, "wanted": 2}
    owner = await k.token("acme")
    assert (await k.ask("/installation", token=owner)).status == 403
    assert (await k.ask("/installation/hosts", "PUT", token=owner, body={"wanted": 3})).status == 403


async def test_lists_of_more_than_one_page_are_shown_whole(k: AdminRig) -> None:
    k.sql(
        "insert into inbox (tenant_id, channel, event, conversation_id, shard, epoch, body, state, error)"
        " select %s, 'slack', 'old:' || n, gen_random_uuid(), 1, 1, '{}', 'dead', 'ValueError: of number ' || n"
        " from generate_series(1, 401) n",
        tenant_id("acme"),
    )
    k.sql(
        "insert into budget_alerts (tenant_id, subject_id, month, unit, percent, budget, scope, spent)"
        " select %s, gen_random_uuid(), '2026-11-01', 'tokens', 50, 9, 'conversation', 5 from generate_series(1, 201)",
        tenant_id("acme"),
    )
    status, letters = await k.konstruct("dead-letters", "list", "acme")
    assert (status, letters.count("ValueError: of number")) == (0, 401)
    status, budget = await k.konstruct("budget", "show", "acme")
    assert (status, budget.count("50 % of conversation")) == (0, 201)
