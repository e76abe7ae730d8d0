"""Without usable master keys nothing starts, and whatever does not start says which key and what to do."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from actors.wiring import build_host
from deployments.doctor import find
from deployments.examinations.finding import Finding
from deployments.ingress import routes
from deployments.local_model import ServedGateway
from deployments.socket_mode import socket_mode
from konstruct.errors import SettingsInvalid
from konstruct.metrics import Unmeasured
from konstruct.settings import Settings

NOTHING: Any = None
GOOD = Fernet.generate_key().decode()
WRONG = {
    "none": ((), "KONSTRUCT_MASTER_KEYS is not set"),
    "cut": ((GOOD[:40],), "Key 1 in KONSTRUCT_MASTER_KEYS is malformed"),
    "second": ((GOOD, GOOD[1:]), "Key 2 in KONSTRUCT_MASTER_KEYS is malformed"),
    "text": (("change-me",), "Key 1 in KONSTRUCT_MASTER_KEYS is malformed"),
}


async def host(settings: Settings) -> None:
    await build_host(settings, 0, NOTHING, Unmeasured())


async def ingress(settings: Settings) -> None:
    routes(NOTHING, NOTHING, NOTHING, settings, NOTHING)


async def sockets(settings: Settings) -> None:
    socket_mode(settings, NOTHING, NOTHING)


@pytest.mark.parametrize("way", [host, ingress, sockets])
@pytest.mark.parametrize("wrong", WRONG)
async def test_a_process_without_usable_keys_does_not_start_and_says_why(
    way: Callable[[Settings], Awaitable[None]], wrong: str
) -> None:
    keys, sentence = WRONG[wrong]
    settings = replace(Settings.from_environment({}), master_keys=keys)
    with pytest.raises(SettingsInvalid, match=sentence) as caught:
        await way(settings)
    assert GOOD not in str(caught.value)


class Known:
    """A replica's handle that is never asked."""

    def options(self, **_: object) -> "Known":
        return self


@pytest.mark.parametrize("wrong", WRONG)
def test_the_local_models_door_does_not_open_either(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    keys, sentence = WRONG[wrong]
    monkeypatch.setenv("KONSTRUCT_MASTER_KEYS", ",".join(keys))
    monkeypatch.delenv("KONSTRUCT_MASTER_KEYS_FILE", raising=False)
    with pytest.raises(SettingsInvalid, match=sentence):
        ServedGateway("smollm2", Known())  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", WRONG)
def test_the_doctor_says_it_too(tmp_path: Path, wrong: str) -> None:
    keys, sentence = WRONG[wrong]
    environment = {"KONSTRUCT_HOME": str(tmp_path), "KONSTRUCT_MASTER_KEYS": ",".join(keys)}
    found: list[Finding] = [one for one in find(environment) if one.subject == "master keys"]
    if keys:
        assert [(one.state, sentence in one.said) for one in found] == [("wrong", True)]
    else:
        assert [one.state for one in found] == ["worth a look"]  # nothing was brought up there: nothing is lost


def test_a_key_file_that_is_gone_is_named(tmp_path: Path) -> None:
    environment = {"KONSTRUCT_HOME": str(tmp_path), "KONSTRUCT_MASTER_KEYS_FILE": str(tmp_path / "gone")}
    (found,) = find(environment)
    assert found.state == "wrong"
    assert "KONSTRUCT_MASTER_KEYS_FILE names" in found.said
    assert "cannot be read" in found.said
