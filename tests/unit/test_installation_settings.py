"""What `up` puts into files and environments."""

import json
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from deployments.examinations import machine
from deployments.examinations.finding import Patient
from deployments.installation import keys, ports, processes, running, serve_apps, version
from deployments.installation import up as starting
from deployments.installation.environment import (
    SIMULATOR_URL,
    WHATSAPP_SIMULATOR_URL,
    process_environment,
    python_path,
)
from deployments.installation.layout import CHECKOUT, Layout
from deployments.installation.running import Running
from deployments.installation.steps import Steps
from konstruct.errors import KonstructError, SettingsInvalid
from konstruct.settings import Settings
from tests.unit.laid_out import environment_of


def test_secrets_are_for_their_owner_only(layout):
    assert layout.secrets.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in layout.secrets.iterdir())


def test_existing_secrets_are_never_replaced(layout):
    before = {path: path.read_text() for path in layout.secrets.iterdir()}
    keys.prepare(layout)
    assert {path: path.read_text() for path in layout.secrets.iterdir()} == before


def test_the_demo_tenants_secrets_are_complete_and_its_signing_secret_random(layout, tmp_path):
    other = Layout(tmp_path / "other")
    keys.prepare(other)
    assert set(keys.demo(layout)) == {"signing_secret", "bot_token"}
    assert keys.demo(layout)["signing_secret"] != keys.demo(other)["signing_secret"]
    assert set(keys.demo_whatsapp(layout)) == {"access_token", "app_secret", "verify_token"}
    assert keys.demo_whatsapp(layout)["app_secret"] != keys.demo_whatsapp(other)["app_secret"]


def test_no_secret_stands_in_an_environment(layout):
    given = {"KONSTRUCT_ADMIN_TOKEN": "hush-1" * 4, "KONSTRUCT_MASTER_KEYS": "hush-2"}
    given |= {"KONSTRUCT_SLACK_CLIENT_SECRET": "hush-3", "KONSTRUCT_SLACK_SIGNING_SECRET": "hush-4, hush-0"}
    given |= {"KONSTRUCT_MEDIA_ACCESS_KEY": "hush-5", "KONSTRUCT_MEDIA_SECRET_KEY": "hush-6"}
    environment = environment_of(layout, **given)
    assert "hush" not in json.dumps({name: environment[name] for name in environment if "_FILE" not in name})
    settings = Settings.from_environment(environment)
    assert (settings.admin_token, settings.master_keys) == ("hush-1" * 4, ("hush-2",))
    assert (settings.slack_client_secret, settings.slack_signing_secret) == ("hush-3", ("hush-4", "hush-0"))
    assert (settings.media_access_key, settings.media_secret_key) == ("hush-5", "hush-6")
    assert settings.database_url == "postgresql://x/y"


def test_a_changed_secret_changes_the_environment(layout):
    first = environment_of(layout, KONSTRUCT_ADMIN_TOKEN="one" * 8)
    assert environment_of(layout, KONSTRUCT_ADMIN_TOKEN="one" * 8) == first
    assert environment_of(layout, KONSTRUCT_ADMIN_TOKEN="two" * 8) != first


def test_a_short_token_of_the_operators_api_is_taken_and_the_doctor_warns_of_it(layout):
    def found(token):
        settings = Settings.from_environment({"KONSTRUCT_ADMIN_TOKEN": token})
        return [finding.state for finding in machine.admin_token(Patient(settings, layout, None))]

    assert found("test-token") == ["worth a look"]
    assert found("test-token" * 3) == []


def test_prices_edited_by_hand_replace_what_runs(layout, tmp_path):
    file = tmp_path / "prices.yaml"
    file.write_text("openai/gpt-5-mini: {input: 1, output: 2}")
    first = environment_of(layout, KONSTRUCT_PRICES_FILE=str(file))
    file.write_text("openai/gpt-5-mini: {input: 3, output: 4}")
    second = environment_of(layout, KONSTRUCT_PRICES_FILE=str(file))
    assert second["KONSTRUCT_VERSION_HASH"] != first["KONSTRUCT_VERSION_HASH"]
    # Hosts that started with the former go on with it until they are replaced.
    assert "input: 1" in Path(first["KONSTRUCT_PRICES_FILE"]).read_text()
    assert Path(second["KONSTRUCT_PRICES_FILE"]).read_text() == file.read_text()


