"""`konstruct bill`: what is charged, and why."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

bill_app = typer.Typer(help="Money: prices, plans, invoices explained and reconciled.", no_args_is_help=True)


@bill_app.command()
def prices(file: Annotated[Path, typer.Option("--file", "-f", help="The price list, see docs/billing.md.")]) -> None:
    """Add a version of the message prices; versions never change, so doing it twice changes nothing."""
    from deployments.price_files import keep_prices  # noqa: PLC0415 - each command loads only what it needs

    typer.echo(asyncio.run(keep_prices(_environment(), file)))


@bill_app.command()
def plans(file: Annotated[Path, typer.Option("--file", "-f", help="The plans, see docs/billing.md.")]) -> None:
    """Add plans; a plan never changes, so doing it twice changes nothing."""
    from deployments.price_files import keep_plans  # noqa: PLC0415

    typer.echo(asyncio.run(keep_plans(_environment(), file)))


def _environment() -> dict[str, str]:
    from deployments.installation.running import known_environment  # noqa: PLC0415

    return known_environment(os.environ)
