"""Sending to WhatsApp: what goes over the wire, and what Meta's answers come to."""

import time
from typing import Any

import pytest

from konstruct.channels.whatsapp import client as sending
from konstruct.channels.whatsapp.verdicts import VERDICTS, Refusal, verdict
from konstruct.errors import ChannelBusy, ChannelOutcomeUnknown, ChannelRefused
from tests.unit.graph import RID, TOKEN, error, graph, reply

TEMPLATE = {"name": "follow_up", "language": "en"}


async def test_a_text_goes_to_the_phone_number_and_carries_the_replys_id() -> None:
    async with graph() as (server, channel):
        assert await channel.send(reply(), "We open at nine.") == "wamid.OUT1"
    assert server.asked == [
        {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": "4915112345678",
            "biz_opaque_callback_data": str(RID),
            "type": "text",
            "text": {"body": "We open at nine.", "preview_url": False},
        }
    ]
    assert server.headers[0]["Authorization"] == f"Bearer {TOKEN}"


async def test_somebody_without_a_visible_number_is_written_to_by_user_id() -> None:
    async with graph() as (server, channel):
        await channel.send(reply("DE.13491208655302741918"), "Hello")
    assert server.asked[0]["recipient"] == "DE.13491208655302741918"
    assert "to" not in server.asked[0]


async def test_a_lone_emoji_becomes_a_reaction_to_the_message_answered() -> None:
    async with graph() as (server, channel):
        await channel.send(reply(), " 👍🏽 ")
        await channel.send(reply(source_id=""), "👍")
    assert server.asked[0]["reaction"] == {"message_id": "wamid.M1", "emoji": "👍🏽"}
    assert server.asked[1]["text"]["body"] == "👍"


async def test_an_answer_quotes_the_question_where_the_operator_wants_it() -> None:
    async with graph(quote=True) as (server, channel):
        await channel.send(reply(), "Yes")
        await channel.send(reply(part=1), "And no")
    assert server.asked[0]["context"] == {"message_id": "wamid.M1"}
    assert "context" not in server.asked[1]


async def test_after_the_window_only_the_template_is_sent() -> None:
    past = time.time() - 1
    async with graph(template=TEMPLATE) as (server, channel):
        await channel.send(reply(open_until=past), "We open at nine.")
        with pytest.raises(ChannelRefused, match="told the contact already"):
            await channel.send(reply(open_until=past, part=1), "More")
    assert [one["type"] for one in server.asked] == ["template"]
    assert server.asked[0]["template"] == {"name": "follow_up", "language": {"code": "en"}}
    assert server.asked[0]["biz_opaque_callback_data"] == str(RID)


async def test_a_template_with_a_parameter_carries_the_answer_in_one_line() -> None:
    async with graph(template=TEMPLATE | {"with_answer": True}) as (server, channel):
        await channel.send(reply(open_until=time.time() - 1), "We open\n\n\tat nine.\n" + "x" * 2000)
    (component,) = server.asked[0]["template"]["components"]
    (parameter,) = component["parameters"]
    assert component["type"] == "body"
    assert parameter["text"].startswith("We open at nine. xxx")
    assert parameter["text"].endswith("…")
    assert len(parameter["text"]) <= 900


async def test_after_the_window_and_without_a_template_nothing_is_sent_and_the_operator_learns_why() -> None:
    async with graph() as (server, channel):
        with pytest.raises(ChannelRefused, match=r"24 hours .* no `template`"):
            await channel.send(reply(open_until=time.time() + 1), "We open at nine.")
    assert server.asked == []


async def test_an_open_window_needs_no_template() -> None:
    async with graph(template=TEMPLATE) as (server, channel):
        await channel.send(reply(open_until=time.time() + 3600), "Hello")
    assert server.asked[0]["type"] == "text"


async def test_a_window_that_meta_sees_closed_is_answered_with_the_template() -> None:
    async with graph(template=TEMPLATE) as (server, channel):
        server.answers = [error(131047)]
        await channel.send(reply(), "Hello")
    assert [one["type"] for one in server.asked] == ["text", "template"]


@pytest.mark.parametrize(
    ("answer", "shown"), [("👍", "👍"), ("When?\n[[Today | Tomorrow]]", "When?\n• Today\n• Tomorrow")]
)
async def test_what_meta_will_not_take_in_this_form_is_said_in_plain_words(answer: str, shown: str) -> None:
    async with graph() as (server, channel):
        server.answers = [error(131009)]
        assert await channel.send(reply(), answer) == "wamid.OUT2"
        assert server.asked[1]["text"]["body"] == shown
        server.answers = [error(131009)]
        with pytest.raises(ChannelRefused):
            await channel.send(reply(), "Plain words")
        server.answers = [error(131026)]
        with pytest.raises(ChannelRefused):
            await channel.send(reply(), answer)
    assert len(server.asked) == 4


