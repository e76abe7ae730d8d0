"""A bill, as a person reads it."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deployments.whole_table import print_whole
from konstruct.plans import MICROS_PER_CENT, UNITS

SOURCES = {"turn": "Turns", "message": "WhatsApp"}
# How each movement reads, and whether it adds (+) or takes away (-).
MOVEMENTS = (
    ("forgotten", "+", "of conversations that were erased since"),
    ("changed", "+", "told otherwise than the ledger says now"),
    ("outside", "-", "outside the subscription, or not looked at yet"),
    ("earlier", "+", "from an earlier period, told late"),
    ("later", "-", "told late: in a later period's invoice"),
    ("unsent", "-", "on its way to Stripe"),
    ("refused", "-", "refused by Stripe, or in doubt"),
)


Bill = Mapping[str, Any]  # as the operators' API tells it


def show(bill: Bill, console: Console) -> None:
    """Print it: what was used, what Stripe was told, what it costs."""
    plan = f", plan {bill['plan']['name']}" if bill["plan"] else ", no plan"
    console.print(f"[bold]{escape(bill['tenant'])}[/] · {_moment(bill['begin'])} to {_moment(bill['end'])} UTC{plan}")
    print_whole(_entries(bill), console)
    if not bill["plan"]:
        console.print("No subscription to a plan in this time: nothing is charged.")
        return
    print_whole(_usage(bill), console)
    print_whole(_price(bill), console)
    if bill["lines"]:
        print_whole(_invoice(bill), console)
        console.print(_verdict(bill))


def show_each(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print each turn and message, if there are any to print."""
    if not rows:
        return
    table = _table("at (UTC)", "turn or charge", "what", "tokens in", "tokens out", "cost", "price list", "at Stripe")
    for row in rows:
        table.add_row(
            row["at"][:19].replace("T", " "), row["id"], escape(row["kind"]), f"{row['prompt_tokens']:,}",
            f"{row['completion_tokens']:,}", _usd(row["cost_micros"]), escape(row["price_version"] or "none"),
            row["state"] or "not charged",
        )  # fmt: skip
    print_whole(table, console)


def show_comparison(found: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print how the ledger compares with Stripe."""
    for one in found:
        mark = "[green]equal[/]" if one["difference"] == 0 else f"[red]{_usd(one['difference_micros'])}[/]"
        console.print(
            f"{one['tenant']} {one['month'][:7]} {escape(one['event_name'])}: ledger {one['ledger']:,}, Stripe "
            f"{one['stripe']:,} (on its way {one['unsent']:,}, refused or in doubt {one['refused']:,}): {mark}"
        )
    if not found:
        console.print("No tenant subscribes to a plan.")


def _moment(told: str) -> str:
    return told[:16].replace("T", " ")


def _usd(micros: int) -> str:
    """US dollars, to the last micro."""
    sign, whole = ("-" if micros < 0 else ""), abs(micros)
    return f"{sign}${whole // 1_000_000:,}.{whole % 1_000_000:06d}"


def _entries(bill: Bill) -> Table:
    table = _table("", "what", "count", "tokens in", "tokens out", "cost", "")
    for entry in bill["entries"]:
        unknown = f"{entry['unpriced']} without a known price" if entry["unpriced"] else ""
        table.add_row(SOURCES[entry["source"]], escape(entry["kind"]), *_counted([entry]), unknown)
    table.add_section()
    table.add_row("", "together", *_counted(bill["entries"]), "")
    return table


def _counted(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    count, *tokens, micros = (
        sum(entry[name] for entry in entries) for name in ("count", "prompt_tokens", "completion_tokens", "cost_micros")
    )
    return [f"{count:,}", *(f"{amount:,}" for amount in tokens), _usd(micros)]


def _usage(bill: Bill) -> Table:
    moved = bill["movements"]
    table = _table("", UNITS[bill["plan"]["unit"]], "")
    table.add_row("", "the ledger of this time", f"{moved['ledger']:,}")
    for name, sign, what in MOVEMENTS:
        if moved[name]:
            table.add_row(sign, what, f"{moved[name]:,}")
    table.add_row("=", "told to Stripe for this time", f"{moved['told']:,}")
    return table


def _price(bill: Bill) -> Table:
    plan, one = bill["plan"], bill["usage"]
    table = _table("", "by the plan", "quantity", "cost")
    table.add_row("", "included", f"{one['included']:,}", _usd(0))
    each = f"beyond, {_usd(plan['overage_micros'])} for each {plan['overage_per']:,}"
    table.add_row("+", each, f"{one['over']:,}", _usd(one["over_micros"]))
    if one["rounding_micros"]:
        table.add_row("+", "rounding to the cent", "", _usd(one["rounding_micros"]))
    table.add_row("=", "usage on the invoice", f"{one['used']:,}", _usd(one["invoiced_micros"]))
    table.add_row("", "the plan's fee, apart from it", "", _usd(plan["monthly_fee_micros"]))
    return table


def _invoice(bill: Bill) -> Table:
    table = _table("", "Stripe's line", "what", "quantity", "amount")
    for line in bill["lines"]:
        mark, amount = "→" if line["asked"] else "", _usd(line["cents"] * MICROS_PER_CENT)
        table.add_row(mark, line["id"], escape(line["description"]), f"{line['quantity']:,}", amount)
    return table


def _verdict(bill: Bill) -> str:
    micros, units = bill["difference_micros"], bill["difference_units"]
    if micros is None:
        return "A fee: it does not depend on usage."
    if micros == 0 and units == 0:
        return "[green]The invoice and the ledger agree to the last unit.[/]"
    return (
        f"[red]The invoice says {_usd(micros)} and {units:,} units more.[/] "
        "A trial charges nothing; usage that came after the invoice was closed is on none; otherwise "
        "`konstruct bill reconcile` shows since when."
    )


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        right = (
            column in ("count", "tokens in", "tokens out", "cost", "quantity", "amount") or column == columns[-1] != ""
        )
        table.add_column(column, justify="right" if right or (len(columns) == 3 and column == "") else "left")
    return table
