"""The doctor names channels that do not work any more, and secrets that do not open."""

from dataclasses import replace
from pathlib import Path
from uuid import UUID

from deployments.examinations.connections import problem, unheard_of
from deployments.examinations.finding import Patient
from deployments.examinations.stored import database, opened
from deployments.installation.layout import Layout
from konstruct.database.ciphertexts import Ciphertext
from konstruct.database.tenants import ChannelRow, TenantRow
from konstruct.key_rotation import Kept
from konstruct.settings import Settings

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


def test_handovers_that_nobody_hears_of_are_named() -> None:
    silent = TenantRow("acme", 0, {"rules": ['"refund"']}, {}, {}, {}, [ROW])
    finding = unheard_of(silent)
    assert finding is not None and finding.state == "worth a look" and "acme" in finding.said
    told = replace(silent, operators={"slack_channel": "C0HELP"})
    assert unheard_of(told) is None
    assert unheard_of(replace(told, channels=[])) is not None
    assert unheard_of(replace(silent, escalation={})) is None


def test_a_database_that_does_not_answer_is_started_by_whoever_started_it(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    for url, mend in ((f"postgresql://postgres:@/konstruct?host={layout.pgdata}", "konstruct up"),
                      ("postgresql://127.0.0.1:1/konstruct", "KONSTRUCT_DATABASE_URL")):  # fmt: skip
        settings = Settings.from_environment({"KONSTRUCT_HOME": str(tmp_path), "KONSTRUCT_DATABASE_URL": url})
        (finding,) = database(Patient(settings, layout, None))
        assert finding.state == "wrong" and mend in finding.mend


def kept(place: str, key: int | None) -> Kept:
    return Kept("acme", f"The key of model {place}", key, {}, Ciphertext(UUID(int=7), "model", "", place, b""))


def test_the_doctor_says_whether_any_secret_still_needs_an_older_key() -> None:
    assert opened([kept("a", 0)], 1).state == "well"
    older = opened([kept("a", 0), kept("b", 1)], 2)
    assert "1 of 2 secrets still need an older key" in older.said
    assert "konstruct keys rotate" in older.mend
    done = opened([kept("a", 0), kept("b", 0)], 2)
    assert "take the others out" in done.mend


def test_the_doctor_names_secrets_that_do_not_open() -> None:
    locked = opened([kept("a", 0), kept("b", None)], 1)
    assert locked.state == "wrong"
    assert "key of model b of acme" in locked.said