def test_a_serve_file_edited_by_hand_replaces_what_runs(layout, tmp_path):
    file = tmp_path / "serve.yaml"
    file.write_text("applications: []")
    first = environment_of(layout, KONSTRUCT_SERVE_CONFIG=str(file))
    file.write_text("applications: [{name: konstruct}]")
    second = environment_of(layout, KONSTRUCT_SERVE_CONFIG=str(file))
    assert second["KONSTRUCT_VERSION_HASH"] != first["KONSTRUCT_VERSION_HASH"]
    assert Path(second["KONSTRUCT_SERVE_CONFIG"]).read_text() == file.read_text()
    file.unlink()
    with pytest.raises(SettingsInvalid, match="KONSTRUCT_SERVE_CONFIG names .* cannot be read"):
        environment_of(layout, KONSTRUCT_SERVE_CONFIG=str(file))


def test_master_keys_edited_by_hand_replace_what_runs(layout):
    first = environment_of(layout)
    keys.master_keys(layout).write_text(f"new,{keys.own(layout)}\n")
    second = environment_of(layout)
    assert second["KONSTRUCT_VERSION_HASH"] != first["KONSTRUCT_VERSION_HASH"]
    assert Settings.from_environment(second).master_keys[0] == "new"
    keys.master_keys(layout).unlink()
    with pytest.raises(SettingsInvalid, match="master_keys cannot be read"):
        environment_of(layout)


def test_without_a_choice_slack_is_the_simulator(layout):
    assert environment_of(layout)["KONSTRUCT_SLACK_API_URL"] == SIMULATOR_URL
    chosen = environment_of(layout, KONSTRUCT_SLACK_API_URL="https://slack.com/api/")
    assert chosen["KONSTRUCT_SLACK_API_URL"] == "https://slack.com/api/"


def test_without_a_choice_whatsapp_is_the_simulator(layout):
    assert environment_of(layout)["KONSTRUCT_WHATSAPP_API_URL"] == WHATSAPP_SIMULATOR_URL
    chosen = environment_of(layout, KONSTRUCT_WHATSAPP_API_URL="https://graph.facebook.com/v26.0/")
    assert chosen["KONSTRUCT_WHATSAPP_API_URL"] == "https://graph.facebook.com/v26.0/"


def test_rays_processes_take_no_ray_setting_from_outside(layout, tmp_path):
    chosen = ports.choose(tmp_path / "ports.json")
    environment = process_environment(layout, chosen, {"RAY_ADDRESS": "elsewhere", "HOME": "h"})
    assert environment["RAY_ADDRESS"] == f"127.0.0.1:{chosen.gcs}"
    assert environment["RAY_AUTH_MODE"] == "token"
    assert environment["HOME"] == "h"


def test_our_sources_come_first_on_the_path():
    assert python_path({"PYTHONPATH": "theirs"}).split(":")[1:] == [str(CHECKOUT), "theirs"]


def test_socket_paths_fit_whatever_the_home(tmp_path):
    layout = Layout(tmp_path / ("deep/" * 40))
    socket = layout.haproxy_config.parent / ("n" * 56) / "s"
    assert len(str(socket)) <= 97


def test_other_commands_find_what_runs_and_the_operators_word_goes_first(layout):
    environment = environment_of(layout, KONSTRUCT_LOG_LEVEL="debug")
    running.remember(layout, Running(environment, "127.0.0.1", 8000, 8265, local_model=True))
    given = {"KONSTRUCT_HOME": str(layout.home), "KONSTRUCT_HTTP_PORT": "9000"}
    known = running.known_environment(given)
    assert known["KONSTRUCT_LOG_LEVEL"] == "debug"
    assert known["KONSTRUCT_HTTP_PORT"] == "9000"
    assert Settings.from_environment(known).master_keys == (keys.own(layout),)
    running.forget(layout)
    assert running.known_environment(given) == given


