"""What only the installation's owner may say of a tenant's models, whichever route it is said by."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.admin_rig import AdminRig, admin_rig
from tests.rig import APP, TENANT

PLAIN = {"litellm": "openai/gpt-5-mini", "api_key": "sk-1"}
PRICED = PLAIN | {"price": {"input": "0.25", "output": "2"}}
AT_HOME = PLAIN | {"api_base": "http://169.254.169.254/latest"}
OF_THE_NODE = {"litellm": "vertex_ai/gemini-2.5-pro", "api_key": None}
RESERVED = [PLAIN | {"price": {"input": 0, "output": 0}}, AT_HOME, OF_THE_NODE]


async def put(town: AdminRig, token: str | None, model: dict[str, Any], by_file: bool) -> tuple[int, str]:
    """One model, by its own route or with the whole tenant; the status and why."""
    if not by_file:
        answer = await town.ask("/tenants/acme/models/x", "PUT", body=model, **({"token": token} if token else {}))
    else:
        file = yaml.safe_load(TENANT.format(tenant="acme", app=APP, quiet=0))
        file["models"] = [model | {"name": "x"}]
        answer = await town.ask("/tenants/acme", "PUT", body=file, **({"token": token} if token else {}))
    return answer.status, "" if answer.status == 200 else answer.body["detail"]


@pytest.mark.parametrize("by_file", [False, True])
async def test_a_tenants_owner_may_not_set_what_is_the_installations(
    database_url: str, tmp_path: Path, *, by_file: bool
) -> None:
    async with admin_rig(database_url, tmp_path) as town:
        owner = await town.token("acme")
        for model in RESERVED:
            status, why = await put(town, owner, model, by_file)
            assert status == 403
            assert "for the installation's owner to set or change, with KONSTRUCT_ADMIN_TOKEN" in why
        assert town.sql("select count(*) from models") == [(0,)]
        assert (await put(town, owner, PLAIN, by_file))[0] == 200
        assert (await put(town, owner, RESERVED[0], by_file))[0] == 403


@pytest.mark.parametrize("by_file", [False, True])
async def test_what_the_installations_owner_set_stays_through_other_changes_and_for_no_other_model(
    database_url: str, tmp_path: Path, *, by_file: bool
) -> None:
    async with admin_rig(database_url, tmp_path) as town:
        owner = await town.token("acme")
        for model in [PRICED, AT_HOME, OF_THE_NODE]:
            assert (await put(town, None, model, by_file))[0] == 200
            assert (await put(town, owner, model | {"api_key": "sk-2", "vision": True}, by_file))[0] == 200
        assert (await put(town, None, PRICED, by_file))[0] == 200
        for changed in (PLAIN, PRICED | {"litellm": "openai/gpt-5-pro"}, PRICED | {"price": {"input": 0, "output": 2}}):
            assert (await put(town, owner, changed, by_file))[0] == 403
        assert town.sql("select litellm, price ->> 'input' from models") == [("openai/gpt-5-mini", "250000")]
