"""`konstruct audit`: verify what was sealed, and hand it to others."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deployments import known
from konstruct.errors import KonstructError

audit_app = typer.Typer(help="Who did what, sealed: verify it, export it, let old months go.", no_args_is_help=True)
console = Console(highlight=False, soft_wrap=True)


@audit_app.command()
def verify(
    tenant: Annotated[str | None, typer.Argument(help="Whose audit.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every tenant's, and the chain of all.")] = False,
) -> None:
    """Find whatever was changed, removed, added or cut off since it was sealed; fails where there is anything."""
    from deployments.audit_office import verify_all, verify_tenant  # noqa: PLC0415 - loaded by this command only

    if (tenant is None) != everything:
        raise KonstructError("Name one tenant, or say --all.")
    verified = verify_all(known.settings()) if tenant is None else verify_tenant(known.settings(), tenant)
    count, findings = asyncio.run(verified)
    for finding in findings:
        console.print(finding, markup=False)
    if findings:
        raise KonstructError(f"The audit is not as it was sealed: {len(findings)} findings, see docs/audit.md.")
    console.print(f"The audit is as it was sealed: {count} rows." if count else "Nothing has been sealed yet.")


@audit_app.command()
def export(
    tenant: Annotated[str, typer.Argument(help="Whose audit.")],
    file: Annotated[Path, typer.Argument(help="Where to write it, as lines of JSON.", dir_okay=False)],
    *,
    earliest: Annotated[datetime | None, typer.Option("--from", help="The first moment, UTC.")] = None,
    latest: Annotated[datetime | None, typer.Option("--to", help="The moment after the last, UTC.")] = None,
) -> None:
    """Write a tenant's audit for somebody who verifies it alone; docs/audit.md has the recipe for that."""
    from deployments.audit_office import export_tenant  # noqa: PLC0415 - loaded by this command only

    count = asyncio.run(export_tenant(known.settings(), tenant, file, (earliest, latest)))
    console.print(f"{file}: {count} lines. Whoever verifies it needs your keys: konstruct audit keys", markup=False)


@audit_app.command()
def retain(
    *,
    months: Annotated[int, typer.Option(min=1, help="How many months before this one stay.")],
) -> None:
    """Let older months go, whole, after each tenant's chain has said so; what stays can be verified as before."""
    from deployments.audit_office import retain_months  # noqa: PLC0415 - loaded by this command only

    before, dropped = asyncio.run(retain_months(known.settings(), months))
    console.print(f"Gone: {', '.join(dropped)}." if dropped else f"Nothing is older than {before:%Y-%m-%d}.")


@audit_app.command()
def keys() -> None:
    """Print the public keys that sign the audit, newest first; give them to whoever verifies exports."""
    from konstruct.audit.signing import Signer  # noqa: PLC0415

    for key in Signer(known.settings().master_keys).known:
        typer.echo(key)
