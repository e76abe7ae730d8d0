"""What `up` says at the end: where everything is, and how to talk to the employee."""

import time

from rich.markup import escape

from deployments.installation import keys, ports
from deployments.installation.environment import SIMULATOR_URL, WHATSAPP_SIMULATOR_URL
from deployments.installation.layout import Layout
from deployments.installation.running import Running
from deployments.installation.steps import Steps
from konstruct.channels.web_chat import sign
from konstruct.settings import GRAPH_API_URL, Settings

DEMO_SITE = "acme"
LINK_SECONDS = 12 * 3600


def greet(steps: Steps, running: Running) -> None:
    """Print it; `running` is what `up` answered."""
    settings = Settings.from_environment(running.environment)
    layout = Layout(settings.home)
    rows = [
        ("Slack webhooks", f"{settings.public_url}/slack/events"),
        ("WhatsApp webhooks", f"{settings.public_url}/whatsapp/webhook"),
        ("Health", f"http://127.0.0.1:{running.http_port}/readyz"),
        ("Operators' API", f"{settings.public_url}/admin/v1"),
        ("  its token", f"cat {running.environment['KONSTRUCT_ADMIN_TOKEN_FILE']}"),
        ("Ray dashboard", f"http://127.0.0.1:{running.dashboard_port}"),
        ("  its token", f"cat {keys.ray_token(layout)}"),
        ("Logs", str(layout.logs)),
    ]
    if chosen := ports.recall(layout.ports_file):
        rows.append(("Metrics", f"http://127.0.0.1:{chosen.metrics}/metrics (Prometheus, ray_konstruct_…)"))
    rows += [("Slack API", _slack(settings)), ("WhatsApp API", _whatsapp(settings))]
    steps.say("")
    for name, value in rows:
        _row(steps, name, escape(value))
    if running.local_model:
        talk = "[bold green]konstruct chat[/]  (in this checkout: .venv/bin/konstruct chat)"
        _row(steps, "Talk to Ada", talk)
        _row(steps, "  in a browser", escape(_chat(settings, layout)))
    _row(steps, "More", "konstruct status · doctor · apply -f tenant.yaml · down")
    steps.say(f"\nEverything runs since {steps.elapsed:.0f} s; version {running.version}.")


def _row(steps: Steps, name: str, value: str) -> None:
    """On a line of its own, for a table would crop or break links where the terminal is narrow."""
    steps.console.print(f"{name:<18}  {value}", soft_wrap=True)


def _chat(settings: Settings, layout: Layout) -> str:
    secret = keys.demo_web_secret(layout).read_text()
    token = sign(secret, DEMO_SITE, "me", int(time.time()) + LINK_SECONDS)
    return f"{settings.public_url.rstrip('/')}/web/{DEMO_SITE}#token={token}"


def _slack(settings: Settings) -> str:
    if settings.slack_api_url == SIMULATOR_URL:
        real = "KONSTRUCT_SLACK_API_URL=https://slack.com/api/"
        return f"{SIMULATOR_URL} (the simulator of `konstruct chat`; for Slack set {real})"
    return settings.slack_api_url


def _whatsapp(settings: Settings) -> str:
    if settings.whatsapp_api_url == WHATSAPP_SIMULATOR_URL:
        real = f"KONSTRUCT_WHATSAPP_API_URL={GRAPH_API_URL}"
        return f"{WHATSAPP_SIMULATOR_URL} (`konstruct simulate`; for WhatsApp set {real})"
    return settings.whatsapp_api_url
