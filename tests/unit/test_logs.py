"""Logs: JSON lines, message text only at debug, secrets never."""

import json
from collections.abc import Iterator

import pytest
import structlog

from konstruct import logs
from konstruct.database.tenants import ChannelRow, ModelRow
from konstruct.group_commit import GroupCommit
from konstruct.identity import tenant_id
from konstruct.tenant_file import ModelEntry, SlackEntry

PLANTED = "xoxb-planted-1234567890"


@pytest.fixture(autouse=True)
def back_to_normal() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_line_is_json_with_level_time_and_what_was_bound(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    with structlog.contextvars.bound_contextvars(tenant="acme", conversation="c1", turn="t1", request="r1"):
        structlog.get_logger().info("turn committed", parts=2)
    [line] = lines(capsys.readouterr().err)
    assert line | {"timestamp": ""} == {
        "event": "turn committed", "level": "info", "parts": 2, "timestamp": "",
        "tenant": "acme", "conversation": "c1", "turn": "t1", "request": "r1",
    }  # fmt: skip
    assert str(line["timestamp"]).endswith("Z")


@pytest.mark.parametrize(
    "name",
    [
        "bot_token",
        "signing_secret",
        "api_key",
        "Authorization",
        "password",
        "secrets",
        "master_keys",
        "TOKEN",
    ],
)
def test_what_is_named_like_a_secret_is_hidden(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    structlog.get_logger().info("called", **{name: PLANTED})
    assert PLANTED not in capsys.readouterr().err


def test_secrets_inside_of_other_values_are_hidden_too(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    log = structlog.get_logger()
    log.info("called", headers={"Authorization": f"Bearer {PLANTED}", "Accept": "*/*"})
    log.info("called", channels=[{"slack": {"bot_token": PLANTED}}])
    shown = capsys.readouterr().err
    assert PLANTED not in shown
    assert "*/*" in shown


def test_a_bearer_token_inside_of_a_sentence_is_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    log = structlog.get_logger()
    log.warning("refused", reason=f"the header was Bearer {PLANTED}, which is wrong")
    log.warning("failed", exc_info=ValueError(f"cannot use {PLANTED}"))
    assert PLANTED not in capsys.readouterr().err


@pytest.mark.parametrize(
    "begins", ["kt_0badcafe0badcafe0badcafe0badcafe_", "kss_", "sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"]
)
def test_secrets_are_known_by_how_they_begin(begins: str, capsys: pytest.CaptureFixture[str]) -> None:
    secret = f"{begins}planted-1234567890_x"
    logs.configure("info")
    log = structlog.get_logger()
    log.warning("refused", reason=f"No such key: '{secret}'.", address=f"/a?session={secret}&b=1")
    log.warning("failed", exc_info=ValueError(secret), cookie=f"konstruct_session={secret}; other=1")
    shown = capsys.readouterr().err
    assert "planted" not in shown
    assert "No such key: '(hidden)'." in shown
    assert "&b=1" in shown


def test_what_only_looks_a_little_like_a_secret_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    structlog.get_logger().info("called", reason="task_live_updates took a risk_test_suite, apkt_unknownthing")
    assert "task_live_updates took a risk_test_suite, apkt_unknownthing" in capsys.readouterr().err


def test_records_that_carry_secrets_do_not_show_them() -> None:
    acme = tenant_id("acme")
    slack = {
        "team_id": "T",
        "app_id": "A",
        "bot_user_id": "U",
        "bot_token": PLANTED,
        "signing_secret": PLANTED,
    }
    for record in (
        ChannelRow(acme, "slack", "A", "T", acme, "U", {"bot_token": PLANTED}),
        ModelRow("gpt", "openai/gpt", None, PLANTED),
        ModelEntry(name="gpt", litellm="openai/gpt", api_key=PLANTED),
        SlackEntry(**slack),
    ):
        assert PLANTED not in repr(record)
        assert PLANTED not in str(record)


def test_debug_lines_appear_at_debug_only(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    structlog.get_logger().debug("heard", text="my diagnosis")
    assert capsys.readouterr().err == ""
    logs.configure("debug")
    structlog.get_logger().debug("heard", text="my diagnosis")
    assert "my diagnosis" in capsys.readouterr().err


def test_whatever_is_logged_becomes_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    structlog.get_logger().info(
        "odd", lone="\ud800", raw=b"\xff", tenant=tenant_id("acme"), line="a\nb", keyless={1, 2}
    )
    assert len(lines(capsys.readouterr().err)) == 1


def test_an_error_carries_its_traceback_in_the_same_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info")
    structlog.get_logger().error("turn failed", exc_info=ZeroDivisionError("poison"))
    [line] = lines(capsys.readouterr().err)
    assert "ZeroDivisionError: poison" in str(line["exception"])


async def test_what_is_logged_of_a_shared_commit_is_not_of_whoever_came_first() -> None:
    bound = []

    async def flush(items: list[int]) -> list[int]:
        bound.append(structlog.contextvars.get_contextvars())
        return items

    with structlog.contextvars.bound_contextvars(request="r-1"):
        await GroupCommit(flush).add(1)
        assert structlog.contextvars.get_contextvars() == {"request": "r-1"}
    assert bound == [{}]
