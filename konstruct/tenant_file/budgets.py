"""What may be spent in a calendar month (UTC), and what happens then."""

from typing import Any

from pydantic import Field

from konstruct.tenant_file.model import Usd, micro_usd
from konstruct.tenant_file.strict import Strict


class BudgetEntry(Strict):
    """One budget; null or left out: no limit."""

    usd: Usd | None = None
    tokens: int | None = Field(default=None, ge=0, le=10**15)

    @property
    def stored(self) -> dict[str, int | None]:
        """In micro-USD."""
        return {"micros": None if self.usd is None else micro_usd(self.usd), "tokens": self.tokens}


class BudgetEntries(Strict):
    """The tenant's, each employee's and each conversation's; models to go on with, in this order; else `message`."""

    tenant: BudgetEntry = BudgetEntry()
    employee: BudgetEntry = BudgetEntry()
    conversation: BudgetEntry = BudgetEntry()
    at_limit: tuple[str, ...] = Field(default=(), max_length=5)
    message: str | None = Field(default=None, min_length=1, max_length=1000)

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return any(value is not None for budget in self._each.values() for value in budget.values())

    @property
    def stored(self) -> dict[str, Any]:
        """As JSON; empty where nothing is limited."""
        return self._each | {"at_limit": list(self.at_limit), "message": self.message} if self.limited else {}

    @property
    def _each(self) -> dict[str, dict[str, int | None]]:
        budgets = {"tenant": self.tenant, "employee": self.employee, "conversation": self.conversation}
        return {scope: budget.stored for scope, budget in budgets.items()}
