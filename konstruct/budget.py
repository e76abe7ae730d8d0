"""A month's budgets, as far as a turn knows them; how much is left of them only PostgreSQL knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from konstruct.errors import TenantFileInvalid
from konstruct.models import Model
from konstruct.price_list import PriceList
from konstruct.tenant_file import TenantFile

USED_UP = "I'm sorry, I can't answer right now: the budget for my answers is used up for this month."
TOLD = " The people I work for have been told."
SCOPES = ("tenant", "employee", "conversation")


@dataclass(frozen=True, slots=True)
class Budget:
    """`instead`: models to go on with where there is no room for the employee's own, in this order."""

    tenant: str
    in_money: bool
    instead: tuple[Model, ...]
    message: str | None

    def stopped(self, *, told: bool) -> str:
        """What a contact is told; `told`: whether operators are told in Slack."""
        return self.message or USED_UP + (TOLD if told else "")


def limited(stored: dict[str, Any], *units: str) -> list[str]:
    """The scopes with a limit in one of these units."""
    return [scope for scope in SCOPES if any(stored.get(scope, {}).get(unit) is not None for unit in units)]


def check_priced(tenant_file: TenantFile, prices: PriceList) -> None:
    """Raise TenantFileInvalid for a budget in USD of a model whose price nobody knows: it could not hold."""
    employee = tenant_file.employee
    asked = {employee.model, employee.fallback_model, *tenant_file.budgets.at_limit}
    models = {m.name: (m.litellm, m.price.stored if m.price else None) for m in tenant_file.models if m.name in asked}
    check_affordable(tenant_file.budgets.stored, models, prices)


def check_affordable(
    stored: dict[str, Any], models: Mapping[str, tuple[str, Mapping[str, Any] | None]], prices: PriceList
) -> None:
    """The same for stored budgets, and models given as their LiteLLM string and their stated price."""
    for name, (litellm, stated) in models.items():
        if limited(stored, "micros") and not prices.price(litellm, stated).known:
            raise TenantFileInvalid(
                f"models.{name}: no price is known for {litellm}, so a budget in USD could not hold; "
                "add `price: {input: 0.25, output: 2}`, in USD per million tokens."
            )
