"""`konstruct keys`: which secrets are kept under which master key, and moving them to the newest."""

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deployments import known
from deployments.whole_table import print_whole

keys_app = typer.Typer(help="Master keys, and the secrets that they encrypt.", no_args_is_help=True)
console = Console(highlight=False, soft_wrap=True)


@keys_app.command("list")
def list_() -> None:
    """List every secret by its last four characters, with the master key that opens it."""
    found = known.ask("GET", "installation", "secrets", seconds=known.WHOLE_SECONDS)
    for place, name in enumerate(found["master_keys"]):
        console.print(f"master key {name}{' (encrypts)' if place == 0 else ''}")
    table = Table.grid(padding=(0, 2))
    for one in (one for one in found["secrets"] if one["endings"] or one["locked"]):
        shown = " ".join(f"{name} {end}" for name, end in one["endings"].items())
        table.add_row(
            escape(one["tenant"]), escape(one["what"]), escape(shown), one["master_key"] or "[red]does not open[/]"
        )
    print_whole(table, console)


@keys_app.command()
def rotate() -> None:
    """Encrypt every secret anew with the first key in KONSTRUCT_MASTER_KEYS, while messages flow."""
    from konstruct.vault import Vault, fingerprint  # noqa: PLC0415 - each command loads only what it needs

    keys = known.settings().master_keys
    Vault(keys)  # one that is malformed is named here
    place, newest = ("installation", "secrets", "rotate"), fingerprint(keys[0])
    rotated = known.ask("POST", *place, body={"master_key": newest}, seconds=known.WHOLE_SECONDS)
    console.print(
        f"{rotated['renewed']} of {rotated['total']} secrets encrypted anew; all {rotated['total']} need master key "
        f"{newest} only. The others may be taken out of KONSTRUCT_MASTER_KEYS; then run `konstruct up`."
    )


@keys_app.command()
def generate() -> None:
    """Print a new master key; put it first in KONSTRUCT_MASTER_KEYS and keep the others behind it."""
    from cryptography.fernet import Fernet  # noqa: PLC0415

    typer.echo(Fernet.generate_key().decode())
