"""Tenants over the API: made, changed as a whole and in parts; secrets go in and never come out."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.admin_rig import AdminRig, admin_rig

SLACK = {
    "team_id": "T0NEW", "app_id": "A0NEW", "bot_user_id": "U0NEW", "bot_token": "xoxb-0123456789-secret-abcd",
    "signing_secret": "0123456789abcdef0123456789abwxyz",
}  # fmt: skip
FILE: dict[str, Any] = {
    "tenant": "initech",
    "employee": {"name": "Ada", "instructions": "You answer.", "model": "gpt"},
    "models": [{"name": "gpt", "litellm": "openai/gpt-5-mini", "api_key": "sk-0123456789-secret-hijk"}],
    "channels": {"slack": SLACK},
}
SECRETS = ("0123456789-secret", "0123456789abcdef")


@pytest_asyncio.fixture
async def k(database_url: str, tmp_path: Path) -> AsyncIterator[AdminRig]:
    async with admin_rig(database_url, tmp_path) as whole:
        yield whole


async def made(k: AdminRig) -> None:
    answer = await k.ask("/tenants/initech", "PUT", body=FILE)
    assert (answer.status, answer.body["changed"]) == (200, True), answer.text


async def test_a_tenant_is_made_and_made_again_without_a_change(k: AdminRig) -> None:
    await made(k)
    again = await k.ask("/tenants/initech", "PUT", body=FILE)
    assert again.body["changed"] is False
    whole = await k.ask("/tenants/initech")
    assert whole.body["employees"][0]["model"] == "gpt"
    assert whole.body["models"][0]["api_key"] == "…hijk"
    assert whole.body["channels"][0]["secrets"] == {"bot_token": "…abcd", "signing_secret": "…wxyz"}
    assert not [secret for secret in SECRETS if secret in whole.text]


async def test_only_the_installations_owner_makes_a_tenant_and_its_own_owner_changes_it(k: AdminRig) -> None:
    stranger = await k.token("globex")
    assert (await k.ask("/tenants/initech", "PUT", token=stranger, body=FILE)).status == 404
    await made(k)
    owner, operator = await k.token("initech"), await k.token("initech", "operator")
    changed = {**FILE, "quiet_seconds": 1}
    assert (await k.ask("/tenants/initech", "PUT", token=operator, body=changed)).status == 403
    assert (await k.ask("/tenants/initech", "PUT", token=stranger, body=changed)).status == 404
    assert (await k.ask("/tenants/initech", "PUT", token=owner, body=changed)).body["changed"] is True


@pytest.mark.parametrize(
    ("spoilt", "named"),
    [
        ({"employee": {"name": "Ada", "instructions": "x", "model": "claude"}}, "not among the models"),
        ({"escalation": {"rules": ["nonsense ("]}}, "escalation.rules.0"),
        ({"tenant": "other"}, "about other"),
        ({"channels": {"slack": {"team_id": "T"}}}, "bot_token"),
        ({"more": 1}, "more"),
    ],
)
async def test_a_file_that_makes_no_sense_says_where(k: AdminRig, spoilt: dict[str, Any], named: str) -> None:
    answer = await k.ask("/tenants/initech", "PUT", body={**FILE, **spoilt})
    assert answer.status == 422
    assert named in answer.text
    assert not [secret for secret in SECRETS if secret in answer.text]
    assert (await k.ask("/tenants/initech")).status == 404


async def test_a_workspace_of_another_tenant_cannot_be_had(k: AdminRig) -> None:
    await made(k)
    body = {"slack": SLACK}
    answer = await k.ask("/tenants/globex/channels", "POST", body=body)
    assert answer.status == 409
    assert "initech" not in answer.text
    assert (await k.ask("/tenants/acme", "PUT", body={**FILE, "tenant": "acme"})).status == 409


async def test_a_key_is_replaced_kept_or_removed(k: AdminRig) -> None:
    await made(k)
    place, model = "/tenants/initech/models/gpt", {"litellm": "openai/gpt-5"}
    kept = await k.ask(place, "PUT", body=model)
    assert (kept.body["litellm"], kept.body["api_key"]) == ("openai/gpt-5", "…hijk")
    other = await k.ask(place, "PUT", body={**model, "api_key": "sk-another-long-key-zzzz"})
    assert other.body["api_key"] == "…zzzz"
    # Nobody who may change a model has its key sent to themselves.
    for elsewhere in ({"api_base": "https://evil.example/v1"}, {"litellm": "anthropic/claude"}):
        assert (await k.ask(place, "PUT", body={**model, **elsewhere})).status == 422
    assert (await k.ask(place)).body["api_key"] == "…zzzz"
    assert (await k.ask(place, "PUT", body={**model, "api_key": None})).body["api_key"] is None
    assert (await k.ask(place, "DELETE")).status == 409


async def test_a_model_that_nobody_uses_can_go(k: AdminRig) -> None:
    await made(k)
    place = "/tenants/initech/models/claude%20opus"
    assert (await k.ask(place, "PUT", body={"litellm": "anthropic/claude"})).status == 200
    assert (await k.ask(place)).body["name"] == "claude opus"
    assert (await k.ask(place, "DELETE")).status == 204
    assert (await k.ask(place)).status == 404


async def test_a_model_that_budgets_go_on_with_stays(k: AdminRig) -> None:
    spare = {"name": "spare", "litellm": "openai/gpt-5-nano"}
    budgets = {"tenant": {"usd": "1.5"}, "at_limit": ["spare"]}
    file = {**FILE, "models": [*FILE["models"], spare], "budgets": budgets}
    assert (await k.ask("/tenants/initech", "PUT", body=file)).status == 200
    assert (await k.ask("/tenants/initech/models/spare", "DELETE")).status == 409


LOCAL = {"name": "Ada", "instructions": "You answer.", "model": "local/smollm2"}
GPT, SMOLLM2 = FILE["models"][0], {"name": "smollm2", "litellm": "openai/x"}
TYPO = {**GPT, "litellm": "opnai/gpt-5"}


@pytest.mark.parametrize(
    ("before", "place", "piece", "after"),
    [
        ({}, "models/gpt", {**GPT, "transcription": True}, {"models": [{**GPT, "transcription": True}]}),
        ({}, "models/gpt", TYPO, {"models": [TYPO]}),
        ({"employee": LOCAL}, "models/smollm2", SMOLLM2, {"employee": LOCAL, "models": [GPT, SMOLLM2]}),
        ({}, "employees/ADA", {**LOCAL, "model": "local/gpt"}, {"employee": {**LOCAL, "model": "local/gpt"}}),
        ({}, "employees/ADA", {**LOCAL, "model": "claude"}, {"employee": {**LOCAL, "model": "claude"}}),
        ({}, "budgets", {"at_limit": ["local/gpt"]}, {"budgets": {"at_limit": ["local/gpt"]}}),
        ({}, "budgets", {"at_limit": ["claude"]}, {"budgets": {"at_limit": ["claude"]}}),
    ],
)
async def test_a_piece_is_refused_where_its_file_would_be_and_in_the_same_words(
    k: AdminRig, before: dict[str, Any], place: str, piece: dict[str, Any], after: dict[str, Any]
) -> None:
    assert (await k.ask("/tenants/initech", "PUT", body={**FILE, **before})).status == 200
    whole = await k.ask("/tenants/initech")
    body = {name: value for name, value in piece.items() if name != "name" or place.startswith("employees")}
    place = place.replace("ADA", whole.body["employees"][0]["id"])
    refused = await k.ask(f"/tenants/initech/{place}", "PUT", body=body)
    file = await k.ask("/tenants/initech", "PUT", body={**FILE, **after})
    assert (refused.status, refused.body["detail"]) == (file.status, file.body["detail"])
    assert refused.status == 422
    assert (await k.ask("/tenants/initech")).body == whole.body


async def test_two_who_decided_on_the_same_state_do_not_overwrite_each_other(k: AdminRig) -> None:
    await made(k)
    whole = await k.ask("/tenants/initech")
    employee = whole.body["employees"][0]
    place = f"/tenants/initech/employees/{employee['id']}"
    tag = (await k.ask(place)).headers["ETag"]
    wanted = {"name": "Ada", "instructions": "You answer briefly.", "model": "local/smollm2"}
    assert (await k.ask(place, "PUT", body=wanted, If_Match=tag)).body["model"] == "local/smollm2"
    assert (await k.ask(place, "PUT", body={**wanted, "instructions": "x"}, If_Match=tag)).status == 412
    stale = await k.ask("/tenants/initech", "PUT", body=FILE, If_Match=whole.headers["ETag"])
    assert stale.status == 412
    assert (await k.ask(place, "PUT", body={**wanted, "name": "Eve"})).status == 422
    assert (await k.ask(place, "PUT", body={**wanted, "model": "claude"})).status == 422


async def test_a_channel_is_connected_and_let_go_and_then_nothing_is_sent_there(k: AdminRig) -> None:
    connected = await k.ask("/tenants/globex/channels", "POST", body={"web": {"site": "globex", "secret": "x" * 20}})
    assert (connected.status, len(connected.body["items"])) == (201, 2)
    slack, web = connected.body["items"]
    k.sql(
        "insert into conversations (tenant_id, id, shard, channel, address) values (%s, %s, 1, 'slack', '{}')",
        slack["employee_id"] and k.sql("select id from tenants where name = 'globex'")[0][0], slack["id"],
    )  # fmt: skip
    k.sql(
        "insert into outbox (tenant_id, id, conversation_id, shard, turn_id, part, text, state, claim_epoch,"
        " claimed_until, channel, address) select tenant_id, id, id, 1, id, 0, 'x', 'pending', 0, now(), 'slack',"
        ' \'{"team": "T0GLOBEX"}\' from conversations'
    )
    assert (await k.ask(f"/tenants/globex/channels/{slack['id']}", "DELETE")).status == 204
    assert k.sql("select state from outbox") == [("cancelled",)]
    assert [item["id"] for item in (await k.ask("/tenants/globex/channels")).body["items"]] == [web["id"]]
    assert (await k.ask(f"/tenants/globex/channels/{web['id']}")).body["options"] == {"origins": []}
    assert (await k.ask("/tenants/globex/channels", "POST", body={})).status == 422


async def test_usage_is_added_up_as_asked(k: AdminRig) -> None:
    await k.rig.slack.say("Are you open?")
    await k.rig.replies(1)
    await k.rig.slack.say("Are you open?", channel="D0BOB", user="U0BOB")
    await k.rig.replies(1, "D0BOB")
    k.sql("update usage set cost_micros = 7, provider = 'self-hosted'")
    place = "/tenants/acme/usage"
    [today] = (await k.ask(place)).body["items"]
    assert (today["turns"], today["cost_micros"], today["model"]) == (2, 14, None)
    [row] = (await k.ask(f"{place}?by=employee&by=model&by=provider&by=channel")).body["items"]
    assert (row["employee"], row["provider"], row["channel"], row["day"]) == ("Ada", "self-hosted", "slack", None)
    assert (await k.ask(f"{place}?from=2020-01-01&to=2020-12-31")).body["items"] == []
    assert (await k.ask(f"{place}?from=2020-01-01&to=2022-12-31")).status == 422
    assert (await k.ask(f"{place}?by=contact")).status == 422
    k.sql("update usage set created_at = created_at - interval '2 days' where ctid = (select min(ctid) from usage)")
    first = (await k.ask(f"{place}?limit=1")).body
    second = (await k.ask(f"{place}?limit=1&cursor={first['next_cursor']}")).body
    assert second["next_cursor"] is None and second["items"][0]["day"] > first["items"][0]["day"]
    assert (await k.ask("/tenants/globex/usage")).body["items"] == []
