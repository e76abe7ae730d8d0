"""`konstruct subscription`: what a tenant pays for, and Stripe's pages; through the operators' API."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deployments.known import ask
from deployments.whole_table import print_whole

subscription_app = typer.Typer(help="What a tenant pays for; Checkout and the portal.", no_args_is_help=True)
console = Console(highlight=False, soft_wrap=True)
Tenant = Annotated[str, typer.Argument(help="The tenant's name.")]


@subscription_app.command()
def show(tenant: Tenant) -> None:
    """Show the tenant's subscriptions, and until when it is served."""
    standing = ask("GET", "tenants", tenant, "subscription")
    if not standing["subscriptions"]:
        console.print(f"{escape(tenant)} has no subscription, and is served all the same.")
        return
    table = Table.grid(padding=(0, 2))
    for one in standing["subscriptions"]:
        ends = f"until {one['period_end_at'][:10]}" if one["period_end_at"] else ""
        table.add_row(escape(one["id"]), escape(one["plan"] or "no plan of ours"), escape(one["status"]), ends)
    print_whole(table, console)
    if standing["suspends_at"]:
        console.print(f"Service ends, or ended, at {standing['suspends_at']}.")


@subscription_app.command()
def checkout(
    tenant: Tenant,
    plan: Annotated[str, typer.Option(help="The plan to subscribe to.")],
    trial_days: Annotated[int, typer.Option(min=0, max=90, help="Days before anything is charged.")] = 0,
) -> None:
    """Print the address of a page on which the tenant subscribes."""
    typer.echo(
        ask("POST", "tenants", tenant, "subscription", "checkout", body={"plan": plan, "trial_days": trial_days})["url"]
    )


@subscription_app.command()
def portal(tenant: Tenant) -> None:
    """Print the address of a page on which the tenant changes its card, plan or mind."""
    typer.echo(ask("POST", "tenants", tenant, "subscription", "portal")["url"])
