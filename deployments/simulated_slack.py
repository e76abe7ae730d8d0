"""Where `konstruct chat` finds its Slack: one that runs on the expected port, or one that it starts."""

import os
from contextlib import AsyncExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from deployments.applied import applied
from deployments.talk import TalkFailed
from konstruct.settings import Settings
from simulator import App, SlackSimulator

DEFAULT_URL = "http://127.0.0.1:8790/api/"
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

    Raises TalkFailed where the URL is not of this machine, or the port is another's; and as `applied` does.
    """
    url = urlsplit(os.environ.get("KONSTRUCT_SLACK_API_URL") or DEFAULT_URL)
    if url.hostname not in ("127.0.0.1", "localhost", "::1") or url.port is None:
        raise TalkFailed(
            f"KONSTRUCT_SLACK_API_URL is {url.geturl()}, but chat simulates Slack on this machine only: "
            f"run `konstruct up` and this with {DEFAULT_URL} there, or talk to it in Slack itself."
        )
    address = f"http://{url.netloc}"
    apps = await _running(address, session)
    served = next((app for app in apps or () if app.tenant == tenant), None)
    if served is not None:
        # `konstruct simulate` makes up an app for a tenant that has none. Without a database, Konstruct is elsewhere.
        if settings.database_url is not None:
            await _applied_app(tenant, settings)
        return SimulatedSlack(address, served.team, served.name)
    app = await _applied_app(tenant, settings)
    if apps is not None:
        others = ", ".join(sorted({app.tenant for app in apps}))
        raise TalkFailed(
            f"The simulated Slack at {address} has no app of tenant {tenant}, but of {others}: end the "
            "`konstruct chat` or `konstruct simulate` that serves it, then start this again."
        )
    webhook = f"http://127.0.0.1:{settings.http_port}/slack/events"
    slack = SlackSimulator([app], webhook=webhook, host=url.hostname, port=url.port)
    try:
        await until.enter_async_context(slack)
    except OSError as error:
        raise TalkFailed(f"Slack cannot be simulated on port {url.port}: {error.strerror}.") from error
    return SimulatedSlack(address, app.team, app.name)


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


async def _applied_app(tenant: str, settings: Settings) -> App:
    app = (await applied(tenant, settings)).app
    if app is None:
        raise TalkFailed(
            f"Tenant {tenant} is not in Slack: add `channels.slack` to its file (simulated, any ids and secrets do) "
            "and apply it, or talk to it in a browser by `konstruct web-token`."
        )
    return app
