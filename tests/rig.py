"""The product without Ray: real webhooks over HTTP, real hosts, real PostgreSQL; simulators stand at the edge only."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import uvicorn
from cryptography.fernet import Fernet

from actors.memory_job import Question
from actors.wiring import HostParts, build_host, failpoint_for
from deployments.ingress import routes
from deployments.webhooks import Intake
from konstruct import tenant_file
from konstruct.database import hosting, tenants
from konstruct.database.pool import Database
from konstruct.directory import Directory
from konstruct.messages import Heard
from konstruct.metrics import Unmeasured
from konstruct.settings import Settings
from konstruct.vault import Vault
from simulator import App, SlackSimulator
from tests.stub_model import StubModel

APP = App(team="T0ACME", app="A0ACME", bot_user="U0BOT", bot_token="xoxb-test", signing_secret="test-secret-acme")
TENANT = """
tenant: {tenant}
quiet_seconds: {quiet}
employee: {{name: Ada, instructions: You answer questions about Acme's shop., model: local/stub}}
channels:
  slack: {{team_id: {app.team}, app_id: {app.app}, bot_user_id: {app.bot_user},
           bot_token: "{app.bot_token}", signing_secret: "{app.signing_secret}"}}
"""


def settings_for(database_url: str, home: Path, **changes: object) -> Settings:
    """Settings of an installation in `home`, with a master key of its own."""
    keys = Fernet.generate_key().decode()
    environment = {
        "KONSTRUCT_HOME": str(home),
        "KONSTRUCT_DATABASE_URL": database_url,
        "KONSTRUCT_MASTER_KEYS": keys,
        "KONSTRUCT_FAILPOINTS": "on",
    }
    return replace(Settings.from_environment(environment), **changes)  # type: ignore[arg-type]


async def pretend_embedding(questions: Sequence[Question]) -> list[list[float]]:
    """Vectors that are near when texts share words; enough to see that the right rows are asked for."""
    return [
        [1.0 + sum(word.lower().startswith(letter) for word in text.split()) for letter in LETTERS]
        for _, text in questions
    ]


LETTERS = [chr(97 + n % 26) for n in range(384)]


@dataclass
class Rig:
    """One installation under test."""

    settings: Settings
    database: Database
    slack: SlackSimulator
    model: StubModel
    url: str = ""
    hosts: list[HostParts] = field(default_factory=list)
    deaf: bool = False

    def wake(self, messages: Sequence[Heard]) -> None:
        """What the router does; `deaf` loses every wake-up."""
        if not self.deaf:
            for parts in self.hosts:
                parts.host.wake(messages)

    async def start_host(self, number: int = 0, hosts: int = 1) -> HostParts:
        """Start one more host in this process."""
        parts = await build_host(self.settings, number, pretend_embedding, Unmeasured())
        await parts.host.start(hosts)
        self.hosts.append(parts)
        return parts

    async def stop_host(self, parts: HostParts) -> None:
        """Drain and stop a host."""
        self.hosts.remove(parts)
        await parts.stop()

    async def crash_host(self, parts: HostParts) -> None:
        """End a host without a word: for its successor what waits may have crashed it, as after kill -9."""
        self.hosts.remove(parts)
        await hosting.take(self.database, parts.host.host, hosting.shards_of(0, 1))
        await parts.stop()

    async def texts(self, channel: str = "D0ALICE", thread_ts: str | None = None) -> list[str]:
        """What the employee's visible messages read now."""
        return [
            message.shown
            for message in self.slack.messages(channel, thread_ts=thread_ts)
            if message.user == APP.bot_user
        ]

    async def replies(self, count: int, channel: str = "D0ALICE", timeout: float = 15.0) -> list[str]:
        """Wait until the employee has `count` messages in the channel, give doubles time to show, answer them."""
        async with asyncio.timeout(timeout):
            while len(await self.texts(channel)) < count:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)
        return await self.texts(channel)


@asynccontextmanager
async def rig(
    database_url: str,
    home: Path,
    *,
    hosts: int = 1,
    quiet: float = 0,
    chosen: dict[str, object] | None = None,
    apps: Sequence[App] = (APP,),
    **simulated: object,
) -> AsyncIterator[Rig]:
    """An installation with `hosts` hosts in this process and tenant acme applied; `chosen`: other settings."""
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(SlackSimulator(apps, **simulated))  # type: ignore[arg-type]
        model = await stack.enter_async_context(StubModel())
        urls = {"slack_api_url": slack.url, "local_model_url": model.url}
        settings = settings_for(database_url, home, **(urls | (chosen or {})))
        (home / "failpoints").mkdir(parents=True, exist_ok=True)
        database = Database(database_url, 4)
        await database.start()
        stack.push_async_callback(database.stop)
        under_test = Rig(settings, database, slack, model)
        await apply(under_test, "acme", APP, quiet)
        await hosting.remap(database, hosts)
        for number in range(hosts):
            await under_test.start_host(number, hosts)
        under_test.url = await stack.enter_async_context(ingress(under_test))
        slack.courier.webhook = f"{under_test.url}/slack/events"
        yield under_test
        for parts in list(under_test.hosts):
            await under_test.stop_host(parts)


async def apply(under_test: Rig, tenant: str, app: App, quiet: float = 0) -> bool:
    """Apply a small tenant file."""
    parsed = tenant_file.parse(TENANT.format(tenant=tenant, app=app, quiet=quiet), {})
    return await tenants.apply_tenant(under_test.database, parsed, Vault(under_test.settings.master_keys))


@asynccontextmanager
async def ingress(under_test: Rig) -> AsyncIterator[str]:
    """The real HTTP routes on a free loopback port."""
    failpoint = failpoint_for(replace(under_test.settings, failpoints=False))
    intake = Intake(under_test.database, under_test.wake, Unmeasured(), failpoint)
    directory = Directory(under_test.database, Vault(under_test.settings.master_keys))
    listener = socket.create_server(("127.0.0.1", 0))
    application = routes(intake, directory, None, under_test.settings, under_test.database)  # type: ignore[arg-type]
    server = uvicorn.Server(uvicorn.Config(application, log_level="error", lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await task
    await application.stop()
