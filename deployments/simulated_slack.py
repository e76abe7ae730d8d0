"""Where `konstruct chat` finds its Slack: one that runs on the expected port, or one that it starts."""

import json
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from deployments.talk import TalkFailed
from konstruct.settings import Settings
from simulator import App, SlackSimulator

DEFAULT_URL = "http://127.0.0.1:8790/api/"
DEMO_TENANT = "acme"
PROBE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class SimulatedSlack:
    """A running simulator and the employee's app in it. `address`: root URL."""

    address: str
    team: str
    employee: str


async def join_or_start(
    tenant: str, settings: Settings, session: aiohttp.ClientSession, until: AsyncExitStack
) -> SimulatedSlack:
    """Join the simulator on KONSTRUCT_SLACK_API_URL's port, or start one that ends with `until`.

    Raises TalkFailed where the URL is not of this machine, the port is another's, or secrets are missing.
    """
    url = urlsplit(os.environ.get("KONSTRUCT_SLACK_API_URL") or DEFAULT_URL)
    if url.hostname not in ("127.0.0.1", "localhost", "::1") or url.port is None:
        raise TalkFailed(
            f"KONSTRUCT_SLACK_API_URL is {url.geturl()}, but chat simulates Slack on this machine only: "
            f"run `konstruct up` and this with {DEFAULT_URL} there, or talk to it in Slack itself."
        )
    address = f"http://{url.netloc}"
    apps = await _running(address, session)
    if apps is None:
        app = _demo_app(tenant, settings)
        apps = [app]
        slack = SlackSimulator(
            apps,
            webhook=f"http://127.0.0.1:{settings.http_port}/slack/events",
            host=url.hostname,
            port=url.port,
        )
        try:
            await until.enter_async_context(slack)
        except OSError as error:
            raise TalkFailed(f"Slack cannot be simulated on port {url.port}: {error.strerror}.") from error
    for app in apps:
        if app.tenant == tenant:
            return SimulatedSlack(address, app.team, app.name)
    raise TalkFailed(f"The simulated Slack at {address} has no app of tenant {tenant}: end it, or name its tenant.")


async def _running(address: str, session: aiohttp.ClientSession) -> list[App] | None:
    """Return the apps of the simulator there, None where nothing listens; raises TalkFailed."""
    try:
        timeout = aiohttp.ClientTimeout(total=PROBE_SECONDS)
        async with session.get(f"{address}/_simulator/apps", timeout=timeout) as response:
            return [App(**app) for app in (await response.json())["apps"]]
    except aiohttp.ClientConnectorError:
        return None
    except (aiohttp.ClientError, TimeoutError, ValueError, LookupError, TypeError) as error:
        raise TalkFailed(
            f"What listens at {address} is not a simulated Slack: end it, or run `konstruct up` and this "
            "with another port in KONSTRUCT_SLACK_API_URL."
        ) from error


def _demo_app(tenant: str, settings: Settings) -> App:
    if tenant != DEMO_TENANT:
        raise TalkFailed(
            f"Chat knows the Slack secrets of the demo tenant only: for {tenant}, start `python -m simulator "
            f"--tenant {tenant} --team …` with SLACK_BOT_TOKEN and SLACK_SIGNING_SECRET set, then this again."
        )
    path = settings.home / "secrets" / "demo.json"
    try:
        secrets = json.loads(path.read_text())
        return App(tenant=tenant, bot_token=secrets["bot_token"], signing_secret=secrets["signing_secret"])
    except OSError:
        raise TalkFailed(f"There is no demo tenant in {settings.home}: run `konstruct up` first.") from None
    except (ValueError, LookupError, TypeError) as error:
        raise TalkFailed(f"{path} is damaged: remove it and run `konstruct up` again.") from error
