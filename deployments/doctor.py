"""`konstruct doctor`: looks at everything an installation stands on, and says how to mend what is wrong."""

from collections.abc import Callable, Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deployments.examinations import billing, connections, files, login, machine, stored
from deployments.examinations.finding import Finding, Patient, wrong
from deployments.installation import running
from deployments.installation.layout import Layout
from konstruct.errors import SettingsInvalid
from konstruct.settings import Settings

EXAMINATIONS: tuple[Callable[[Patient], list[Finding]], ...] = (
    machine.versions,
    machine.open_ports,
    machine.room,
    machine.secret_files,
    machine.admin_token,
    machine.clock,
    stored.database,
    stored.master_keys,
    connections.channels,
    billing.stripe,
    login.login,
    files.files,
    stored.weights,
    stored.applications,
)
_SIGNS = {"well": "[green]✓[/]", "worth a look": "[yellow]![/]", "wrong": "[red]✗[/]"}


def examine(environment: Mapping[str, str], console: Console) -> bool:
    """Print every finding; answers whether nothing is wrong."""
    with console.status("Examining"):
        findings = find(environment)
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        mend = f"\n[bold]→ {escape(finding.mend)}[/]" if finding.mend else ""
        table.add_row(_SIGNS[finding.state], finding.subject, escape(finding.said) + mend)
    console.print(table)
    count = sum(finding.state == "wrong" for finding in findings)
    console.print(f"\n{count} of {len(findings)} findings are wrong." if count else "\nNothing is wrong.")
    return count == 0


def find(environment: Mapping[str, str]) -> list[Finding]:
    """Every examination's findings, in order."""
    try:
        settings = Settings.from_environment(environment)
    except SettingsInvalid as error:
        return [wrong("settings", str(error), "correct that variable")]
    layout = Layout(settings.home)
    patient = Patient(settings, layout, running.recall(layout))
    return [finding for examination in EXAMINATIONS for finding in examination(patient)]
