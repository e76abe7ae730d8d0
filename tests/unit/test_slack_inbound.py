"""What is said in Slack reaches the right conversation, as the right kind of message."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from deployments.doors.slack_inbound import inbound
from deployments.doors.slack_reach import MOST_WAITS, SlackReach
from konstruct.channels import Line, slack
from konstruct.channels.slack import Message, Source, parse
from konstruct.database.tenants import ChannelRow
from konstruct.errors import ChannelBusy
from konstruct.messages import Address, Inbound

PAYLOADS = Path(__file__).parents[1] / "payloads" / "slack"
TS, ROOT = "1793000000.000100", "1792999999.000100"
ROW = ChannelRow(UUID(int=7), "slack", "A0ACME", "T0ACME", UUID(int=8), "U0BOT", {})
AGENT = ChannelRow(UUID(int=7), "slack", "A0ACME", "T0ACME", UUID(int=8), "U0BOT", {}, {"agent_view": True})
MENTION = Message(Source("A0ACME", "T0ACME"), "C0SHOP", False, ROOT, TS, "U0ALICE", "", "hello")


def heard(name: str, row: ChannelRow = ROW, **changes: Any) -> Inbound | None:
    callback = json.loads((PAYLOADS / f"{name}.json").read_text())
    callback["event"] |= changes
    event = parse(json.dumps(callback).encode())
    assert isinstance(event, Message)
    return inbound(event, row)


def surely(name: str, row: ChannelRow = ROW, **changes: Any) -> Inbound:
    message = heard(name, row, **changes)
    assert message is not None
    return message


def test_a_direct_message_is_one_conversation_with_all_others_of_that_person() -> None:
    first, second = surely("message__im"), surely("message__im", ts="1793000009.000100")
    assert first.address == Address("T0ACME", "D0ALICE", None, private=True, recipient="U0ALICE")
    assert first.conversation == second.conversation
    assert (first.kind, first.only_known, first.event) == ("message", False, f"D0ALICE:{TS}")


def test_where_direct_messages_are_threads_each_message_is_a_root_and_its_replies_stay_with_it() -> None:
    root, other = surely("message__im", AGENT), surely("message__im", AGENT, ts="1793000009.000100")
    reply = surely("message__im", AGENT, ts="1793000010.000100", thread_ts=TS)
    assert root.address.thread == TS
    assert root.conversation == reply.conversation != other.conversation
    assert surely("message__changed", AGENT).conversation == root.conversation


def test_a_mention_opens_a_conversation_in_its_thread_whichever_of_both_events_comes_first() -> None:
    mention, copy = surely("app_mention__channel"), surely("message__channel_mention_copy")
    assert mention == copy
    assert mention.address == Address("T0ACME", "C0SHOP", TS, private=False, recipient="U0ALICE")
    assert (mention.text, mention.kind, mention.only_known) == ("is the shop open?", "message", False)


def test_a_follow_up_without_a_mention_is_for_known_conversations_only() -> None:
    follow_up = surely("message__channel_thread_reply")
    assert (follow_up.kind, follow_up.only_known, follow_up.address.thread) == ("message", True, ROOT)
    assert follow_up.conversation == surely("app_mention__thread").conversation


@pytest.mark.parametrize("name", ["message__mpim_thread_reply", "message__channel_thread_broadcast"])
def test_follow_ups_in_group_messages_and_shown_to_the_channel_too_are_follow_ups(name: str) -> None:
    assert (surely(name).kind, surely(name).only_known) == ("message", True)


def test_a_follow_up_that_begins_with_somebody_else_is_an_aside() -> None:
    aside = surely("message__channel_thread_aside")
    assert (aside.kind, aside.only_known) == ("aside", True)
    both = surely("message__channel_thread_aside", text="<@U0BOB> and <@U0BOT> please")
    assert (both.kind, both.only_known) == ("message", False)


@pytest.mark.parametrize("name", ["message__channel", "message__group", "message__mpim"])
def test_what_people_say_to_each_other_outside_a_thread_is_not_heard(name: str) -> None:
    assert heard(name) is None


def test_in_a_group_message_the_employee_is_mentioned() -> None:
    assert surely("message__mpim_mention").text == "three of us"
    assert not surely("message__mpim_mention").only_known


def test_somebody_whose_id_only_begins_like_the_employees_is_somebody_else() -> None:
    assert heard("message__channel", text="<@U0BOTHER> lunch?") is None
    assert surely("message__channel_thread_aside", text="<@U0BOTHER> lunch?").kind == "aside"


@pytest.mark.parametrize("text", ["<@U0BOT|ada> is it open?", "<@U0BOT> is it open?", "is it <@U0BOT> open?"])
def test_the_mention_itself_is_not_part_of_what_was_said(text: str) -> None:
    assert "U0BOT" not in surely("app_mention__channel", text=text).text


def test_a_change_is_an_edit_of_its_message_and_each_change_an_event_of_its_own() -> None:
    edit = surely("message__changed")
    assert (edit.kind, edit.target, edit.text, edit.only_known) == ("edit", TS, "What are your hours?", False)
    assert edit.conversation == surely("message__im").conversation
    assert edit.event == f"D0ALICE:{TS}:1793000005.000200" != surely("message__im").event


def test_what_was_never_said_to_the_employee_is_not_kept_because_it_changes() -> None:
    said = {"user": "U0ALICE", "ts": TS, "thread_ts": ROOT, "edited": {"user": "U0ALICE", "ts": "1793000005.000000"}}
    assert surely("message__changed_in_channel_thread", message=said | {"text": "lunch at one?"}).only_known
    assert not surely("message__changed_in_channel_thread", message=said | {"text": "<@U0BOT> lunch?"}).only_known


def test_two_edits_within_a_second_are_two() -> None:
    first, second = surely("message__changed"), surely("message__changed", event_ts="1793000005.000900")
    assert first.target == second.target
    assert first.event != second.event
    assert surely("message__changed") == first


def test_a_deletion_is_one_of_its_message_also_where_a_tombstone_stays() -> None:
    gone, tombstone = surely("message__deleted"), surely("message__changed_to_tombstone")
    assert (gone.kind, gone.target, gone.text, gone.only_known) == ("delete", TS, "", False)
    assert (tombstone.kind, tombstone.target, tombstone.address.thread) == ("delete", TS, TS)


def test_of_a_person_from_elsewhere_the_workspace_is_told() -> None:
    assert surely("message__im_slack_connect").address.recipient == "T0PARTNER/U0STRANGER"
    assert surely("message__im_slack_connect").address.team == "T0ACME"


def test_where_the_whole_organisation_installed_the_app_the_workspace_is_told() -> None:
    organisation = ChannelRow(UUID(int=7), "slack", "A0ACME", "E0CORP", UUID(int=8), "U0BOT", {})
    address = surely("message__im_enterprise_install", organisation).address
    assert (address.team, address.recipient) == ("E0CORP", "T0ACME/U0ALICE")


@pytest.mark.parametrize("ts", ["9e99", "inf", "nan", "-1", "1_0", "9" * 12 + ".0", "\u0661.1", "1.", ""])
def test_what_is_no_time_of_slacks_is_no_time(ts: str) -> None:
    said = inbound(Message(Source("A0ACME", "T0ACME"), "D0", True, "", ts, "U0", "", "hello"), ROW)
    assert said is not None
    assert said.said_at is None


def test_when_it_was_said_is_its_id() -> None:
    assert surely("message__im").said_at == 1793000000.0001


@pytest.mark.parametrize(("busy", "read"), [(0, True), (MOST_WAITS, True), (MOST_WAITS + 1, False)])
async def test_where_slack_is_busy_a_thread_is_read_a_few_times_later_and_then_not_at_all(
    monkeypatch: pytest.MonkeyPatch, busy: int, read: bool
) -> None:
    tries = 0

    async def said_since(*_: object) -> list[Message]:
        nonlocal tries
        tries += 1
        if tries <= busy:
            raise ChannelBusy(0.0)
        return [MENTION]

    async def line(*_: object) -> Line:
        return Line(ROW.tenant, "T0ACME", "U0BOT", {"bot_token": "x"}, {}, "http://localhost/", None)  # type: ignore[arg-type]

    monkeypatch.setattr(slack, "said_since", said_since)
    monkeypatch.setattr(SlackReach, "_line", line)
    reach = SlackReach(None, None, None)  # type: ignore[arg-type] - nothing is opened
    if read:
        assert await reach.said_since(ROW, MENTION) == [MENTION]
    else:
        with pytest.raises(ChannelBusy):
            await reach.said_since(ROW, MENTION)
    assert tries == min(busy, MOST_WAITS) + 1
