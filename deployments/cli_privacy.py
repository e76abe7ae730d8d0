"""`konstruct tenant` and `konstruct contact`: what is stored about them, taken along or forgotten."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deployments import known
from konstruct.errors import KonstructError
from konstruct.identity import tenant_id

if TYPE_CHECKING:
    from konstruct.database.pool import Database
    from konstruct.media.store import MediaStore

tenant_app = typer.Typer(help="A tenant: what is stored, taken along or forgotten.", no_args_is_help=True)
contact_app = typer.Typer(help="A person: what is stored, taken along or forgotten.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The tenant's name.")]
Channel = Annotated[str, typer.Argument(help="slack, whatsapp or web.")]
Contact = Annotated[str, typer.Argument(help="Slack user id, phone number or WhatsApp user id, or web visitor.")]
To = Annotated[Path, typer.Option("--to", help="The ZIP file to write.")]
Sure = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Work = Callable[["Database", "MediaStore"], Awaitable[str]]


@tenant_app.command("export")
def export_tenant(name: Name, file: To) -> None:
    """Write everything of a tenant into a ZIP file: JSON lines and kept files, no secrets."""

    async def work(database: "Database", store: "MediaStore") -> str:
        from konstruct.takeout import take_tenant  # noqa: PLC0415 - each command loads only what it needs

        await _check_known(database, name)
        return _written(file, await take_tenant(database, store, tenant_id(name), file))

    _run(work)


@tenant_app.command("erase")
def erase_tenant(name: Name, *, yes: Sure = False) -> None:
    """Forget a tenant: every row and every kept file."""

    async def work(database: "Database", store: "MediaStore") -> str:
        from konstruct.forgetting import forget_tenant  # noqa: PLC0415

        await forget_tenant(database, store, tenant_id(name))
        return f"Nothing of tenant {name} is stored any more."

    _check_sure(f"Erase tenant {name} and everything of it?", sure=yes)
    _run(work)


@contact_app.command("export")
def export_contact(tenant: Name, channel: Channel, contact: Contact, file: To) -> None:
    """Write everything about a person into a ZIP file."""

    async def work(database: "Database", store: "MediaStore") -> str:
        from konstruct.database.erasure import Person  # noqa: PLC0415
        from konstruct.takeout import take_person  # noqa: PLC0415

        await _check_known(database, tenant)
        person = Person(tenant_id(tenant), channel, contact)
        return _written(file, await take_person(database, store, person, file))

    _run(work)


@contact_app.command("erase")
def erase_contact(tenant: Name, channel: Channel, contact: Contact, *, yes: Sure = False) -> None:
    """Forget a person: every row about them and every file of theirs; what was to be sent is not."""

    async def work(database: "Database", store: "MediaStore") -> str:
        from konstruct.database.erasure import Person  # noqa: PLC0415
        from konstruct.forgetting import forget_person  # noqa: PLC0415

        await _check_known(database, tenant)
        known = await forget_person(database, store, Person(tenant_id(tenant), channel, contact))
        before = "" if known else " Nothing was."
        return f"Nothing about {contact} on {channel} is stored any more.{before}"

    _check_sure(f"Erase {contact} on {channel} of tenant {tenant}?", sure=yes)
    _run(work)


def _run(work: Work) -> None:
    async def run() -> str:
        from deployments.installation.tenants import open_database  # noqa: PLC0415
        from konstruct.media.store import open_store  # noqa: PLC0415

        settings = known.settings()
        async with open_database(settings) as database:
            return await work(database, open_store(settings))

    typer.echo(asyncio.run(run()))


async def _check_known(database: "Database", tenant: str) -> None:
    from konstruct.database.installation import tenant_names  # noqa: PLC0415

    if tenant not in await tenant_names(database):
        raise KonstructError(f"There is no tenant {tenant}; `konstruct status` lists those that there are.")


def _check_sure(question: str, *, sure: bool) -> None:
    if not sure:
        typer.confirm(f"{question} This cannot be undone.", abort=True)


def _written(file: Path, counts: dict[str, int]) -> str:
    rows = sum(count for table, count in counts.items() if table != "files")
    return f"{file}: {rows} rows, {counts['files']} files. Keep it as carefully as what it was made of."
