from uuid import UUID

from konstruct.escalation import Counters, parse
from konstruct.messages import Address, Heard, Kind
from konstruct.triage import OPERATOR_SPEAKS, Escalation, triage

RULES = Escalation((parse('"refund" AND count > 1'), parse("messages > 5")), "A colleague takes over.", 60.0)
NOBODY = UUID(int=0)


def said(text: str, kind: Kind = "message") -> Heard:
    return Heard(1, NOBODY, NOBODY, 0, 0, 0, "slack", Address("T", "D"), "U", text, "1.0", kind)


def test_a_message_asks_the_model_and_is_counted() -> None:
    decision = triage([said("hello")], Counters(), RULES, paused=False)
    assert (decision.outcome, decision.asks, decision.counters.messages) == ("answered", True, 1)


def test_a_rule_that_is_met_hands_over_and_starts_counting_anew() -> None:
    decision = triage([said("refund!"), said("my refund")], Counters(), RULES, paused=False)
    assert (decision.outcome, decision.asks, decision.text) == ("escalated", False, "A colleague takes over.")
    assert decision.pause is not None
    assert (decision.pause.seconds, decision.counters) == (60.0, Counters())


def test_counters_go_on_while_the_employee_is_paused_and_nothing_is_said() -> None:
    decision = triage([said("hello?")], Counters(messages=3), RULES, paused=True)
    assert (decision.outcome, decision.asks, decision.text) == ("suppressed", False, "")
    assert decision.counters.messages == 4


def test_an_operator_in_the_batch_silences_the_whole_batch() -> None:
    decision = triage([said("help"), said("I am here.", "operator")], Counters(), RULES, paused=False)
    assert decision.outcome == "suppressed"
    assert decision.pause is not None
    assert decision.pause.reason == OPERATOR_SPEAKS


def test_reactions_and_asides_ask_for_nothing() -> None:
    for kind in ("reaction", "aside"):
        assert triage([said("x", kind)], Counters(), RULES, paused=False).outcome == "suppressed"


def test_what_cannot_be_read_is_named_once_and_left_to_the_model_beside_a_message() -> None:
    alone = triage([said("a poll", "unsupported"), said("a poll", "unsupported")], Counters(), RULES, paused=False)
    assert alone.text == "I'm sorry, I can't read a poll yet. Could you write it to me as text?"
    assert triage([said("a poll", "unsupported"), said("see?")], Counters(), RULES, paused=False).asks
