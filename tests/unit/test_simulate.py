"""`konstruct simulate`: whose secrets it takes, and what it says where it cannot."""

import json
import socket
import sys
from pathlib import Path

import pytest

from deployments import cli
from deployments.simulate import Wanted, vendors
from konstruct.settings import Settings

WANTED = Wanted("acme", 0, 0, None, 60.0)


def test_the_demo_tenants_secrets_are_the_simulators(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "demo.json").write_text(json.dumps({"signing_secret": "s", "whatsapp_app_secret": "w"}))
    environment = {"KONSTRUCT_HOME": str(tmp_path), "KONSTRUCT_HTTP_PORT": "9000", "SLACK_SIGNING_SECRET": "other"}
    slack, whatsapp = vendors(WANTED, environment, Settings.from_environment(environment))
    assert slack.apps[0].signing_secret == "s"
    assert slack.courier.webhook == "http://127.0.0.1:9000/slack/events"
    assert whatsapp.world.numbers[0].app_secret == "w"
    assert whatsapp.courier.webhook == "http://127.0.0.1:9000/whatsapp/webhook"


def test_another_tenants_secrets_come_from_the_environment(tmp_path: Path) -> None:
    environment = {"KONSTRUCT_HOME": str(tmp_path), "SLACK_BOT_TOKEN": "xoxb-g", "WA_TOKEN": "EAAG-g"}
    wanted = Wanted("globex", 0, 0, "https://globex.example/", 1.0)
    slack, whatsapp = vendors(wanted, environment, Settings.from_environment(environment))
    assert (slack.apps[0].tenant, slack.apps[0].bot_token) == ("globex", "xoxb-g")
    assert whatsapp.world.numbers[0].access_token == "EAAG-g"
    assert whatsapp.courier.webhook == "https://globex.example/whatsapp/webhook"


def test_a_taken_port_is_said_in_one_line(monkeypatch, capsys, tmp_path: Path) -> None:
    monkeypatch.setenv("KONSTRUCT_HOME", str(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        monkeypatch.setattr(sys, "argv", ["konstruct", "simulate", "--slack-port", port, "--whatsapp-port", "0"])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
    error = capsys.readouterr().err.strip()
    assert stopped.value.code == 1
    assert "cannot be used" in error
    assert "\n" not in error
