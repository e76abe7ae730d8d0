"""`konstruct bill`: what is charged, and why."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deployments import known

if TYPE_CHECKING:
    from rich.console import Console

bill_app = typer.Typer(help="Money: prices, plans, invoices explained and reconciled.", no_args_is_help=True)


@bill_app.command()
def prices(file: Annotated[Path, typer.Option("--file", "-f", help="The price list, see docs/billing.md.")]) -> None:
    """Add a version of the message prices; versions never change, so doing it twice changes nothing."""
    from deployments.price_files import keep_prices  # noqa: PLC0415 - each command loads only what it needs

    typer.echo(asyncio.run(keep_prices(known.environment(), file)))


@bill_app.command()
def plans(file: Annotated[Path, typer.Option("--file", "-f", help="The plans, see docs/billing.md.")]) -> None:
    """Add plans; a plan never changes, so doing it twice changes nothing."""
    from deployments.price_files import keep_plans  # noqa: PLC0415

    typer.echo(asyncio.run(keep_plans(known.environment(), file)))


@bill_app.command()
def explain(
    tenant: Annotated[str, typer.Argument(help="The tenant's name.")],
    month: Annotated[str | None, typer.Option(help="A calendar month (UTC), as 2026-11.")] = None,
    invoice_line: Annotated[str | None, typer.Option(help="Stripe's id of a line of an invoice, il_….")] = None,
    *,
    each: Annotated[bool, typer.Option("--each", help="Also each turn and each charged message.")] = False,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show what a month or an invoice's line is made of: turns, tokens, messages, what is included, what is beyond."""
    from deployments.billing_commands import explain as show  # noqa: PLC0415

    asyncio.run(show(known.environment(), tenant, month, invoice_line, _console(), as_json=json, each=each))


@bill_app.command()
def reconcile(*, json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Compare the ledger with Stripe's sums, to the micro; fails where they differ. Runs each night by itself."""
    from deployments.billing_commands import reconcile as compare  # noqa: PLC0415

    raise typer.Exit(0 if asyncio.run(compare(known.environment(), _console(), as_json=json)) else 1)


@bill_app.command()
def resend(tenant: Annotated[str, typer.Argument(help="The tenant's name.")]) -> None:
    """Tell Stripe anew what it has refused, after the reason was mended."""
    from deployments.billing_commands import resend as again  # noqa: PLC0415

    asyncio.run(again(known.environment(), tenant, _console()))


def _console() -> "Console":
    from rich.console import Console  # noqa: PLC0415

    return Console(highlight=False, soft_wrap=True)
