"""A bill, as a person reads it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from konstruct.bill import Bill
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


def show(bill: Bill, console: Console) -> None:
    """Print it: what was used, what Stripe was told, what it costs."""
    plan = f", plan {bill.plan.name}" if bill.plan else ", no plan"
    console.print(
        f"[bold]{escape(bill.tenant)}[/] · {bill.begin:%Y-%m-%d %H:%M} to {bill.end:%Y-%m-%d %H:%M} UTC{plan}"
    )
    console.print(_entries(bill))
    if bill.plan is None:
        console.print("No subscription to a plan in this time: nothing is charged.")
        return
    console.print(_usage(bill))
    console.print(_price(bill))
    if bill.lines:
        console.print(_invoice(bill))
        _judge(bill, console)


def show_each(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print each turn and message, if there are any to print."""
    if not rows:
        return
    table = _table("at (UTC)", "turn or charge", "what", "tokens in", "tokens out", "cost", "price list", "at Stripe")
    for row in rows:
        table.add_row(
            f"{row['at']:%Y-%m-%d %H:%M:%S}", str(row["id"]), escape(row["kind"]), f"{row['prompt_tokens']:,}",
            f"{row['completion_tokens']:,}", usd(row["cost_micros"]), escape(row["price_version"] or "none"),
            row["state"] or "not charged",
        )  # fmt: skip
    console.print(table)


def usd(micros: int) -> str:
    """US dollars, to the last micro."""
    sign, whole = ("-" if micros < 0 else ""), abs(micros)
    return f"{sign}${whole // 1_000_000:,}.{whole % 1_000_000:06d}"


def _entries(bill: Bill) -> Table:
    table = _table("", "what", "count", "tokens in", "tokens out", "cost", "")
    for entry in bill.entries:
        unknown = f"{entry.unpriced} without a known price" if entry.unpriced else ""
        table.add_row(
            SOURCES[entry.source], escape(entry.kind), f"{entry.count:,}", f"{entry.prompt_tokens:,}",
            f"{entry.completion_tokens:,}", usd(entry.cost_micros), unknown,
        )  # fmt: skip
    table.add_section()
    count = sum(entry.count for entry in bill.entries)
    tokens_in, tokens_out = (
        sum(getattr(e, f"{name}_tokens") for e in bill.entries) for name in ("prompt", "completion")
    )
    table.add_row("", "together", f"{count:,}", f"{tokens_in:,}", f"{tokens_out:,}", usd(bill.cost_micros), "")
    return table


def _usage(bill: Bill) -> Table:
    assert bill.plan is not None  # noqa: S101 - for the type checker
    table = _table("", UNITS[bill.plan.unit], "")
    for sign, what, amount in _moved(bill):
        table.add_row(sign, what, f"{amount:,}")
    return table


def _moved(bill: Bill) -> Iterator[tuple[str, str, int]]:
    moved = bill.movements
    assert moved is not None  # noqa: S101
    yield "", "the ledger of this time", moved.ledger
    for name, sign, what in MOVEMENTS:
        if amount := getattr(moved, name):
            yield sign, what, amount
    yield "=", "told to Stripe for this time", moved.told


def _price(bill: Bill) -> Table:
    plan, one = bill.plan, bill.reckoning
    assert plan is not None  # noqa: S101
    assert one is not None  # noqa: S101
    table = _table("", "by the plan", "quantity", "cost")
    table.add_row("", "included", f"{one.included:,}", usd(0))
    each = f"beyond, {usd(plan.overage_micros)} for each {plan.overage_per:,}"
    table.add_row("+", each, f"{one.over:,}", usd(one.over_micros))
    if one.rounding_micros:
        table.add_row("+", "rounding to the cent", "", usd(one.rounding_micros))
    table.add_row("=", "usage on the invoice", f"{one.used:,}", usd(one.cents * MICROS_PER_CENT))
    table.add_row("", "the plan's fee, apart from it", "", usd(plan.monthly_fee_micros))
    return table


def _invoice(bill: Bill) -> Table:
    table = _table("", "Stripe's line", "what", "quantity", "amount")
    for line in bill.lines:
        mark = "→" if line.asked else ""
        table.add_row(mark, line.id, escape(line.description), f"{line.quantity:,}", usd(line.cents * MICROS_PER_CENT))
    return table


def _judge(bill: Bill, console: Console) -> None:
    if bill.difference_micros is None:
        console.print("A fee: it does not depend on usage.")
    elif bill.difference_micros == 0 and bill.difference_units == 0:
        console.print("[green]The invoice and the ledger agree to the last unit.[/]")
    else:
        console.print(
            f"[red]The invoice says {usd(bill.difference_micros)} and {bill.difference_units:,} units more.[/] "
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
