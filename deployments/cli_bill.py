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
    from deployments.installation.running import known_environment  # noqa: PLC0415 - each command loads what it needs
    from deployments.message_prices import keep_file  # noqa: PLC0415

    typer.echo(asyncio.run(keep_file(known_environment(os.environ), file)))
