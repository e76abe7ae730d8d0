"""What `konstruct budget show` prints."""

from rich.console import Console

from deployments.cli_budget import _table
from deployments.whole_table import print_whole


def test_null_is_shown_as_no_limit_and_money_as_dollars() -> None:
    none, some = {"micros": None, "tokens": None}, {"micros": 2_500_000, "tokens": None}
    spent = {
        "scope": "tenant", "subject_id": "7", "name": None, "spent_micros": 1_000_000, "spent_tokens": 12,
        "reserved_micros": 0, "reserved_tokens": 3,
    }  # fmt: skip
    limits = {"tenant": some, "employee": none, "conversation": none}
    console = Console(width=120)
    with console.capture() as shown:
        console.print(_table({"limits": limits, "spending": [spent]}))
    lines = [line.split() for line in shown.get().splitlines()]
    assert ["tenant", "7", "1.00", "USD", "0.00", "USD", "2.50", "USD"] in lines
    assert ["tenant", "7", "12", "tokens", "3", "tokens", "no", "limit"] in lines
    assert lines.count(["employee", "no", "limit"]) == 2


def test_a_conversations_id_is_whole_on_a_narrow_terminal() -> None:
    nothing = {"micros": None, "tokens": None}
    spent = {
        "scope": "conversation", "subject_id": "2f0c6a6e-7f5b-5b8e-9d53-0d0d9d0f6a11", "name": None,
        "spent_micros": 123_456_789_000, "spent_tokens": 12_345_678, "reserved_micros": 0, "reserved_tokens": 3,
    }  # fmt: skip
    limits = dict.fromkeys(("tenant", "employee", "conversation"), nothing)
    console = Console(width=40, soft_wrap=True)
    with console.capture() as shown:
        print_whole(_table({"limits": limits, "spending": [spent]}), console)
    assert spent["subject_id"] in shown.get().split()
    assert "123456.79 USD" in shown.get()
