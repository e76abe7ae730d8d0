"""`konstruct slack`: the app's manifest, and links to install it."""

from typing import Annotated

import typer

from deployments import known

slack_app = typer.Typer(help="The Slack app: its manifest, and links to install it.", no_args_is_help=True)


@slack_app.command()
def manifest(
    name: Annotated[str, typer.Option(help="What the app is called in Slack.")] = "Konstruct",
    description: Annotated[str, typer.Option(help="What it does, in a sentence.")] = "An AI employee for your team.",
    *,
    socket_mode: Annotated[bool, typer.Option("--socket-mode", help="Nothing needs to reach you.")] = False,
    rotate_tokens: Annotated[
        bool, typer.Option("--rotate-tokens", help="Tokens end after 12 hours; only for apps installed by link.")
    ] = False,
) -> None:
    """Print the manifest to create the Slack app from, as YAML."""
    import yaml  # noqa: PLC0415 - each command loads only what it needs

    from konstruct.channels.slack.manifest import manifest as written  # noqa: PLC0415

    asked = written(known.settings().public_url, name, description, socket_mode=socket_mode, rotating=rotate_tokens)
    typer.echo(yaml.safe_dump(asked, sort_keys=False, allow_unicode=True), nl=False)


@slack_app.command("install-link")
def install_link(tenant: Annotated[str, typer.Argument(help="The tenant that the workspace is attached to.")]) -> None:
    """Print a link: whoever opens it within a week may attach a workspace to this tenant."""
    typer.echo(known.ask("POST", "tenants", tenant, "slack", "install-links")["url"])
