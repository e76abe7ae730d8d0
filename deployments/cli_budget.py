"""`konstruct budget`: what may be spent this month, and what was, through the operators' API."""

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deployments.known import ask, pages
from deployments.whole_table import print_whole

budget_app = typer.Typer(help="What may be spent in a month.", no_args_is_help=True)
console = Console(highlight=False, soft_wrap=True)


@budget_app.callback()
def budget() -> None:
    """Budgets are set in the tenant file, see docs/budgets.md."""


@budget_app.command()
def show(tenant: Annotated[str, typer.Argument(help="The tenant's name.")]) -> None:
    """Show the limits, what is used of them, and of what operators were told."""
    found = ask("GET", "tenants", tenant, "budgets")
    print_whole(_table(found), console)
    if found["limits"]["at_limit"]:
        console.print(escape(f"At the limit: {', then '.join(found['limits']['at_limit'])}; then a polite stop."))
    for alert in pages("GET", "tenants", tenant, "budgets", "alerts", limit="200"):
        console.print(escape(f"{alert['raised_at'][:16]}  {alert['percent']} % of {alert['scope']} ({alert['unit']})"))


def _table(found: dict[str, Any]) -> Table:
    table = Table("budget", "of", "spent", "held", "limit", box=None)
    spending = {scope: [s for s in found["spending"] if s["scope"] == scope] for scope in found["limits"]}
    for scope in ("tenant", "employee", "conversation"):
        limits = found["limits"][scope]
        for row in spending[scope] or [None]:
            of = escape(row["name"] or row["subject_id"]) if row else ""
            for unit in ("micros", "tokens"):
                amounts = [_shown(row[f"{what}_{unit}"], unit) if row else "" for what in ("spent", "reserved")]
                table.add_row(scope, of, *amounts, _shown(limits[unit], unit))
    return table


def _shown(amount: int | None, unit: str) -> str:
    if amount is None:
        return "no limit"
    return f"{amount / 1_000_000:.2f} USD" if unit == "micros" else f"{amount} tokens"
