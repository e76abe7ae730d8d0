"""What `konstruct status` shows of what was set aside, whatever words are in it."""

import io
from datetime import UTC, datetime

from rich.console import Console

from deployments.status import _paused, _print_dead_letters


def test_dead_letters_are_shown_with_why_whatever_is_in_it() -> None:
    shown = Console(file=io.StringIO(), width=200)
    error = "ValueError: no such tag [/bold] in [red]"
    letter = {"tenant": "acme", "kind": "message", "id": "7", "error": error, "at": datetime(2026, 11, 27, tzinfo=UTC)}
    _print_dead_letters([letter], shown)
    text = shown.file.getvalue()  # type: ignore[attr-defined]
    assert "2026-11-27 00:00:00" in text
    assert "acme" in text
    assert "message/7" in text
    assert error in text


def test_without_any_there_is_no_table() -> None:
    shown = Console(file=io.StringIO(), width=200)
    _print_dead_letters([], shown)
    assert shown.file.getvalue() == ""  # type: ignore[attr-defined]


def test_who_waits_for_a_human_is_counted_by_tenant_with_the_command_that_lists_them() -> None:
    assert _paused({"acme": 0, "globex": 0}) == "no conversation"
    shown = _paused({"acme": 2, "globex": 0})
    assert "2 of acme" in shown and "konstruct paused acme" in shown and "globex" not in shown
