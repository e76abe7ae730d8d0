"""Settings: defaults, `_FILE` secrets, and sentences that name the variable that is wrong."""

from dataclasses import fields
from pathlib import Path

import pytest

from konstruct.errors import SettingsInvalid
from konstruct.settings import Settings

read = Settings.from_environment


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    settings = read({})
    assert settings.home == Path.home() / ".konstruct"
    assert (settings.http_port, settings.dashboard_port, settings.conversation_hosts) == (8000, 8265, 2)
    assert settings.database_url is None
    assert settings.master_keys == ()
    assert settings.local_model is True
    assert settings.slack_api_url == "https://slack.com/api/"
    assert settings.whatsapp_api_url == "https://graph.facebook.com/v25.0/"
    assert settings.log_level == "info"
    assert settings.failpoints is False


@pytest.mark.parametrize("given", [{"HTTP": "9100", "DASHBOARD": "9100"}, {"HTTP": "8265"}, {"DASHBOARD": "8000"}])
def test_two_servers_on_one_port_are_refused_by_the_names_of_both(given: dict[str, str]) -> None:
    with pytest.raises(SettingsInvalid, match=r"KONSTRUCT_HTTP_PORT and KONSTRUCT_DASHBOARD_PORT are both \d{4}"):
        read({f"KONSTRUCT_{name}_PORT": port for name, port in given.items()})


def test_urls_that_point_at_ourselves_follow_the_port() -> None:
    settings = read({"KONSTRUCT_HTTP_PORT": "9100"})
    assert settings.public_url == "http://127.0.0.1:9100"
    assert settings.local_model_url == "http://127.0.0.1:9100/models/v1"


@pytest.mark.parametrize("name", [f"{whose}_URL" for whose in ("SLACK_API", "WHATSAPP_API", "STRIPE_API", "PUBLIC")])
def test_a_url_means_the_same_with_and_without_a_slash_at_its_end(name: str) -> None:
    variable, root = f"KONSTRUCT_{name}", "https://here.example/api"
    assert read({variable: root}) == read({variable: f"{root}/"})


def test_channels_find_their_methods_below_the_urls() -> None:
    settings = read({"KONSTRUCT_SLACK_API_URL": "http://a/api", "KONSTRUCT_WHATSAPP_API_URL": "http://b/v25.0"})
    assert (settings.slack_api_url, settings.whatsapp_api_url) == ("http://a/api/", "http://b/v25.0/")


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read({"KONSTRUCT_HTTP_PORT": "", "KONSTRUCT_DATABASE_URL": ""}) == read({})


def test_a_tilde_in_home_is_the_users_folder() -> None:
    assert read({"KONSTRUCT_HOME": "~/elsewhere"}).home == Path.home() / "elsewhere"


def test_a_relative_home_is_the_same_place_for_whoever_starts_elsewhere() -> None:
    assert read({"KONSTRUCT_HOME": "state"}).home == Path.cwd() / "state"


def test_secrets_come_from_files_and_lose_their_line_end(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(" one , two,, \n")
    assert read({"KONSTRUCT_MASTER_KEYS_FILE": str(file)}).master_keys == ("one", "two")
    file.write_text("postgresql://somewhere/x\n")
    assert read({"KONSTRUCT_DATABASE_URL_FILE": str(file)}).database_url == "postgresql://somewhere/x"


def test_a_variable_outranks_its_file(tmp_path: Path) -> None:
    given = "given" * 5
    environment = {"KONSTRUCT_ADMIN_TOKEN": given, "KONSTRUCT_ADMIN_TOKEN_FILE": str(tmp_path / "absent")}
    assert read(environment).admin_token == given


@pytest.mark.parametrize("name", ["KONSTRUCT_ADMIN_TOKEN", "KONSTRUCT_ADMIN_TOKEN_FILE"])
def test_a_token_that_could_be_guessed_stops_with_a_sentence_that_does_not_show_it(tmp_path: Path, name: str) -> None:
    file = tmp_path / "token"
    file.write_text("sesame\n")
    given = str(file) if name.endswith("FILE") else "sesame"
    with pytest.raises(SettingsInvalid, match="ADMIN_TOKEN has 6 characters and could be guessed") as caught:
        read({name: given})
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("kind", ["absent", "folder", "binary"])
def test_a_secret_file_that_cannot_be_read_stops_with_a_sentence(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "secret"
    if kind == "folder":
        path.mkdir()
    elif kind == "binary":
        path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsInvalid, match=r"KONSTRUCT_MASTER_KEYS_FILE names .*secret, which cannot be read"):
        read({"KONSTRUCT_MASTER_KEYS_FILE": str(path)})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PORT", "http"),
        ("HTTP_PORT", "0"),
        ("HTTP_PORT", "65536"),
        ("DASHBOARD_PORT", "-1"),
        ("CONVERSATION_HOSTS", "0"),
        ("CONVERSATION_HOSTS", "1.5"),
        ("CONVERSATION_HOSTS", "9" * 5000),
        ("DATABASE_CONNECTIONS", "1000"),
        ("LOCAL_MODEL", "yes"),
        ("LOG_LEVEL", "loud"),
        ("FAILPOINTS", "1"),
    ],
)
def test_a_wrong_value_names_the_variable_and_what_it_must_be(name: str, value: str) -> None:
    with pytest.raises(SettingsInvalid, match=f"KONSTRUCT_{name} is .* but must be") as caught:
        read({f"KONSTRUCT_{name}": value})
    assert caught.value.permanent


@pytest.mark.parametrize("value", ["ON", "On", "on"])
def test_switches_are_read_in_any_case(value: str) -> None:
    assert read({"KONSTRUCT_FAILPOINTS": value}).failpoints is True


def test_printing_settings_shows_no_secret() -> None:
    """Settings end up in tracebacks and logs."""
    shown = repr(
        read(
            {
                "KONSTRUCT_MASTER_KEYS": "planted-key",
                "KONSTRUCT_ADMIN_TOKEN": "planted-token-of-the-owner",
                "KONSTRUCT_DATABASE_URL": "postgresql://u:planted-password@h/d",
            }
        )
    )
    assert "planted" not in shown


def test_settings_cannot_be_changed_by_accident() -> None:
    assert Settings.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert {field.name for field in fields(Settings)} >= {
        "home",
        "database_url",
        "master_keys",
        "version_hash",
    }
