"""One real installation for the whole tier: `konstruct up` in a folder of its own, on free ports."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from deployments.installation import processes
from deployments.installation.layout import Layout
from deployments.installation.ports import is_free
from simulator import App, Number, SlackSimulator, WhatsAppSimulator
from simulator.stripe.account import Account
from tests.stub_model import StubModel

CHECKOUT = Path(__file__).resolve().parents[2]
STUB_TENANT = """
tenant: globex
employee: {{name: Bo, instructions: You repeat what you hear., model: stub}}
models:
  - {{name: stub, litellm: openai/stub, api_base: "{url}", api_key: "${{STUB_KEY}}"}}
channels:
  slack: {{team_id: T0GLOBEX, app_id: A0GLOBEX, bot_user_id: U0BO,
           bot_token: xoxb-globex, signing_secret: globex-signing}}
  whatsapp: {{phone_number_id: "206500000000002", display_phone_number: "15550000002",
              access_token: EAAG-globex, app_secret: globex-app-secret, verify_token: globex-verify}}
"""
GLOBEX = App(
    tenant="globex", name="Bo", team="T0GLOBEX", app="A0GLOBEX", bot_user="U0BO", bot="B0BO",
    bot_token="xoxb-globex", signing_secret="globex-signing",
)  # fmt: skip
GLOBEX_NUMBER = Number(
    tenant="globex", name="Globex", phone_number_id="206500000000002", display_phone_number="15550000002",
    account="202290129340398", access_token="EAAG-globex", app_secret="globex-app-secret", verify_token="globex-verify",
)  # fmt: skip


@dataclass
class Installation:
    """A running installation and how to reach it."""

    environment: dict[str, str]
    slack_port: int
    model_port: int
    whatsapp_port: int
    stripe_port: int

    @property
    def home(self) -> Path:
        """Its state folder."""
        return Path(self.environment["KONSTRUCT_HOME"])

    @property
    def url(self) -> str:
        """Its HTTP address."""
        return f"http://127.0.0.1:{self.environment['KONSTRUCT_HTTP_PORT']}"

    def konstruct(
        self, *arguments: str, check: bool = True, timeout: float = 600, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the real command."""
        command = [sys.executable, "-m", "deployments.cli", *arguments]
        done = subprocess.run(
            command, cwd=CHECKOUT, env=self.environment | environment, timeout=timeout, text=True,
            capture_output=True, check=False,
        )  # fmt: skip
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")
        return done

    async def ready(self) -> dict[str, Any]:
        """What /readyz reports."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/readyz") as answer:
            return dict(await answer.json())

    def engines(self) -> set[int]:
        """Pids of the processes that hold the local model."""
        named = [
            process for process in processes.find(Layout(self.home)) if ":models:Engine" in " ".join(process.cmdline())
        ]
        return {process.pid for process in named}

    def arm(self, failpoint: str) -> Path:
        """Arm a failpoint; the file is gone when somebody reached it."""
        path = self.home / "failpoints" / failpoint
        path.parent.mkdir(exist_ok=True)
        path.touch()
        return path


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    """`konstruct up` once, `konstruct down` at the end; nothing is left behind."""
    home = Path(tempfile.mkdtemp(prefix="ka"))
    http, dashboard, slack, model, whatsapp, stripe = free_ports(6)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KONSTRUCT_", "RAY_"))} | {
        "KONSTRUCT_HOME": str(home),
        "KONSTRUCT_HTTP_PORT": str(http),
        "KONSTRUCT_DASHBOARD_PORT": str(dashboard),
        "KONSTRUCT_SLACK_API_URL": f"http://127.0.0.1:{slack}/api/",
        "KONSTRUCT_WHATSAPP_API_URL": f"http://127.0.0.1:{whatsapp}/v26.0/",
        "KONSTRUCT_STRIPE_API_URL": f"http://127.0.0.1:{stripe}",
        "KONSTRUCT_STRIPE_SECRET_KEY": Account().secret_key,
        "KONSTRUCT_STRIPE_WEBHOOK_SECRETS": ",".join(Account().webhook_secrets),
        "KONSTRUCT_FAILPOINTS": "on",
        "STUB_KEY": "sk-planted-model-key",
    }
    running = Installation(environment, slack, model, whatsapp, stripe)
    try:
        print(running.konstruct("up").stdout)
        tenant = home / "globex.yaml"
        tenant.write_text(STUB_TENANT.format(url=f"http://127.0.0.1:{model}/v1"))
        running.konstruct("apply", "-f", str(tenant))
        yield running
        running.konstruct("down")
        assert not processes.find(Layout(home))
        assert not [port for port in (http, dashboard) if not is_free(port)]
    finally:
        running.konstruct("down", check=False)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
async def slack(installation: Installation) -> AsyncIterator[SlackSimulator]:
    """Slack, as the installation knows it: the demo tenant's workspace and globex'."""
    demo = json.loads((installation.home / "secrets" / "demo.json").read_text())
    acme = App(bot_token=demo["bot_token"], signing_secret=demo["signing_secret"])
    async with SlackSimulator(
        [GLOBEX, acme], port=installation.slack_port, webhook=f"{installation.url}/slack/events",
        retry_seconds=(0.5, 1, 2),
    ) as simulator:  # fmt: skip
        yield simulator


@pytest.fixture
async def whatsapp(installation: Installation) -> AsyncIterator[WhatsAppSimulator]:
    """WhatsApp, as the installation knows it: globex' number."""
    async with WhatsAppSimulator(
        [GLOBEX_NUMBER], port=installation.whatsapp_port, webhook=f"{installation.url}/whatsapp/webhook",
        retry_seconds=(0.5, 1, 2),
    ) as simulator:  # fmt: skip
        yield simulator


@pytest.fixture
async def model(installation: Installation) -> AsyncIterator[StubModel]:
    """The hosted model of globex."""
    async with StubModel(port=installation.model_port) as stub:
        yield stub


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports
