"""Buttons and slash commands: every documented shape is understood, and nothing else raises."""

import json
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from konstruct.channels.slack import Checked, Command, Ignored, Pressed, Source, Unreadable, command, interaction

PAYLOADS = Path(__file__).parents[1] / "payloads" / "slack"
ACME, CORP = Source("A0ACME", "T0ACME"), Source("A0ACME", "T0ACME", "E0CORP")
TS, ROOT, TURN = "1793000000.000100", "1792999999.000100", "00000000-0000-0000-0000-000000000ace"


def pressed(action: str = "konstruct_choice_0", value: str = "Monday", **changes: object) -> dict[str, object]:
    return {
        "source": asdict(ACME), "channel": "D0ALICE", "thread": "", "ts": TS, "user": "U0ALICE", "user_team": "T0ACME",
        "action": action, "value": value,
    } | changes  # fmt: skip


INTERACTIONS: dict[str, dict[str, object] | type[Ignored | Unreadable]] = {
    "block_actions__choice": pressed(),
    "block_actions__choice_in_thread": pressed(channel="C0SHOP", thread=ROOT),
    "block_actions__feedback_good": pressed("konstruct_feedback", f"good:{TURN}"),
    "block_actions__feedback_bad": pressed("konstruct_feedback", f"bad:{TURN}"),
    "block_actions__of_another_app": pressed("approve_request", "1"),
    "block_actions__organisation": pressed(source=asdict(CORP)),
    "block_actions__slack_connect": pressed(user="U0STRANGER", user_team="T0PARTNER"),
    "block_actions__in_home_tab": Ignored,
    "block_actions__without_actions": Unreadable,
    "block_actions__user_is_text": Unreadable,
    "view_submission__plain": Ignored,
    "shortcut__global": Ignored,
}


def typed(text: str, source: Source = ACME, channel: str = "D0ALICE") -> Command:
    return Command(source, channel, "U0ALICE", text, "111.222.abc", "https://hooks.slack.com/commands/T0ACME/1/x")


COMMANDS: dict[str, Command | type[Checked | Unreadable]] = {
    **{f"konstruct__{word}": typed(word) for word in ("help", "status", "pause", "resume")},
    "konstruct__question": typed("When do you open?"),
    "konstruct__question_in_channel": typed("When do you open?", channel="C0SHOP"),
    "konstruct__empty": typed(""),
    "konstruct__organisation": typed("help", CORP),
    "konstruct__without_trigger": Unreadable,
    "ssl_check__plain": Checked,
}


def form_of(name: str) -> bytes:
    payload = json.loads((PAYLOADS / f"{name}.json").read_text())
    return urlencode({"payload": json.dumps(payload)} if name.startswith("interactivity/") else payload).encode()


@pytest.mark.parametrize("name", INTERACTIONS)
def test_an_interaction_as_slack_documents_it_is_understood(name: str) -> None:
    parsed, expected = interaction(form_of(f"interactivity/{name}")), INTERACTIONS[name]
    if isinstance(expected, type):
        assert isinstance(parsed, expected)
    else:
        assert isinstance(parsed, Pressed)
        assert {field: value for field, value in asdict(parsed).items() if field != "message"} == expected


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_as_slack_documents_it_is_understood(name: str) -> None:
    parsed, expected = command(form_of(f"commands/{name}")), COMMANDS[name]
    assert isinstance(parsed, expected) if isinstance(expected, type) else parsed == expected


def test_every_payload_has_an_expectation_and_vice_versa() -> None:
    assert set(INTERACTIONS) == {path.stem for path in (PAYLOADS / "interactivity").glob("*.json")}
    assert set(COMMANDS) == {path.stem for path in (PAYLOADS / "commands").glob("*.json")}


wrong = st.sampled_from([None, True, 0, 1.5, "", "x", "\0", "\ud800", [], {}, ["a"], {"id": {}}, [[]]])
objects = st.dictionaries(
    st.sampled_from(["id", "team_id", "team", "ts", "thread_ts", "channel_id", "message_ts", "action_id", "value"]),
    wrong, max_size=4,
)  # fmt: skip
payloads = st.dictionaries(
    st.sampled_from(["user", "team", "enterprise", "channel", "container", "message", "api_app_id", "actions"]),
    objects | wrong | st.lists(objects, max_size=2),
    max_size=8,
)


@given(payloads)
def test_arbitrary_interactions_never_raise_and_give_only_what_can_be_stored(payload: dict[str, object]) -> None:
    body = urlencode({"payload": json.dumps({"type": "block_actions"} | payload)}).encode()
    parsed = interaction(body)
    if isinstance(parsed, Pressed):
        for text in (parsed.channel, parsed.thread, parsed.ts, parsed.user, parsed.action, parsed.value):
            assert "\0" not in text
            text.encode()


@given(st.binary(max_size=300))
@example(b"")
@example(b"payload=" + b"[" * 100_000)
@example(b"payload=null")
@example(b"payload=%00&payload=%ff")
@example(b"&" * 5000)
@example(b"a=b&" * 5000)
def test_arbitrary_bytes_never_raise(body: bytes) -> None:
    interaction(body)
    command(body)
