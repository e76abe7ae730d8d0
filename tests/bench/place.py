"""Who and where everything is in the benchmark: tenants, their models, ports on loopback."""

from simulator import App

HTTP_PORT, DASHBOARD_PORT = 8200, 8965
BARE_HTTP_PORT, BARE_DASHBOARD_PORT = 8210, 8966
UP_HTTP_PORT, UP_DASHBOARD_PORT, UP_SLACK_PORT = 8220, 8967, 8294
SLACK_PORT, MODEL_PORT, BOLT_PORT, BOLT_SLACK_PORT = 8290, 8291, 8292, 8293

WEBHOOK = f"http://127.0.0.1:{HTTP_PORT}/slack/events"
MODEL_URL = f"http://127.0.0.1:{MODEL_PORT}/v1"
INSTRUCTIONS = "You answer questions about Acme's shop."
WINDOW = 20


def _app(name: str) -> App:
    upper = name.upper()
    return App(
        tenant=name, name="Ada", team=f"T0{upper}", app=f"A0{upper}", bot_user=f"U0{upper}", bot=f"B0{upper}",
        bot_token=f"xoxb-{name}", signing_secret=f"signing-secret-{name}",
    )  # fmt: skip


# The stub answers QUICK at once, SLOW after a second, FLOOD after half a second to one and a half, DRIP word by word;
# HOSTED goes through LiteLLM;
# BUDGETED is QUICK with budgets.
QUICK, SLOW, DRIP, HOSTED, FLOOD, BUDGETED = APPS = tuple(
    _app(name) for name in ("quick", "slow", "drip", "hosted", "flood", "budgeted")
)
_MODELS = {
    "quick": "local/stub", "slow": "local/slow", "drip": "local/drip", "hosted": "stub", "flood": "local/varied",
    "budgeted": "local/stub",
}  # fmt: skip


_BUDGET = "{usd: 1000000, tokens: 1000000000}"
BUDGETS = f"budgets: {{tenant: {_BUDGET}, employee: {_BUDGET}, conversation: {_BUDGET}}}\n"


def tenant_file(app: App) -> str:
    """The tenant as `konstruct apply` takes it."""
    hosted = f'models:\n  - {{name: stub, litellm: openai/stub, api_base: "{MODEL_URL}", api_key: sk-bench}}\n'
    return (
        f"tenant: {app.tenant}\n"
        f'employee: {{name: {app.name}, instructions: "{INSTRUCTIONS}", model: {_MODELS[app.tenant]}}}\n'
        f"{hosted if app is HOSTED else ''}"
        f"{BUDGETS if app is BUDGETED else ''}"
        "channels:\n"
        f"  slack: {{team_id: {app.team}, app_id: {app.app}, bot_user_id: {app.bot_user},\n"
        f'          bot_token: "{app.bot_token}", signing_secret: "{app.signing_secret}"}}\n'
    )
