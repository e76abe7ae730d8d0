"""`konstruct tenant` and `konstruct contact`: what is stored about them, taken along or forgotten."""

from pathlib import Path
from typing import Annotated

import typer

from deployments import known

tenant_app = typer.Typer(help="A tenant: what is stored, taken along or forgotten.", no_args_is_help=True)
contact_app = typer.Typer(help="A person: what is stored, taken along or forgotten.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The tenant's name.")]
Channel = Annotated[str, typer.Argument(help="slack, whatsapp or web.")]
Contact = Annotated[str, typer.Argument(help="Slack user id, phone number or WhatsApp user id, or web visitor.")]
To = Annotated[Path, typer.Option("--to", help="The ZIP file to write.", dir_okay=False)]
Sure = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Abandon = Annotated[
    bool,
    typer.Option("--abandon-billing", help="Also while Stripe charges for it, or has not been told all of its usage."),
]


@tenant_app.command("export")
def export_tenant(name: Name, file: To) -> None:
    """Write everything of a tenant into a ZIP file: JSON lines and kept files, no secrets."""
    known.download(file, "tenants", name, "export")
    typer.echo(_written(file))


@tenant_app.command("erase")
def erase_tenant(name: Name, *, yes: Sure = False, abandon_billing: Abandon = False) -> None:
    """Forget a tenant: every row and every kept file."""
    _check_sure(f"Erase tenant {name} and everything of it?", sure=yes)
    given_up = "true" if abandon_billing else ""
    known.ask("DELETE", "tenants", name, seconds=known.WHOLE_SECONDS, abandon_billing=given_up)
    typer.echo(f"Nothing of tenant {name} is stored any more.")


@contact_app.command("export")
def export_contact(tenant: Name, channel: Channel, contact: Contact, file: To) -> None:
    """Write everything about a person into a ZIP file."""
    known.download(file, "tenants", tenant, "contacts", channel, contact, "export")
    typer.echo(_written(file))


@contact_app.command("erase")
def erase_contact(tenant: Name, channel: Channel, contact: Contact, *, yes: Sure = False) -> None:
    """Forget a person: every row about them and every file of theirs; what was to be sent is not."""
    from deployments.installation.api import Refused  # noqa: PLC0415 - each command loads only what it needs

    _check_sure(f"Erase {contact} on {channel} of tenant {tenant}?", sure=yes)
    before = ""
    try:
        known.ask("DELETE", "tenants", tenant, "contacts", channel, contact, seconds=known.WHOLE_SECONDS)
    except Refused as refused:
        if refused.status != 404:
            raise
        before = " Nothing was."
    typer.echo(f"Nothing about {contact} on {channel} is stored any more.{before}")


def _check_sure(question: str, *, sure: bool) -> None:
    if not sure:
        typer.confirm(f"{question} This cannot be undone.", abort=True)


def _written(file: Path) -> str:
    from konstruct.takeout import manifest  # noqa: PLC0415

    said = manifest(file)
    rows = sum(count for table, count in said["rows"].items() if table != "files")
    missing = f" {len(said['missing_files'])} files could not be read." if said["missing_files"] else ""
    return f"{file}: {rows} rows, {said['rows']['files']} files.{missing} Keep it as carefully as what it was made of."
