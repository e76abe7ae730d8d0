"""`konstruct tokens` and `konstruct dead-letters`, over the operators' API."""

from typing import Annotated

import typer

from deployments.known import ask, pages

Tenant = Annotated[str, typer.Argument(help="The tenant's name.")]

tokens_app = typer.Typer(help="Tokens of the operators' API, each for one tenant.", no_args_is_help=True)
letters_app = typer.Typer(help="Messages and replies that were set aside.", no_args_is_help=True)


@tokens_app.command("make")
def make_token(
    tenant: Tenant,
    role: Annotated[str, typer.Option(help="viewer, operator or owner.")] = "operator",
    name: Annotated[str, typer.Option(help="So that you know it again.")] = "made by konstruct tokens make",
    days: Annotated[int, typer.Option(min=1, max=366, help="How long it is good for.")] = 90,
) -> None:
    """Make a token and print it: it is not shown again."""
    body = {"name": name, "role": role, "expires_in_days": days}
    typer.echo(ask("POST", "tenants", tenant, "tokens", body=body)["token"])


@tokens_app.command("list")
def list_tokens(tenant: Tenant) -> None:
    """List a tenant's tokens."""
    for token in ask("GET", "tenants", tenant, "tokens")["items"]:
        used = token["last_used_at"] or "never"
        typer.echo(f"{token['id']}  {token['role']:<8}  until {token['expires_at'][:10]}  used {used}  {token['name']}")


@tokens_app.command("revoke")
def revoke_token(tenant: Tenant, token: Annotated[str, typer.Argument(help="Its id, from the list.")]) -> None:
    """End a token: its next request is refused."""
    ask("DELETE", "tenants", tenant, "tokens", token)
    typer.echo("It is good for nothing any more.")


@letters_app.command("list")
def list_letters(tenant: Tenant) -> None:
    """List what was set aside, newest first."""
    for letter in pages("GET", "tenants", tenant, "dead-letters", limit="200"):
        typer.echo(
            f"{letter['kind']}/{letter['id']}  {letter['at'][:19]}  {letter['channel']}  {letter['error'] or ''}"
        )


@letters_app.command("retry")
def retry_letter(tenant: Tenant, letter: Annotated[str, typer.Argument(help="From the list: kind/id.")]) -> None:
    """Try it again."""
    ask("POST", "tenants", tenant, "dead-letters", *_letter(letter), "retry")
    typer.echo("It is tried again.")


@letters_app.command("discard")
def discard_letter(tenant: Tenant, letter: Annotated[str, typer.Argument(help="From the list: kind/id.")]) -> None:
    """Give it up."""
    ask("POST", "tenants", tenant, "dead-letters", *_letter(letter), "discard")
    typer.echo("It is given up.")


def _letter(letter: str) -> tuple[str, str]:
    kind, _, id_ = letter.partition("/")
    return kind, id_
