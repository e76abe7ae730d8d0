"""Escalation rules: when a human must take over. Pure functions over counters that outlive the window."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from konstruct.expression import Billing, Comparison, Every, Expression, Keyword, Not, Some, keywords, read, write
from konstruct.occurrence import folded, occurs

# What asks for money or asks it back (English, German, French, Spanish).
BILLING_WORDS = (
    "billing", "billed", "bills", "my bill", "the bill", "this bill", "invoice", "invoices", "payment", "payments",
    "charge", "charged", "charges", "overcharged", "chargeback", "refund", "refunds", "refunded", "receipt",
    "subscription", "credit card", "debit card", "money back", "paid",
    "rechnung", "rechnungen", "zahlung", "abbuchung", "abgebucht", "lastschrift", "erstattung", "geld zurück",
    "bezahlt", "abonnement", "facture", "factures", "facturation", "paiement", "remboursement", "prélèvement",
    "factura", "facturas", "facturación", "pago", "reembolso", "cobro", "cobrado",
)  # fmt: skip

_BILLING = tuple(map(folded, BILLING_WORDS))
_COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "=": operator.eq}


@dataclass(frozen=True, slots=True)
class Counters:
    """What a conversation has come to. `counts`: by a rule's text, the messages that held one of its keywords."""

    messages: int = 0
    attempts: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, stored: Mapping[str, Any] | None) -> "Counters":
        """From what `stored` gave, or from nothing."""
        kept = stored or {}
        return cls(kept.get("messages", 0), kept.get("attempts", 0), dict(kept.get("counts", {})))

    @property
    def stored(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @property
    def unsatisfied(self) -> "Counters":
        """After one more answer that did not satisfy: an apology, negative feedback."""
        return replace(self, attempts=self.attempts + 1)


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition under which a human must take over; `str` gives its text."""

    expression: Expression

    def __str__(self) -> str:
        """The rule in its plainest form."""
        return write(self.expression)

    def count(self, text: str, counters: Counters) -> Counters:
        """The counters after this message, as far as this rule's keywords go; `heard` counts the rest."""
        said = folded(text)
        if not any(occurs(folded(keyword), said) for keyword in keywords(self.expression)):
            return counters
        return replace(counters, counts={**counters.counts, str(self): counters.counts.get(str(self), 0) + 1})

    def hit(self, text: str, counters: Counters) -> bool:
        """Whether this message, counted already, asks for a human."""
        return self._holds(self.expression, folded(text), counters)

    def _holds(self, expression: Expression, said: str, counters: Counters) -> bool:
        match expression:
            case Keyword(text):
                return occurs(folded(text), said)
            case Billing():
                return any(occurs(word, said) for word in _BILLING)
            case Comparison(counter, comparator, number):
                counted = counters.counts.get(str(self), 0) if counter == "count" else getattr(counters, counter)
                return bool(_COMPARE[comparator](counted, number))
            case Not(part):
                return not self._holds(part, said, counters)
            case Every(parts):
                return all(self._holds(part, said, counters) for part in parts)
            case Some(parts):
                return any(self._holds(part, said, counters) for part in parts)


def parse(rule: str) -> Rule:
    """Read a rule; raises RuleInvalid that says what stands where, and what should."""
    return Rule(read(rule))


def heard(rules: Sequence[Rule], text: str, counters: Counters) -> Counters:
    """The counters after one more message of the contact, counted once for all rules."""
    counters = replace(counters, messages=counters.messages + 1)
    for rule in dict.fromkeys(rules):
        counters = rule.count(text, counters)
    return counters


def first_hit(rules: Sequence[Rule], text: str, counters: Counters) -> Rule | None:
    """The first rule that asks for a human; `counters` as `heard` left them."""
    return next((rule for rule in rules if rule.hit(text, counters)), None)
