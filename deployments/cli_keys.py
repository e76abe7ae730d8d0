"""`konstruct keys`: which secrets are kept under which master key, and moving them to the newest."""

import asyncio

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deployments import known

keys_app = typer.Typer(help="Master keys, and the secrets that they encrypt.", no_args_is_help=True)
console = Console(highlight=False, soft_wrap=True)


@keys_app.command("list")
def list_() -> None:
    """List every secret by its last four characters, with the master key that opens it."""
    from deployments.installation.master_keys import survey  # noqa: PLC0415 - each command loads only what it needs
    from konstruct.vault import fingerprint  # noqa: PLC0415

    master_keys, kept = asyncio.run(survey(known.environment()))
    names = [fingerprint(key) for key in master_keys]
    for place, name in enumerate(names):
        console.print(f"master key {name}{' (encrypts)' if place == 0 else ''}")
    table = Table.grid(padding=(0, 2))
    for one in (one for one in kept if one.endings or one.locked):
        shown = " ".join(f"{name} {end}" for name, end in one.endings.items())
        key = "[red]does not open[/]" if one.key is None else names[one.key]
        table.add_row(escape(one.tenant), escape(one.what.removeprefix("The ")), escape(shown), key)
    console.print(table)


@keys_app.command()
def rotate() -> None:
    """Encrypt every secret anew with the first key in KONSTRUCT_MASTER_KEYS, while messages flow."""
    from deployments.installation.master_keys import rotate as rotate_all  # noqa: PLC0415

    rotated = asyncio.run(rotate_all(known.environment()))
    console.print(
        f"{rotated.renewed} of {rotated.total} secrets encrypted anew; all {rotated.total} need the first key only. "
        "The others may be taken out of KONSTRUCT_MASTER_KEYS; then run `konstruct up`."
    )


@keys_app.command()
def generate() -> None:
    """Print a new master key; put it first in KONSTRUCT_MASTER_KEYS and keep the others behind it."""
    from cryptography.fernet import Fernet  # noqa: PLC0415

    typer.echo(Fernet.generate_key().decode())
