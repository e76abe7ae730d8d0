"""`konstruct simulate`: whose secrets it takes, and what it says where it cannot."""

import socket
import sys
from pathlib import Path

import pytest

from deployments import cli
from deployments.applied import Applied
from deployments.installation import keys
from deployments.installation.demo import DEMO_FILE
from deployments.installation.environment import WHATSAPP_SIMULATOR_URL
from deployments.installation.layout import Layout
from deployments.simulate import SLACK_SECRETS, WHATSAPP_SECRETS, Wanted, billing, vendors
from konstruct.settings import Settings
from konstruct.tenant_file import parse

WANTED = Wanted("acme", 0, 0, None, 60.0)


def test_the_demo_tenants_secrets_are_the_simulators(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    keys.prepare(layout)
    environment = {"KONSTRUCT_HOME": str(tmp_path), "KONSTRUCT_HTTP_PORT": "9000", "SLACK_SIGNING_SECRET": "other"}
    slack, whatsapp = vendors(WANTED, environment, Settings.from_environment(environment), Applied())
    assert slack.apps[0].signing_secret == keys.demo(layout)["signing_secret"]
    assert slack.courier.webhook == "http://127.0.0.1:9000/slack/events"
    assert whatsapp.world.numbers[0].app_secret == keys.demo_whatsapp(layout)["app_secret"]
    assert whatsapp.courier.webhook == "http://127.0.0.1:9000/whatsapp/webhook"


def test_another_tenants_secrets_come_from_the_environment(tmp_path: Path) -> None:
    environment = {"KONSTRUCT_HOME": str(tmp_path), "SLACK_BOT_TOKEN": "xoxb-g", "WA_TOKEN": "EAAG-g"}
    wanted = Wanted("globex", 0, 0, "https://globex.example/", 1.0)
    slack, whatsapp = vendors(wanted, environment, Settings.from_environment(environment), Applied())
    assert (slack.apps[0].tenant, slack.apps[0].bot_token) == ("globex", "xoxb-g")
    assert whatsapp.world.numbers[0].access_token == "EAAG-g"
    assert whatsapp.courier.webhook == "https://globex.example/whatsapp/webhook"


def test_stripe_has_the_installations_key_or_its_own(tmp_path: Path) -> None:
    environment = {"KONSTRUCT_HOME": str(tmp_path), "KONSTRUCT_STRIPE_SECRET_KEY": "sk_test_ours"}
    stripe = billing(WANTED, Settings.from_environment(environment))
    assert stripe.account.secret_key == "sk_test_ours"
    assert stripe.account.webhook_secrets == ("whsec_simulated",)
    assert stripe.courier.webhook == "http://127.0.0.1:8000/stripe/webhook"


def test_a_taken_port_is_said_in_one_line(monkeypatch, capsys, tmp_path: Path) -> None:
    monkeypatch.setenv("KONSTRUCT_HOME", str(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        monkeypatch.setattr(
            sys, "argv", ["konstruct", "simulate", "--slack-port", port, "--whatsapp-port", "0", "--stripe-port", "0"]
        )
        with pytest.raises(SystemExit) as stopped:
            cli.main()
    error = capsys.readouterr().err.strip()
    assert stopped.value.code == 1
    assert "cannot be used" in error
    assert "\n" not in error


def test_the_demo_tenant_is_where_the_simulators_expect_it(tmp_path: Path) -> None:
    secret = dict.fromkeys((*SLACK_SECRETS.values(), *WHATSAPP_SECRETS.values(), "WEB_SECRET"), "secret-of-the-demo")
    demo = parse(DEMO_FILE.read_text(), secret).channels
    assert demo.slack is not None
    assert demo.whatsapp is not None
    slack, whatsapp = vendors(WANTED, {}, Settings.from_environment({"KONSTRUCT_HOME": str(tmp_path)}), Applied())
    app, number = slack.apps[0], whatsapp.world.numbers[0]
    assert (demo.slack.team_id, demo.slack.app_id, demo.slack.bot_user_id) == (app.team, app.app, app.bot_user)
    assert demo.whatsapp.phone_number_id == number.phone_number_id
    assert demo.whatsapp.display_phone_number == number.display_phone_number
    assert (
        whatsapp.url.rpartition(":")[2].partition("/")[2] == WHATSAPP_SIMULATOR_URL.rpartition(":")[2].partition("/")[2]
    )
