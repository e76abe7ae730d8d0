"""`konstruct subscription`: what a tenant pays for, and Stripe's pages where it subscribes and changes its mind."""

import asyncio
import os
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

subscription_app = typer.Typer(help="What a tenant pays for; Checkout and the portal.", no_args_is_help=True)
console = Console(highlight=False, soft_wrap=True)
Tenant = Annotated[str, typer.Argument(help="The tenant's name.")]


@subscription_app.command()
def show(tenant: Tenant) -> None:
    """Show the tenant's subscriptions, and until when it is served."""
    from deployments.subscribing import standing  # noqa: PLC0415 - each command loads only what it needs

    customer, found = asyncio.run(standing(_environment(), tenant))
    if not found:
        console.print(f"{escape(tenant)} has no subscription, and is served all the same.")
        return
    table = Table.grid(padding=(0, 2))
    for one in found:
        ends = f"until {one['period_end_at']:%Y-%m-%d}" if one["period_end_at"] else ""
        table.add_row(escape(one["id"]), escape(one["plan"] or "no plan of ours"), escape(one["status"]), ends)
    console.print(table)
    if customer is not None and customer.suspends_at is not None:
        console.print(f"Service ends (or ended) on {customer.suspends_at:%Y-%m-%d %H:%M} UTC.")


@subscription_app.command()
def checkout(
    tenant: Tenant,
    plan: Annotated[str, typer.Option(help="The plan to subscribe to.")],
    trial_days: Annotated[int, typer.Option(min=0, max=90, help="Days before anything is charged.")] = 0,
) -> None:
    """Print the address of a page on which the tenant subscribes."""
    from deployments.subscribing import open_checkout  # noqa: PLC0415

    typer.echo(asyncio.run(open_checkout(_environment(), tenant, plan, trial_days)))


@subscription_app.command()
def portal(tenant: Tenant) -> None:
    """Print the address of a page on which the tenant changes its card, plan or mind."""
    from deployments.subscribing import open_portal  # noqa: PLC0415

    typer.echo(asyncio.run(open_portal(_environment(), tenant)))


def _environment() -> dict[str, str]:
    from deployments.installation.running import known_environment  # noqa: PLC0415

    return known_environment(os.environ)
