"""Budgets over the operators' API: set, shown with what is used of them, and of what operators were told."""

from pathlib import Path

from tests.admin_rig import admin_rig


async def test_budgets_are_set_shown_used_and_told_of(database_url: str, tmp_path: Path) -> None:
    async with admin_rig(database_url, tmp_path) as town:
        owner, viewer = await town.token("acme"), await town.token("acme", "viewer")
        unlimited = await town.ask("/tenants/acme/budgets", token=viewer)
        assert unlimited.body["limits"]["tenant"] == {"micros": None, "tokens": None}
        assert unlimited.body["spending"] == []
        body = {"tenant": {"usd": 2.5, "tokens": 500}, "message": "Later, please."}
        assert (await town.ask("/tenants/acme/budgets", "PUT", token=viewer, body=body)).status == 403
        stale = await town.ask("/tenants/acme/budgets", "PUT", token=owner, body=body, If_Match='"x"')
        assert stale.status == 412
        saved = await town.ask("/tenants/acme/budgets", "PUT", token=owner, body=body)
        assert saved.body["limits"]["tenant"] == {"micros": 2_500_000, "tokens": 500}
        await town.rig.slack.say("hello")
        assert await town.rig.replies(1, timeout=60) == ["Later, please."]
        shown = (await town.ask("/tenants/acme/budgets", token=viewer)).body["spending"]
        assert [(row["scope"], row["spent_tokens"]) for row in shown][:1] == [("tenant", 0)]
        [alert] = (await town.ask("/tenants/acme/budgets/alerts", token=viewer)).body["items"]
        assert (alert["scope"], alert["unit"], alert["percent"], alert["budget"]) == ("tenant", "tokens", 100, 500)


async def test_a_stranger_sees_no_budget_and_nonsense_is_refused(database_url: str, tmp_path: Path) -> None:
    async with admin_rig(database_url, tmp_path) as town:
        stranger, owner = await town.token("globex"), await town.token("acme")
        for path in ("", "/alerts"):
            assert (await town.ask(f"/tenants/acme/budgets{path}", token=stranger)).status == 404
        for body in ({"tenant": {"usd": -1}}, {"at_limit": ["gpt"], "tenant": {"usd": 1}}, {"cap": 1}):
            assert (await town.ask("/tenants/acme/budgets", "PUT", token=owner, body=body)).status == 422


async def test_under_a_budget_in_usd_no_model_and_no_employee_may_be_without_a_price(
    database_url: str, tmp_path: Path
) -> None:
    async with admin_rig(database_url, tmp_path) as town:
        owner = await town.token("acme")
        unpriced = {"litellm": "openai/nobody-knows-it", "api_key": "k"}
        assert (await town.ask("/tenants/acme/models/odd", "PUT", token=owner, body=unpriced)).status == 200
        assert (await town.ask("/tenants/acme/budgets", "PUT", token=owner, body={"tenant": {"usd": 5}})).status == 200
        [ada] = (await town.ask("/tenants/acme/employees", token=owner)).body["items"]
        wanted = {"name": ada["name"], "instructions": "x", "model": "odd"}
        refused = await town.ask(f"/tenants/acme/employees/{ada['id']}", "PUT", token=owner, body=wanted)
        assert refused.status == 422
        assert "no price is known for openai/nobody-knows-it" in refused.body["detail"]
        priced = unpriced | {"price": {"input": 1, "output": 1}}
        assert (await town.ask("/tenants/acme/models/odd", "PUT", body=priced)).status == 200
        changed = await town.ask(f"/tenants/acme/employees/{ada['id']}", "PUT", token=owner, body=wanted)
        assert changed.status == 200
        back = await town.ask("/tenants/acme/models/odd", "PUT", body=unpriced)
        assert back.status == 422
        [model] = [m for m in (await town.ask("/tenants/acme/models", token=owner)).body["items"] if m["name"] == "odd"]
        assert model["price"]["input"] == 1_000_000