@pytest.mark.parametrize("name", ["HTTP_HOST", "HTTP_PORT", "DASHBOARD_PORT"])
def test_what_runs_is_not_asked_to_listen_elsewhere(layout, monkeypatch, name):
    runs = Running(environment_of(layout), "127.0.0.1", 8000, 8265, local_model=True)
    running.remember(layout, runs)
    monkeypatch.setattr(processes, "find", lambda _: ["somebody"])
    monkeypatch.setattr(serve_apps.Serve, "applications", lambda _: {})
    monkeypatch.setattr(starting, "_start", lambda *_, **__: pytest.fail("something was changed"))
    elsewhere = {"KONSTRUCT_HOME": str(layout.home), f"KONSTRUCT_{name}": "0.0.0.0" if name == "HTTP_HOST" else "9000"}
    with pytest.raises(starting.AddressInUse, match=f"KONSTRUCT_{name}=.*`konstruct down` first"):
        starting.up(elsewhere, Steps())
    assert running.recall(layout) == runs


@pytest.mark.parametrize("unnamed", [{}, {"KONSTRUCT_HTTP_PORT": "", "KONSTRUCT_DASHBOARD_PORT": ""}])
def test_what_runs_elsewhere_than_by_default_stays_there_where_no_address_is_named(layout, monkeypatch, unnamed):
    address = {"KONSTRUCT_HTTP_HOST": "0.0.0.0", "KONSTRUCT_HTTP_PORT": "9100", "KONSTRUCT_DASHBOARD_PORT": "8000"}
    runs = Running(environment_of(layout, **address), "0.0.0.0", 9100, 8000, local_model=True)
    running.remember(layout, runs)
    monkeypatch.setattr(processes, "find", lambda _: ["somebody"])
    monkeypatch.setattr(serve_apps.Serve, "applications", lambda _: {})
    seen = []

    def start(given, settings, *_, **__):
        seen.append((given["KONSTRUCT_HTTP_HOST"], settings.http_port, settings.dashboard_port, settings.public_url))
        assert environment_of(layout, **given) == runs.environment
        raise KonstructError

    monkeypatch.setattr(starting, "_start", start)
    with pytest.raises(KonstructError):
        starting.up({"KONSTRUCT_HOME": str(layout.home)} | unnamed, Steps())
    assert seen == [("0.0.0.0", 9100, 8000, "http://127.0.0.1:9100")]


@pytest.mark.parametrize("given", [True, False])
def test_master_keys_are_made_only_where_none_are_given(tmp_path, monkeypatch, given):
    def start(*_, **__):
        raise KonstructError

    monkeypatch.setattr(starting, "_clear", lambda *_: None)
    monkeypatch.setattr(starting, "_start", start)
    chosen = {"KONSTRUCT_MASTER_KEYS": Fernet.generate_key().decode()} if given else {}
    with pytest.raises(KonstructError):
        starting.up({"KONSTRUCT_HOME": str(tmp_path)} | chosen, Steps())
    assert keys.master_keys(Layout(tmp_path)).exists() != given


def test_wrong_settings_leave_nothing_where_nothing_ever_ran(tmp_path):
    home = tmp_path / "home"
    with pytest.raises(SettingsInvalid, match="KONSTRUCT_HTTP_PORT"):
        starting.up({"KONSTRUCT_HOME": str(home), "KONSTRUCT_HTTP_PORT": "eighty"}, Steps())
    assert not home.exists()


def test_how_long_a_start_took_is_no_reason_to_deploy_again(layout):
    environment = environment_of(layout)
    one = Running(environment, "127.0.0.1", 8000, 8265, local_model=True, seconds={"Ray": 4.0})
    assert one == Running(environment, "127.0.0.1", 8000, 8265, local_model=True)


SOURCES = (
    "konstruct/a.py",
    "schema/queries/a.sql",
    "deployments/doors/web_page/page.js",
    "deployments/loopback/haproxy",
    "serve.yaml",
    "requirements/runtime.txt",
)


@pytest.mark.parametrize("name", SOURCES)
def test_the_version_follows_what_runs_and_nothing_else(tmp_path, name):
    source = tmp_path / name
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text("1")
    first = version.version_hash(tmp_path)
    (tmp_path / "konstruct").mkdir(exist_ok=True)
    (tmp_path / "konstruct" / "a.pyc").write_text("compiled")
    (tmp_path / "README.md").write_text("words")
    assert version.version_hash(tmp_path) == first
    source.write_text("2")
    assert version.version_hash(tmp_path) != first
