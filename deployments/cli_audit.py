"""`konstruct audit`: verify what was sealed, and hand it to others."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

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
    if (tenant is None) != everything:
        raise KonstructError("Name one tenant, or say --all.")
    verified = _verified(tenant)
    count, findings = verified["rows"], verified["findings"]
    for finding in findings:
        console.print(finding, markup=False)
    if findings:
        more = "more than " if verified["left_off"] else ""
        raise KonstructError(f"The audit is not as it was sealed: {more}{len(findings)} findings, see docs/audit.md.")
    console.print(f"The audit is as it was sealed: {count} rows." if count else "Nothing has been sealed yet.")


def _verified(tenant: str | None) -> Any:
    if tenant is None:
        return known.ask("GET", "installation", "audit", "verification", seconds=known.WHOLE_SECONDS)
    return known.ask("GET", "tenants", tenant, "audit", "verification", seconds=known.WHOLE_SECONDS)


@audit_app.command()
def export(
    tenant: Annotated[str, typer.Argument(help="Whose audit.")],
    file: Annotated[Path, typer.Argument(help="Where to write it, as lines of JSON.", dir_okay=False)],
    *,
    earliest: Annotated[datetime | None, typer.Option("--from", help="The first moment, UTC.")] = None,
    latest: Annotated[datetime | None, typer.Option("--to", help="The moment after the last, UTC.")] = None,
) -> None:
    """Write a tenant's audit for somebody who verifies it alone; docs/audit.md has the recipe for that."""
    from deployments.installation.api import NotReachable  # noqa: PLC0415 - each command loads only what it needs

    span = {"from": _utc(earliest), "to": _utc(latest)}
    try:
        known.download(file, "tenants", tenant, "audit", "export", **span)
    except NotReachable as error:
        raise KonstructError(f"{error} `konstruct audit verify {tenant}` says whether the audit is whole.") from error
    with file.open("rb") as lines:
        count = sum(1 for _ in lines)
    console.print(f"{file}: {count} lines. Whoever verifies it needs your keys: konstruct audit keys", markup=False)


def _utc(moment: datetime | None) -> str:
    return moment.replace(tzinfo=UTC).isoformat() if moment else ""


@audit_app.command()
def retain(
    *,
    months: Annotated[int, typer.Option(min=1, max=1200, help="How many months before this one stay.")],
) -> None:
    """Let older months go, whole, after each tenant's chain has said so; what stays can be verified as before."""
    place, body = ("installation", "audit", "retention"), {"months": months}
    gone = known.ask("POST", *place, body=body, seconds=known.WHOLE_SECONDS)
    dropped = ", ".join(gone["dropped"])
    console.print(f"Gone: {dropped}." if dropped else f"Nothing is older than {gone['before'][:10]}.")


@audit_app.command()
def keys() -> None:
    """Print the public keys that sign the audit, newest first; give them to whoever verifies exports."""
    for key in known.ask("GET", "installation", "audit", "keys")["public_keys"]:
        typer.echo(key)
