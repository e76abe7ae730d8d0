"""What names a model that nobody can ask is refused, where that can be known: a tenant file, and the API."""

import socket
import threading
import urllib.request
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import uvicorn
from cryptography.fernet import Fernet

from deployments.admin.providers import check_providers
from deployments.installation import tenant_check
from deployments.installation.tenant_check import warnings
from deployments.model_gateway import ModelGateway
from konstruct import tenant_file
from konstruct.errors import TenantFileInvalid
from konstruct.settings import Settings
from konstruct.vault import local_model_token

KEY = Fernet.generate_key().decode()
GPT = "models: [{name: gpt, litellm: openai/gpt-5-mini}]\n"


def settings(port: int, key: str = KEY) -> Settings:
    return Settings.from_environment(
        {"KONSTRUCT_LOCAL_MODEL_URL": f"http://127.0.0.1:{port}/v1", "KONSTRUCT_MASTER_KEYS": key}
    )


def employed(model: str, more: str = "") -> tenant_file.TenantFile:
    return tenant_file.parse(f"tenant: acme\nemployee: {{name: Ada, instructions: x, model: {model}}}\n{more}", {})


@pytest.fixture
def gateway() -> Iterator[Settings]:
    """The gateway of an installation that serves smollm2."""

    async def silent(_: dict[str, Any]) -> AsyncIterator[Any]:
        yield ""

    with socket.create_server(("127.0.0.1", 0)) as listening:
        routes = ModelGateway("smollm2", local_model_token((KEY,)), silent).routes()
        server = uvicorn.Server(uvicorn.Config(routes, log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield settings(listening.getsockname()[1])
        server.should_exit = True
        thread.join()


def test_a_local_model_that_is_not_served_is_refused_wherever_it_is_named(gateway: Settings) -> None:
    assert warnings(employed("local/smollm2"), gateway) == []
    for model, more in (
        ("local/smolm2", ""),
        ("local/smollm2, fallback_model: local/smolm2", ""),
        ("local/smollm2", "budgets: {tenant: {usd: 1}, at_limit: [local/smolm2]}"),
    ):
        with pytest.raises(TenantFileInvalid, match="local/smolm2, but this installation serves local/smollm2"):
            warnings(employed(model, more), gateway)


def test_where_nobody_says_what_is_served_there_is_a_warning(gateway: Settings) -> None:
    [unreached] = warnings(employed("local/smolm2"), settings(1))
    assert "local/smolm2" in unreached
    port = int(gateway.local_model_url.rpartition(":")[2].removesuffix("/v1"))
    assert len(warnings(employed("local/smolm2"), settings(port, Fernet.generate_key().decode()))) == 1


def test_no_proxy_sees_the_local_models_token(gateway: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.setblocking(False)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        # `urlopen` would keep to the proxies of its first call in this process.
        monkeypatch.setattr(urllib.request, "_opener", None)
        monkeypatch.setattr(tenant_check, "LOOK_SECONDS", 1.0)
        assert warnings(employed("local/smollm2"), gateway) == []
        with pytest.raises(BlockingIOError):
            proxy.accept()


def test_handovers_that_nobody_would_hear_of_are_warned_of() -> None:
    rules, told = "escalation: {rules: ['messages > 1']}\n", "operators: {slack_channel: C0HELP}\n"
    slack = "channels: {slack: {team_id: T, app_id: A, bot_user_id: U, bot_token: x, signing_secret: a-secret}}\n"
    assert warnings(employed("gpt", GPT + rules + told + slack), settings(1)) == []
    assert warnings(employed("gpt", GPT), settings(1)) == []
    for unheard, named in (
        (rules + slack, {"slack_channel"}),
        (rules + told, {"workspace"}),
        (rules, {"slack_channel", "workspace"}),
    ):
        [warning] = warnings(employed("gpt", GPT + unheard), settings(1))
        assert {word for word in ("slack_channel", "workspace") if word in warning} == named


async def test_a_provider_that_litellm_does_not_know_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(TenantFileInvalid, match=r"gpt.*opnai/gpt-5-mini.*openai"):
        await check_providers([tenant_file.ModelEntry(name="gpt", litellm="opnai/gpt-5-mini")])
    with pytest.raises(TenantFileInvalid, match="knows no provider my;"):
        await check_providers([tenant_file.ModelEntry(name="gpt", litellm="my/model")])
    with pytest.raises(TenantFileInvalid, match="`provider/model`"):
        await check_providers([tenant_file.ModelEntry(name="gpt", litellm="mymodel")])
    known = ("openai/of-my-own", "gpt-5-mini", "hosted_vllm/mine", "github_copilot/gpt-4")
    await check_providers(tenant_file.ModelEntry(name="gpt", litellm=name) for name in known)
