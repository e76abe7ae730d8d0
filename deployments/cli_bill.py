"""`konstruct bill`: what is charged, and why, through the operators' API."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from deployments.known import ask, pages

# Stripe is asked several times for each tenant, and may be slow.
COMPARE_SECONDS = 300.0
Tenant = Annotated[str, typer.Argument(help="The tenant's name.")]
Json = Annotated[bool, typer.Option("--json", help="For programs.")]

bill_app = typer.Typer(help="Money: prices, plans, invoices explained and reconciled.", no_args_is_help=True)
console = Console(highlight=False, soft_wrap=True)


@bill_app.command()
def prices(file: Annotated[Path, typer.Option("--file", "-f", help="The price list, see docs/billing.md.")]) -> None:
    """Add a version of the message prices; versions never change, so doing it twice changes nothing."""
    from konstruct.message_prices import parse  # noqa: PLC0415 - each command loads only what it needs

    body = parse(_text(file)).model_dump(mode="json")
    kept = ask("POST", "installation", "message-prices", body=body)
    what = f"Version {kept['version']} of the message prices"
    valid = f"{datetime.fromisoformat(kept['valid_from']):%Y-%m-%d %H:%M %Z}"
    typer.echo(f"{what} is valid from {valid}." if kept["new"] else f"{what} was known already.")


@bill_app.command()
def plans(file: Annotated[Path, typer.Option("--file", "-f", help="The plans, see docs/billing.md.")]) -> None:
    """Add plans; a plan never changes, so doing it twice changes nothing."""
    from konstruct.plans import parse  # noqa: PLC0415

    new = ask("POST", "installation", "plans", body=parse(_text(file)).model_dump(mode="json"))["new"]
    typer.echo(f"New: {', '.join(new)}." if new else "All these plans were known already.")


@bill_app.command()
def explain(
    tenant: Tenant,
    month: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m"], help="A calendar month (UTC); without it, this one.")
    ] = None,
    invoice_line: Annotated[str, typer.Option(help="Instead: Stripe's id of a line of an invoice, il_….")] = "",
    *,
    each: Annotated[bool, typer.Option("--each", help="Also each turn and each charged message.")] = False,
    json: Json = False,
) -> None:
    """Show what a month or an invoice's line is made of: turns, tokens, messages, what is included, what is beyond."""
    from deployments.bill_table import show, show_each  # noqa: PLC0415

    told = ask("GET", "tenants", tenant, "bill", month=f"{month:%Y-%m}" if month else "", invoice_line=invoice_line)
    rows = list(_rows(tenant, told)) if each else []
    if json:
        console.print_json(data=told | ({"each": rows} if each else {}))
    else:
        show(told, console)
        show_each(rows, console)


@bill_app.command()
def reconcile(*, json: Json = False) -> None:
    """Compare the ledger with Stripe's sums, to the micro; fails where they differ. Runs each night by itself."""
    from deployments.bill_table import show_comparison  # noqa: PLC0415

    found = list(pages("POST", "installation", "reconciliations", seconds=COMPARE_SECONDS))
    if json:
        console.print_json(data=found)
    else:
        show_comparison(found, console)
    raise typer.Exit(0 if all(one["difference"] == 0 for one in found) else 1)


@bill_app.command()
def resend(tenant: Tenant) -> None:
    """Tell Stripe anew what it has refused, after the reason was mended."""
    count = ask("POST", "tenants", tenant, "bill", "resend")["count"]
    typer.echo(f"{count} refused events of {tenant} will be told to Stripe anew.")


def _rows(tenant: str, bill: dict[str, Any]) -> Iterator[Any]:
    time = {"from": bill["begin"], "to": bill["end"]}
    yield from pages("GET", "tenants", tenant, "bill", "rows", limit="200", **time)


def _text(file: Path) -> str:
    from konstruct.errors import KonstructError  # noqa: PLC0415

    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as reason:
        raise KonstructError(f"The file {file} cannot be read: {reason}.") from None
