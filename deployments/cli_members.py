"""`konstruct members`: people who may log in to a tenant, through the operators' API."""

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deployments.known import ask, pages
from deployments.whole_table import print_whole

members_app = typer.Typer(help="People who may log in, by e-mail address.", no_args_is_help=True)
console = Console(highlight=False, soft_wrap=True)
Tenant = Annotated[str, typer.Option("--tenant", help="The tenant's name.")]
Email = Annotated[str, typer.Argument(help="As the identity provider has verified it.")]


class Role(StrEnum):
    """What somebody may do."""

    viewer = "viewer"
    operator = "operator"
    owner = "owner"


@members_app.command()
def add(
    email: Email, tenant: Tenant, role: Annotated[Role, typer.Option(help="What they may do.")] = Role.viewer
) -> None:
    """Let somebody log in, or change what they may do."""
    saved = ask("PUT", "tenants", tenant, "members", email, body={"role": role})
    console.print(escape(f"{saved['email']} may log in to {tenant} as {saved['role']}."))


@members_app.command("list")
def list_(tenant: Tenant) -> None:
    """List who may log in."""
    table = Table.grid(padding=(0, 2))
    for member in pages("GET", "tenants", tenant, "members", limit="200"):
        table.add_row(escape(member["email"]), member["role"], member["created_at"][:10])
    if table.row_count:
        print_whole(table, console)
    else:
        console.print(f"Nobody may log in to {escape(tenant)} yet.")


@members_app.command()
def remove(email: Email, tenant: Tenant) -> None:
    """Let somebody in no more, from their next click on."""
    ask("DELETE", "tenants", tenant, "members", email)
    console.print(escape(f"{email} may not log in to {tenant} any more."))


@members_app.command("log-out")
def log_out(email: Email, tenant: Tenant) -> None:
    """Log somebody out everywhere; they may log in again."""
    ask("DELETE", "tenants", tenant, "members", email, "sessions")
    console.print(escape(f"{email} is logged out of {tenant}."))
