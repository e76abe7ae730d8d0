"""What holding to a budget costs a turn: the same people and model, with and without budgets, round after round."""

from tests.bench import place
from tests.bench.asked import Asked
from tests.bench.bench_turns import CONVERSATIONS, Runs, ours
from tests.bench.figure import Figure, at_most, ratio_at_least
from tests.bench.inbox import Inbox
from tests.bench.installed import Installed
from tests.bench.people import listening
from tests.bench.percentile import median
from tests.bench.slack import slack_for

# Settling is part of C2, in its one statement: only reserving is a statement, and a commit, of its own.
MOST_STATEMENTS = 2
LEAST_SHARE = 0.85


async def measure(asked: Asked, installed: Installed, inbox: Inbox) -> list[Figure]:
    """Budgets of tenant, employee and conversation, in money and tokens, that are never reached."""
    free, budgeted = Runs(place.QUICK), Runs(place.BUDGETED)
    async with slack_for(place.WEBHOOK, place.SLACK_PORT) as slack, listening(slack) as people:
        for runs in (free, budgeted):
            await people.converse(runs.app, CONVERSATIONS, asked.scaled(10, 3), "A")
        for _ in range(asked.rounds):
            await ours(asked, installed, inbox, people, free)
            await ours(asked, installed, inbox, people, budgeted)
    lost = sum(talk.lost for runs in (free, budgeted) for talk in runs.talks)
    without = "the same without budgets"
    return [
        Figure(
            "turns with budgets, 50 conversations", budgeted.rate, "turns/s", without, free.rate,
            ratio_at_least(LEAST_SHARE),
        ),
        Figure(
            "statements that a budget adds to a turn", median(budgeted.commits) - median(free.commits), "statements",
            goal=at_most(MOST_STATEMENTS),
        ),
        Figure("CPU per turn with budgets", budgeted.milliseconds, "ms", without, free.milliseconds),
        Figure("turns without an answer in that load", lost, "turns", goal=at_most(0)),
    ]  # fmt: skip
