"""What a turn may spend: it holds its worst case before a model is asked; C2 settles what it cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog

from actors.office import Office
from konstruct import notice
from konstruct.budget import Budget
from konstruct.database import budgets
from konstruct.database.budgets import BOUNDLESS, Cost, Room
from konstruct.messages import Heard, Reply
from konstruct.models import Answer, Call, Model, Prompt, Usage
from konstruct.models.policy import ATTEMPTS, Failure, OnDelta, answer
from konstruct.models.size import tokens_at_most
from konstruct.pricing import UNPRICED, micros
from konstruct.roster import Assignment

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Choice:
    """Models to ask, and how often the first of them. `own`: those that the employee works with."""

    models: Sequence[Model]
    attempts: int
    own: bool = False


class Allowance:
    """One turn's. Nothing is asked of PostgreSQL where no budget is configured."""

    def __init__(self, office: Office, first: Heard, turn: UUID, calls: list[Call]) -> None:
        """`calls`: what earlier runs of this turn asked; what it asks itself is added to them."""
        self.calls = calls
        self.failed: dict[str, Failure] = {}  # by the model's name
        self._office = office
        self._first = first
        self._turn = turn
        self._room: Room | None = None
        self._chosen: Choice | None = None
        self._sizes: Mapping[bool, int] = {}  # tokens of the prompt at most, by whether the model sees pictures

    async def ask(self, assignment: Assignment, prompt: Prompt, *, deadline: float, on_delta: OnDelta) -> Answer:
        """The answer of the best models that there is room for; without any, what to say instead, with no call."""
        chosen, budget = Choice(assignment.models, ATTEMPTS), assignment.budget
        if budget is not None:
            held = await self._hold(assignment, budget, prompt)
            if held is None:
                text = budget.stopped(told=assignment.operators is not None)
                return Answer(text, assignment.models[0].name, Usage(0, 0), 0)
            chosen = held
        before = len(self.calls)
        try:
            result = await answer(
                chosen.models, prompt, deadline=deadline, on_delta=on_delta, attempts=chosen.attempts,
                made=self.calls, failed=self.failed,
            )  # fmt: skip
        finally:
            self._record_failures(assignment)
            if budget is not None:
                self._cap(chosen, assignment, before)
        if result.cut:
            log.warning("an answer is cut: its model may say no more", model=result.model_name)
            provider = assignment.terms.get(result.model_name, UNPRICED).provider
            self._office.metrics.count("konstruct_model_cut_answers_total", provider)
        return result

    def _record_failures(self, assignment: Assignment) -> None:
        """Also where another model answered: nobody else would learn of it."""
        for name, failure in self.failed.items():
            log.warning("a model failed", model=name, reason=str(failure))
            provider = assignment.terms.get(name, UNPRICED).provider
            self._office.metrics.count("konstruct_model_failures_total", provider)

    def settlement(self, assignment: Assignment, reply: Reply) -> dict[str, Any] | None:
        """For C2: whether something is held, which budget is full, and how operators are told; None: no budget."""
        if self._room is None or assignment.budget is None:
            return None
        full = self._room.full if self._chosen is None or not self._chosen.own else None
        return {"held": self._room.held, "full": full, "tell": self._words(assignment, assignment.budget, reply)}

    async def _hold(self, assignment: Assignment, budget: Budget, prompt: Prompt) -> Choice | None:
        self._office.failpoint("before_reserve")
        choices = _choices(assignment, budget)
        seeing = {model.sees for choice in choices for model in choice.models}
        self._sizes = {sees: tokens_at_most(prompt, sees=sees) for sees in seeing}
        costs = [self._cost(choice, assignment, budget) for choice in choices]
        first = self._first
        self._room = await budgets.reserve(
            self._office.database, first.tenant, first.conversation,
            employee=assignment.employee, turn=self._turn, choices=costs,
        )  # fmt: skip
        self._chosen = choices[self._room.chosen] if self._room.chosen is not None else None
        self._office.failpoint("after_reserve")
        if self._chosen is None or not self._chosen.own:
            what = "stopped" if self._chosen is None else "reduced"
            log.warning("budget used up", turn_is=what, full=self._room.full)
            self._office.metrics.count("konstruct_budget_limited_turns_total", what)
        return self._chosen

    def _cost(self, choice: Choice, assignment: Assignment, budget: Budget) -> Cost:
        if unpriced := _unpriced(choice.models, assignment, budget):
            log.error("no price known, so that no budget in USD could hold", models=unpriced)
            return BOUNDLESS
        spent = [(call, assignment.terms.get(call.model_name, UNPRICED)) for call in self.calls]
        picos = sum(terms.price.picos(call.usage) for call, terms in spent)
        tokens = sum(call.usage.prompt_tokens + call.usage.completion_tokens for call, _ in spent)
        for place, model in enumerate(choice.models):
            calls, terms = (1 if place else choice.attempts), assignment.terms[model.name]
            asked = self._sizes[model.sees]
            picos += calls * terms.price.picos_at_most(asked, terms.answer_tokens)
            tokens += calls * (asked + terms.answer_tokens)
        return Cost(micros(picos), tokens)

    def _cap(self, chosen: Choice, assignment: Assignment, since: int) -> None:
        """No call counts for more than was held for it, whatever its provider says."""
        sees = {model.name: model.sees for model in chosen.models}
        for place, call in enumerate(self.calls[since:], since):
            terms, counted = assignment.terms[call.model_name], call.usage
            most = counted.within(self._sizes[sees[call.model_name]], terms.answer_tokens)
            if most != counted:
                log.error("a model counts more than it was asked and allowed", model=call.model_name, counted=counted)
                self._office.metrics.count("konstruct_model_overcounts_total", terms.provider)
                self.calls[place] = Call(call.model_name, most)

    def _words(self, assignment: Assignment, budget: Budget, reply: Reply) -> dict[str, Any] | None:
        if assignment.operators is None:
            return None
        link = notice.link_to(reply.channel, reply.address)
        instead = [m.name for m in budget.instead if not _unpriced([m], assignment, budget)]
        unpriced = _unpriced(assignment.models, assignment, budget)
        words = notice.of_budget(budget.tenant, assignment.name, link, instead, unpriced)
        return {"address": assignment.operators, **words}


def _choices(assignment: Assignment, budget: Budget) -> list[Choice]:
    own = [Choice(assignment.models, ATTEMPTS, own=True), Choice(assignment.models, 1, own=True)]
    return own + [Choice((model,), 1) for model in budget.instead]


def _unpriced(models: Sequence[Model], assignment: Assignment, budget: Budget) -> list[str]:
    """Those that no budget of money could hold."""
    return [model.name for model in models if budget.in_money and not assignment.terms[model.name].price.known]
