"""What is measured, by name; who exports it is decided at the edge."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate
from typing import Protocol

COUNTERS = {
    "konstruct_webhooks_total": "Webhook requests by answer.",
    "konstruct_stripe_events_total": "Stripe's events by outcome: kept, seen, ignored, foreign, unreadable.",
    "konstruct_slack_limited_total": "Times that Slack said that it drops a workspace's events for a minute.",
    "konstruct_turns_total": "Turns by outcome.",
    "konstruct_outbox_retries_total": "Sends that had to be repeated, by reason.",
    "konstruct_model_tokens_total": "Model tokens by kind.",
    "konstruct_limited_messages_total": "Messages over a limit: of a contact, not answered; of a tenant, refused.",
    "konstruct_model_cost_micros_total": "What model calls cost by provider, in millionths of a USD.",
    "konstruct_model_failures_total": "Models that gave a turn no answer, by provider.",
    "konstruct_model_cut_answers_total": "Answers longer than their model may say, and so cut, by provider.",
    "konstruct_model_overcounts_total": "Model calls counted beyond what was held for them, by provider.",
    "konstruct_meter_events_total": "Usage told to Stripe, by outcome.",
    "konstruct_budget_limited_turns_total": "Turns without room in a budget: reduced to another model, or stopped.",
    "konstruct_budget_alerts_total": "Budgets that were reached, by percent.",
    "konstruct_fenced_total": "Commits refused because another host owns the shard.",
    "konstruct_audit_sealed_total": "Audit rows sealed into the chains of their tenants.",
    "konstruct_audit_failures_total": "Rounds of the Auditor that failed: seal, or look at what is sealed and waits.",
}
HISTOGRAMS = {
    "konstruct_ack_seconds": "From the request's arrival to its durable answer.",
    "konstruct_turn_seconds": "Stages of a turn: recall, model, commit, send, whole.",
}
GAUGES = {
    "konstruct_audit_findings": "What the nightly verification of the audit found; 0 where all is as it was sealed.",
    "konstruct_audit_blocked_tenants": "Tenants whose audit cannot be sealed: the end of their chain is damaged.",
    "konstruct_audit_unsealed_seconds": "Age of the oldest audit row that is not sealed.",
    "konstruct_billing_difference_micros": "What the ledger and Stripe differ by, of the tenant compared last.",
    "konstruct_active_conversations": "Conversations loaded in this host.",
    "konstruct_turns_waiting": "Turns of this host that wait for a slot, or for their tenant's limit.",
    "konstruct_inbox_waiting": "Messages that wait for an answer.",
    "konstruct_inbox_oldest_seconds": "Age of the oldest message that waits.",
    "konstruct_outbox_waiting": "Replies that are not out yet.",
    "konstruct_dead_letters": "Messages and replies set aside.",
    "konstruct_isolation_holes": "Holes between tenants that the last isolation check found.",
}
SECONDS_BUCKETS = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60]


class Metrics(Protocol):
    """Where measurements go. Labels are few and bounded; never a conversation or a contact."""

    def count(self, name: str, label: str = "", by: float = 1) -> None:
        """Add to a counter."""
        ...

    def observe(self, name: str, seconds: float, label: str = "") -> None:
        """Add to a histogram."""
        ...

    def gauge(self, name: str, value: float) -> None:
        """Set a gauge."""
        ...


class Tally:
    """What was counted and observed since it was last taken, summed up by series as Prometheus names them.

    A histogram is its `_bucket`, `_sum` and `_count`, each a counter: exact, and as cheap for many as for one.
    """

    def __init__(self) -> None:
        """Nothing yet."""
        self._counted: dict[tuple[str, str], float] = defaultdict(float)
        self._observed: dict[tuple[str, str], list[int]] = defaultdict(_empty_buckets)

    def count(self, name: str, label: str = "", by: float = 1) -> None:
        """See Metrics.count."""
        self._counted[name, label] += by

    def observe(self, name: str, seconds: float, label: str = "") -> None:
        """See Metrics.observe."""
        self._observed[name, label][bisect_left(SECONDS_BUCKETS, seconds)] += 1
        self._counted[f"{name}_sum", label] += seconds

    def take(self) -> Iterator[tuple[str, dict[str, str], float]]:
        """(series, labels, by how much it rose), only what rose; and begin anew."""
        counted, self._counted = self._counted, defaultdict(float)
        observed, self._observed = self._observed, defaultdict(_empty_buckets)
        for (name, label), places in observed.items():
            counted[f"{name}_count", label] += sum(places)
            for bound, below in zip([*SECONDS_BUCKETS, "+Inf"], accumulate(places), strict=True):
                if below:
                    yield f"{name}_bucket", {"kind": label, "le": str(bound)}, below
        for (name, label), by in counted.items():
            if by > 0:
                yield name, {"kind": label}, by


def _empty_buckets() -> list[int]:
    return [0] * (len(SECONDS_BUCKETS) + 1)


class Unmeasured:
    """Metrics that go nowhere, for tests."""

    def count(self, name: str, label: str = "", by: float = 1) -> None:
        """Ignore it."""

    def observe(self, name: str, seconds: float, label: str = "") -> None:
        """Ignore it."""

    def gauge(self, name: str, value: float) -> None:
        """Ignore it."""
