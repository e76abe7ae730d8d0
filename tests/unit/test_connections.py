"""The doctor names channels that do not work any more."""

from dataclasses import replace
from uuid import UUID

from deployments.examinations.connections import problem
from konstruct.database.tenants import ChannelRow

ROW = ChannelRow(UUID(int=7), "slack", "A0ACME", "T0ACME", UUID(int=8), "U0BOT", {})


def test_a_channel_at_work_is_no_finding() -> None:
    assert problem("acme", ROW, 100.0) is None
    assert problem("acme", replace(ROW, expires_at=101.0), 100.0) is None


def test_what_was_removed_or_has_ended_is_named_with_the_way_back() -> None:
    removed = problem("acme", replace(ROW, disconnected=True, installed_by="oauth"), 100.0)
    of_the_file = problem("acme", replace(ROW, disconnected=True), 100.0)
    ended = problem("acme", replace(ROW, expires_at=99.0), 100.0)
    assert removed is not None and of_the_file is not None and ended is not None
    assert "install-link acme" in removed.mend
    assert "tenant file" in of_the_file.mend
    assert "T0ACME" in ended.said
