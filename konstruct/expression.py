"""The grammar of escalation rules: `"refund" AND count > 2`, read to a tree and written back."""

import re
from dataclasses import dataclass
from typing import Literal, cast, get_args

from konstruct.errors import RuleInvalid
from konstruct.occurrence import folded

MAX_RULE_CHARS = 1_000
MAX_DEPTH = 20

Counter = Literal["count", "attempts", "messages"]
Comparator = Literal[">", ">=", "<", "<=", "="]


@dataclass(frozen=True, slots=True)
class Keyword:
    """The keyword occurs in this message."""

    text: str


@dataclass(frozen=True, slots=True)
class Billing:
    """One of the built-in billing words occurs in this message."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A counter of the conversation, compared with a whole number."""

    counter: Counter
    comparator: Comparator
    number: int


@dataclass(frozen=True, slots=True)
class Not:
    """The other way round."""

    part: "Expression"


@dataclass(frozen=True, slots=True)
class Every:
    """All parts hold: AND, at least two parts."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one part holds: OR, at least two parts."""

    parts: tuple["Expression", ...]


Expression = Keyword | Billing | Comparison | Not | Every | Some

_TOKEN = re.compile(
    r"""\s*(?:(?P<keyword>"(?:[^"\\]|\\.)*")|(?P<mark>>=|<=|[><=()])|(?P<number>[0-9]+)|(?P<word>\w+)|(?P<other>\S))""",
    re.DOTALL,
)
_CONDITION = 'a keyword in "quotes", billing, count, attempts, messages, NOT or ('


def read(text: str) -> Expression:
    """The tree of a rule; raises RuleInvalid that says what stands where, and what should."""
    if len(text) > MAX_RULE_CHARS:
        raise RuleInvalid(f"The rule has {len(text)} characters; at most {MAX_RULE_CHARS} are read.")
    reader = _Reader(text)
    found = reader.some(0)
    if reader.kind:
        raise reader.unexpected("AND, OR or the end")
    return found


def write(expression: Expression) -> str:
    """The rule's text in its plainest form: `read(write(x)) == x`."""
    match expression:
        case Keyword(text):
            return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case Billing():
            return "billing"
        case Comparison(counter, comparator, number):
            return f"{counter} {comparator} {number}"
        case Not(part):
            return f"NOT {_bracketed(part, (Every, Some))}"
        case Every(parts):
            return " AND ".join(_bracketed(part, (Every, Some)) for part in parts)
        case Some(parts):
            return " OR ".join(_bracketed(part, (Some,)) for part in parts)


def keywords(expression: Expression) -> tuple[str, ...]:
    """All keywords of a rule, as they are written in it."""
    match expression:
        case Keyword(text):
            return (text,)
        case Not(part):
            return keywords(part)
        case Every(parts) | Some(parts):
            return tuple(found for part in parts for found in keywords(part))
        case _:
            return ()


def _bracketed(part: Expression, kinds: tuple[type, ...]) -> str:
    return f"({write(part)})" if isinstance(part, kinds) else write(part)


class _Reader:
    """One pass over the tokens; `kind` and `token` are the next one, `kind` is "" at the end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._end = 0
        self.kind = self.token = ""
        self._step()

    def some(self, depth: int) -> Expression:
        parts = [self._every(depth)]
        while self._took("or"):
            parts.append(self._every(depth))
        return Some(tuple(parts)) if len(parts) > 1 else parts[0]

    def _every(self, depth: int) -> Expression:
        parts = [self._condition(depth)]
        while self._took("and"):
            parts.append(self._condition(depth))
        return Every(tuple(parts)) if len(parts) > 1 else parts[0]

    def _condition(self, depth: int) -> Expression:
        if depth > MAX_DEPTH:
            raise RuleInvalid(f"At character {self._start + 1} the rule is nested deeper than {MAX_DEPTH} times.")
        if self._took("not"):
            return Not(self._condition(depth + 1))
        if self._took("("):
            found = self.some(depth + 1)
            if not self._took(")"):
                raise self.unexpected("AND, OR or )")
            return found
        if self.kind == "keyword":
            return self._keyword()
        if self._took("billing"):
            return Billing()
        if self.kind == "word" and self.token in get_args(Counter):
            return self._comparison(cast("Counter", self._step()))
        raise self.unexpected(_CONDITION)

    def _keyword(self) -> Expression:
        text = re.sub(r"\\(.)", r"\1", self.token[1:-1], flags=re.DOTALL)
        if not folded(text):
            raise self.unexpected("a keyword that is not blank")
        self._step()
        return Keyword(text)

    def _comparison(self, counter: Counter) -> Expression:
        if self.token not in get_args(Comparator):
            raise self.unexpected("one of > >= < <= =")
        comparator = cast("Comparator", self._step())
        if self.kind != "number" or len(self.token) > 6:
            raise self.unexpected("a whole number of at most 6 digits")
        return Comparison(counter, comparator, int(self._step()))

    def _took(self, token: str) -> bool:
        took = self.kind in ("word", "mark") and self.token == token
        if took:
            self._step()
        return took

    def _step(self) -> str:
        """Go to the next token; answers the one left behind."""
        behind = self.token
        match = _TOKEN.match(self._text, self._end)
        self.kind = (match.lastgroup or "") if match else ""
        self.token = match[self.kind] if match else ""
        self._start = match.start(self.kind) if match else len(self._text)
        self._end = match.end() if match else len(self._text)
        if self.kind == "word":
            self.token = self.token.lower()
        return behind

    def unexpected(self, wanted: str) -> RuleInvalid:
        """What was found, where, and what should stand there."""
        found = repr(self._text[self._start : self._end][:40]) if self.kind else "the end"
        if found == "'\"'":
            found = "a quote that is never closed"
        return RuleInvalid(f"At character {self._start + 1} of the rule stands {found}, expected {wanted}.")