@pytest.mark.parametrize("code", sorted(VERDICTS))
@pytest.mark.parametrize("status", [400, 401, 403, 500])
async def test_an_error_that_meta_documents_has_the_fate_of_the_table(code: int, status: int) -> None:
    ruling = VERDICTS[code]
    async with graph() as (server, channel):
        server.answers = [error(code, status)]
        with pytest.raises(ChannelBusy if ruling.fate == "busy" else ChannelRefused) as caught:
            await channel.send(reply(), "Hello")
    assert str(caught.value).startswith(ruling.sentence)
    assert caught.value.permanent is (ruling.fate != "busy")


FATES = {
    "busy": [4, 80007, 130429, 131056, 131016, 131000, 133016],
    "never": [131026, 131050, 131051, 130472, 131062],
    "wait": [131049],
    "closed": [131047],
    "reconnect": [0, 190, 10, *range(200, 300), 131005, 131031, 368, 131042, 132015, 132016],
}


@pytest.mark.parametrize("fate", FATES)
def test_the_table_says_what_metas_documentation_says(fate: str) -> None:
    for code in FATES[fate]:
        found = verdict(code)
        assert found is not None, code
        assert found.fate == fate, code


def test_what_an_operator_must_mend_says_how() -> None:
    words = ("connect", "Business Manager", "template", "register")
    for ruling in VERDICTS.values():
        assert ruling.sentence.endswith(".")
        assert ruling.fate != "reconnect" or any(word in ruling.sentence for word in words)


def test_only_what_holds_up_the_whole_number_makes_all_answers_wait() -> None:
    def waits(code: int) -> bool:
        error = Refusal(VERDICTS[code], code, "").as_error(0.0)
        return isinstance(error, ChannelRefused) and error.disconnected

    of_the_number = [190, 131042, 131031]
    assert [code for code in (*of_the_number, 132015, 132016, 131026, 130429) if waits(code)] == of_the_number


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ((500, b"oops"), ChannelOutcomeUnknown),
        ((503, {"error": {"code": 999_999}}), ChannelOutcomeUnknown),
        ((200, b"<html>"), ChannelOutcomeUnknown),
        ((200, {"messages": []}), ChannelOutcomeUnknown),
        ((200, {"messages": [{"id": 5}]}), ChannelOutcomeUnknown),
        ((429, b""), ChannelBusy),
        ((429, {"error": {"code": 999_999}}), ChannelBusy),
        ((403, b"<html>proxy"), ChannelBusy),
        ((302, b""), ChannelBusy),
        ((400, {"error": {"code": 999_999}}), ChannelRefused),
        ((401, {"error": {}}), ChannelRefused),
    ],
)
async def test_an_answer_that_meta_does_not_document_is_never_taken_for_a_sent_message(
    answer: tuple[int, Any], wanted: type[Exception]
) -> None:
    async with graph() as (server, channel):
        server.answers = [answer]
        with pytest.raises(wanted):
            await channel.send(reply(), "Hello")


async def test_no_answer_in_time_leaves_the_outcome_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "SEND_SECONDS", 0.05)
    async with graph() as (server, channel):
        server.hang_seconds = 0.2
        with pytest.raises(ChannelOutcomeUnknown):
            await channel.send(reply(), "Hello")


async def test_where_nobody_listens_nothing_was_sent() -> None:
    async with graph() as (_, channel):
        channel._api_url = "http://127.0.0.1:9/v25.0/"
        with pytest.raises(ChannelBusy):
            await channel.send(reply(), "Hello")


async def test_a_limit_on_the_number_stops_everybody_and_one_on_a_contact_only_that_contact() -> None:
    async with graph() as (server, channel):
        server.answers = [error(131056)]
        with pytest.raises(ChannelBusy) as caught:
            await channel.send(reply(), "Hello")
        assert caught.value.retry_after == 4
        with pytest.raises(ChannelBusy):
            await channel.send(reply(), "Hello")
        await channel.send(reply("4999"), "Hello")
        assert len(server.asked) == 2
        server.answers = [error(130429)]
        with pytest.raises(ChannelBusy):
            await channel.send(reply("4999"), "Hello")
        with pytest.raises(ChannelBusy):
            await channel.send(reply("4998"), "Hello")
        assert len(server.asked) == 3


async def test_the_status_reads_the_message_and_types() -> None:
    async with graph() as (server, channel):
        await channel.show_status(reply().address, "wamid.M1", "is thinking…")
        await channel.show_status(reply().address, "wamid.M1", "")
        server.answers = [error(131000, 500)]
        with pytest.raises(ChannelBusy):
            await channel.show_status(reply().address, "wamid.M1", "is thinking…")
    assert server.asked[0] == {
        "messaging_product": "whatsapp",
        "status": "read",
        "message_id": "wamid.M1",
        "typing_indicator": {"type": "text"},
    }
    assert len(server.asked) == 2


async def test_a_sent_message_can_neither_be_changed_nor_found() -> None:
    async with graph() as (server, channel):
        assert not channel.grows
        assert await channel.find(reply()) is None
        with pytest.raises(ChannelRefused):
            await channel.edit(reply(), "wamid.OUT1", "Hello")
    assert server.asked == []
