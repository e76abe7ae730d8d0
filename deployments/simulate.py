"""`konstruct simulate`: Slack, WhatsApp and Stripe on this machine until Ctrl-C, as an applied tenant knows them."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console
from rich.markup import escape

from deployments.applied import Applied, applied
from deployments.installation import keys, running
from deployments.installation.layout import Layout
from konstruct.errors import KonstructError
from konstruct.settings import Settings
from simulator import Account, App, Number, SlackSimulator, StripeSimulator, WhatsAppSimulator
from simulator.serving import serve

DEMO_TENANT = "acme"
# Where the secrets come from while nothing runs that has the tenant: the names that tenant files use.
SLACK_SECRETS = {"bot_token": "SLACK_BOT_TOKEN", "signing_secret": "SLACK_SIGNING_SECRET"}
WHATSAPP_SECRETS = {"access_token": "WA_TOKEN", "app_secret": "WA_APP_SECRET", "verify_token": "WA_VERIFY_TOKEN"}


class NotSimulated(KonstructError):
    """The simulators cannot run."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to serve, and where events go; `speed` divides the waits before redeliveries."""

    tenant: str
    slack_port: int
    whatsapp_port: int
    webhooks: str | None
    speed: float
    stripe_port: int = 0


def simulate(wanted: Wanted, environment: Mapping[str, str], console: Console) -> None:
    """Serve until interrupted; raises NotSimulated where a port is taken, UnknownTenant for one that nobody applied."""
    settings = Settings.from_environment(environment)
    runs = running.recall(Layout(settings.home)) is not None
    known = asyncio.run(applied(wanted.tenant, settings)) if runs else Applied()
    slack, whatsapp = vendors(wanted, environment, settings, known)
    stripe = billing(wanted, settings)

    def tell() -> None:
        _tell(slack, whatsapp, console)
        _tell_billing(stripe, console)

    try:
        serve([slack, whatsapp, stripe], tell)
    except OSError as error:
        raise NotSimulated(
            f"Port {wanted.slack_port}, {wanted.whatsapp_port} or {wanted.stripe_port} cannot be used: "
            f"{error.strerror}. End what holds it, or choose others with --slack-port, --whatsapp-port, --stripe-port."
        ) from error


def vendors(
    wanted: Wanted, environment: Mapping[str, str], settings: Settings, known: Applied
) -> tuple[SlackSimulator, WhatsAppSimulator]:
    """Both simulators: of what is `known` of the tenant, else with the secrets that it will be applied with."""
    webhooks = (wanted.webhooks or f"http://127.0.0.1:{settings.http_port}").rstrip("/")
    app = known.app or replace(
        App(tenant=wanted.tenant), **_secrets(wanted, environment, settings, SLACK_SECRETS, keys.demo)
    )
    number = known.number or replace(
        Number(tenant=wanted.tenant), **_secrets(wanted, environment, settings, WHATSAPP_SECRETS, keys.demo_whatsapp)
    )
    slack = SlackSimulator(
        [app],
        webhook=f"{webhooks}/slack/events",
        port=wanted.slack_port,
        retry_seconds=[seconds / wanted.speed for seconds in (0.0, 60.0, 300.0)],
    )
    whatsapp = WhatsAppSimulator(
        [number],
        webhook=f"{webhooks}/whatsapp/webhook",
        port=wanted.whatsapp_port,
        retry_scale=1 / wanted.speed,
    )
    return slack, whatsapp


def billing(wanted: Wanted, settings: Settings) -> StripeSimulator:
    """Stripe with this installation's key and webhook secret, or with its own where there are none yet."""
    own = Account()
    account = Account(
        settings.stripe_secret_key or own.secret_key, settings.stripe_webhook_secrets or own.webhook_secrets
    )
    webhooks = (wanted.webhooks or f"http://127.0.0.1:{settings.http_port}").rstrip("/")
    return StripeSimulator(
        account, webhook=f"{webhooks}/stripe/webhook", port=wanted.stripe_port, retry_scale=1 / wanted.speed
    )


def _secrets(
    wanted: Wanted,
    environment: Mapping[str, str],
    settings: Settings,
    names: Mapping[str, str],
    of_demo: Callable[[Layout], dict[str, str]],
) -> dict[str, Any]:
    """Those of the demo tenant, or from the environment; what nobody gave stays the simulator's own."""
    if wanted.tenant == DEMO_TENANT:
        # Where nothing was set up yet, there are none.
        with contextlib.suppress(OSError, ValueError):
            return dict(of_demo(Layout(settings.home)))
    return {name: environment[variable] for name, variable in names.items() if environment.get(variable)}


def _tell(slack: SlackSimulator, whatsapp: WhatsAppSimulator, console: Console) -> None:
    for name, vendor, setting in (
        ("Slack", slack, "KONSTRUCT_SLACK_API_URL"),
        ("WhatsApp", whatsapp, "KONSTRUCT_WHATSAPP_API_URL"),
    ):
        hello = f'curl -d \'{{"text": "Hello"}}\' {vendor.address}/_simulator/say'
        console.print(f"[bold]{name}[/] at {escape(vendor.url)} (for Konstruct: {setting}={escape(vendor.url)})")
        console.print(f"  tells    {escape(str(vendor.courier.webhook))}")
        console.print(f"  say      {escape(hello)}")
        console.print(f"  watch    curl -N {escape(vendor.address)}/_simulator/events")


def _tell_billing(stripe: StripeSimulator, console: Console) -> None:
    own = Account()
    told = [f"KONSTRUCT_STRIPE_API_URL={stripe.url}"]
    if stripe.account == own:
        told += [f"KONSTRUCT_STRIPE_SECRET_KEY={own.secret_key}"]
        told += [f"KONSTRUCT_STRIPE_WEBHOOK_SECRETS={own.webhook_secrets[0]}"]
    console.print(f"[bold]Stripe[/] at {escape(stripe.url)} (for Konstruct: {escape(' '.join(told))})")
    console.print(f"  tells    {escape(str(stripe.courier.webhook))}")
    console.print("docs/simulator.md names everything else one can do. Ctrl-C ends it.")
