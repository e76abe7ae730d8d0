"""Escalation rules: what they mean, what they count, and that no text whatsoever is more than a rule or refused."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from konstruct.errors import RuleInvalid
from konstruct.escalation import Counters, Rule, first_hit, heard, parse
from konstruct.expression import Billing, Comparison, Every, Keyword, Not, Some

KEYWORDS = st.text(min_size=1).filter(lambda text: text.strip()).map(lambda text: Keyword("k" + text[:20]))
LEAVES = st.one_of(
    KEYWORDS,
    st.just(Billing()),
    st.builds(
        Comparison,
        st.sampled_from(["count", "attempts", "messages"]),
        st.sampled_from([">", ">=", "<", "<=", "="]),
        st.integers(0, 999_999),
    ),
)
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda parts: st.one_of(
        st.builds(Not, parts),
        st.builds(Every, st.lists(parts, min_size=2, max_size=3).map(tuple)),
        st.builds(Some, st.lists(parts, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


def after(rule: Rule, *texts: str) -> Counters:
    counters = Counters()
    for text in texts:
        counters = heard([rule], text, counters)
    return counters


@given(EXPRESSIONS)
def test_a_rule_written_and_read_again_is_the_same_rule(expression) -> None:
    assert parse(str(Rule(expression))) == Rule(expression)


@given(st.text(st.sampled_from('"\\()<>= \nandortcumsi1Ω')) | st.text())
@example("(" * 900)
@example("NOT " * 240)
@example('"' + "\\" * 99)
@example("count > " + "9" * 900)
@example("count > ٣")
def test_any_text_is_a_rule_or_refused_with_its_position(text: str) -> None:
    try:
        rule = parse(text)
    except RuleInvalid as refusal:
        sentence = str(refusal)
    else:
        assert parse(str(rule)) == rule
        return
    assert "character" in sentence


@pytest.mark.parametrize(
    ("rule", "text", "hit"),
    [
        ('"refund"', "I want a REFUND!", True),
        ('"refund"', "refunding is another word", False),
        ('"refund"', "non_refund", False),
        ('"talk to a human"', "let me talk  to\na human.", True),
        ('"straße"', "in der STRASSE", True),
        ('"can\'t log in"', "I can\u2019t log in", True),
        ('"退款"', "我要退款，谢谢", True),
        ('"कि"', "किताब", False),
        ('"café"', "the cafe\u0301 is closed", True),
        ('"café"', "caféteria", False),
        ('"😡"', "so bad😡", True),
        ('"c++"', "is it c++?", True),
        ('("lawyer" OR "sue") AND NOT billing', "I will sue", True),
        ('("lawyer" OR "sue") AND NOT billing', "I will sue over this invoice", False),
        ('"a" OR "b" AND "c"', "a", True),
        ('NOT "a" AND "b"', "b", True),
        ("billing", "Where is my RECHNUNG?", True),
        ("billing", "my name is Bill", False),
        ('not "x" and not "y"', "z", True),
    ],
)
def test_what_a_rule_says_of_a_message(rule: str, text: str, hit: bool) -> None:
    assert parse(rule).hit(text, after(parse(rule), text)) is hit


def test_count_is_of_messages_with_any_keyword_of_the_same_rule_this_one_included() -> None:
    rule = parse('("refund" OR "money") AND count > 2')
    assert not rule.hit("refund", after(rule, "refund refund money", "refund"))
    assert not rule.hit("hello", after(rule, "refund", "money", "refund", "hello"))
    assert rule.hit("refund", after(rule, "refund", "hello", "money", "refund"))


def test_rules_count_apart_and_a_message_counts_once_for_all_of_them() -> None:
    rules = [parse('"a" AND count >= 2'), parse('"b" AND count >= 2'), parse('"a"  and count >= 2')]
    counters = Counters()
    for text in ("a", "b", "a b"):
        counters = heard(rules, text, counters)
    assert counters.messages == 3
    assert counters.counts == {'"a" AND count >= 2': 2, '"b" AND count >= 2': 2}
    assert first_hit(rules, "b", counters) == rules[1]
    assert first_hit(rules, "c", counters) is None


@pytest.mark.parametrize(
    ("comparator", "hits"), [(">", "001"), (">=", "011"), ("<", "100"), ("<=", "110"), ("=", "010")]
)
def test_numbers_are_compared_as_written(comparator: str, hits: str) -> None:
    rule = parse(f"attempts {comparator} 3")
    assert "".join(str(int(rule.hit("", Counters(attempts=number)))) for number in (2, 3, 4)) == hits


def test_messages_and_attempts_need_no_keyword() -> None:
    assert parse("messages > 20").hit("", Counters(messages=21))
    assert parse("billing OR attempts >= 1").hit("hm", Counters().unsatisfied)


def test_counters_survive_being_stored() -> None:
    counters = after(parse('"x"'), "x", "y").unsatisfied
    assert Counters.read(json.loads(json.dumps(counters.stored))) == counters
    assert Counters.read(None) == Counters.read({}) == Counters()


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("", 'At character 1 of the rule stands the end, expected a keyword in "quotes"'),
        ("refund", "At character 1 of the rule stands 'refund', expected a keyword"),
        ('"refund" AND', "At character 13 of the rule stands the end"),
        ('"refund" "money"', "At character 10 of the rule stands '\"money\"', expected AND, OR or the end"),
        ('"refund', "At character 1 of the rule stands a quote that is never closed"),
        ('"  "', "expected a keyword that is not blank"),
        ("count", "At character 6 of the rule stands the end, expected one of > >= < <= ="),
        ("count == 2", "At character 8 of the rule stands '=', expected a whole number"),
        ("count > -1", "At character 9 of the rule stands '-', expected a whole number"),
        ("count > 1.5", "At character 10 of the rule stands '.', expected AND, OR or the end"),
        ("count > 1000000", "expected a whole number of at most 6 digits"),
        ('("a" OR "b"', "At character 12 of the rule stands the end, expected AND, OR or )"),
        ("__import__('os')", "At character 1 of the rule stands '__import__'"),
        ("(" * 30 + "billing" + ")" * 30, "nested deeper than 20 times"),
        ("x" * 1001, "The rule has 1001 characters; at most 1000 are read."),
    ],
)
def test_a_rule_that_cannot_be_read_says_what_stands_where(rule: str, sentence: str) -> None:
    with pytest.raises(RuleInvalid) as caught:
        parse(rule)
    assert sentence in str(caught.value)
