"""The `konstruct` command. Every error is one sentence on stderr and a non-zero exit."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from deployments import known
from deployments.cli_audit import audit_app
from deployments.cli_bill import bill_app
from deployments.cli_budget import budget_app
from deployments.cli_isolation import isolation_check
from deployments.cli_keys import keys_app
from deployments.cli_members import members_app
from deployments.cli_privacy import contact_app, tenant_app
from deployments.cli_slack import slack_app
from deployments.cli_subscription import subscription_app
from deployments.cli_tokens import letters_app, tokens_app
from konstruct.errors import KonstructError

app = typer.Typer(
    help="AI employees in the channels a team already uses.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    add_completion=False,
)
scale_app = typer.Typer(help="Change how much of something runs, while messages flow.", no_args_is_help=True)
app.add_typer(scale_app, name="scale")
app.add_typer(slack_app, name="slack")
app.add_typer(tenant_app, name="tenant")
app.add_typer(contact_app, name="contact")
app.add_typer(tokens_app, name="tokens")
app.add_typer(letters_app, name="dead-letters")
app.command("isolation-check")(isolation_check)
app.add_typer(audit_app, name="audit")
app.add_typer(bill_app, name="bill")
app.add_typer(budget_app, name="budget")
app.add_typer(keys_app, name="keys")
app.add_typer(subscription_app, name="subscription")
app.add_typer(members_app, name="members")
console = Console(highlight=False, soft_wrap=True)


def main() -> None:
    """Entry point of the installed command."""
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        _fail(f"{error.format_message()} Add --help to see what is possible.", code=2)
    except KonstructError as error:
        _fail(str(error))
    except (KeyboardInterrupt, typer.Abort):
        _fail("Interrupted.", code=130)
    except Exception as error:
        if os.environ.get("KONSTRUCT_LOG_LEVEL", "").lower() == "debug":
            raise
        kind = type(error).__name__
        _fail(f"Unexpected {kind}: {error} (KONSTRUCT_LOG_LEVEL=debug shows where; please report it.)")
    sys.exit(code if isinstance(code, int) else 0)


@app.command()
def up(*, wait: Annotated[bool, typer.Option(help="Wait until the local model answers, too.")] = True) -> None:
    """Start everything on this machine, or bring what runs up to date; safe to repeat."""
    from deployments.installation import processes  # noqa: PLC0415 - each command loads only what it needs
    from deployments.installation.greeting import greet  # noqa: PLC0415
    from deployments.installation.running import layout_of  # noqa: PLC0415
    from deployments.installation.steps import Steps  # noqa: PLC0415
    from deployments.installation.up import NotBegun  # noqa: PLC0415
    from deployments.installation.up import up as start  # noqa: PLC0415

    steps = Steps(console)
    try:
        running = start(os.environ, steps, wait_for_model=wait)
    except NotBegun:
        raise
    except KonstructError as error:
        # A wrong setting is found before anything is started.
        count = len(processes.find(layout_of(os.environ)))
        left = f" Left for a look: {processes.counted(count)}. `konstruct up` tries again, `konstruct down` ends all."
        raise KonstructError(str(error) + left * bool(count)) from error
    greet(steps, running)


@app.command()
def down() -> None:
    """End everything of this installation on this machine. Stored conversations stay."""
    from deployments.installation import processes  # noqa: PLC0415
    from deployments.installation.down import down as stop  # noqa: PLC0415
    from deployments.installation.steps import Steps  # noqa: PLC0415

    count = stop(os.environ, Steps(console))
    ended = f"Konstruct is down: {processes.counted(count)} ended."
    console.print(ended if count else "Konstruct was not running.")


@app.command()
def status(*, json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show what runs and what waits: applications, inbox, outbox, dead letters."""
    from deployments.status import show  # noqa: PLC0415

    raise typer.Exit(0 if asyncio.run(show(known.environment(), console, as_json=json)) else 1)


@app.command()
def apply(file: Annotated[Path, typer.Option("--file", "-f", help="The tenant file.")]) -> None:
    """Make a tenant what its file says; applying it twice changes nothing."""
    from deployments.installation.tenant_check import warnings  # noqa: PLC0415
    from deployments.installation.tenants import put, read_file  # noqa: PLC0415

    wanted = read_file(file, known.environment())
    doubts = warnings(wanted, known.settings())
    tenant, changed = asyncio.run(put(wanted, known.environment()))
    for warning in doubts:
        console.print(f"[yellow]{escape(warning)}[/]")
    console.print(f"Tenant {escape(tenant)} {'is as the file says now' if changed else 'was already so'}.")


@app.command()
def chat(
    tenant: Annotated[str, typer.Option(help="Whose employee to talk to.")] = "acme",
    user: Annotated[str, typer.Option("--as", help="Slack user id to speak as.")] = "U0ALICE",
    channel: Annotated[str | None, typer.Option(help="Mention the employee there.")] = None,
    once: Annotated[str | None, typer.Option(help="Say this, print the reply, leave.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for a reply.")] = 120.0,
) -> None:
    """Talk to an employee in the terminal, over the real signed webhook path."""
    from deployments.chat import chat as converse  # noqa: PLC0415

    os.environ |= known.environment()
    converse(tenant, user, channel, once, timeout)


@app.command()
def simulate(
    tenant: Annotated[str, typer.Option(help="Whose employee people talk to.")] = "acme",
    slack_port: Annotated[int, typer.Option(help="Where Slack is served.")] = 8790,
    whatsapp_port: Annotated[int, typer.Option(help="Where WhatsApp is served.")] = 8791,
    webhooks: Annotated[str | None, typer.Option(help="Root URL of the webhooks, if not this machine's.")] = None,
    speed: Annotated[float, typer.Option(min=0.001, help="60 turns a minute between redeliveries into a second.")] = 1,
    *,
    stripe_port: Annotated[int, typer.Option(help="Where Stripe is served.")] = 8792,
) -> None:
    """Simulate Slack, WhatsApp and Stripe on this machine until Ctrl-C."""
    from deployments.simulate import Wanted  # noqa: PLC0415
    from deployments.simulate import simulate as serve  # noqa: PLC0415

    serve(Wanted(tenant, slack_port, whatsapp_port, webhooks, speed, stripe_port), known.environment(), console)


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    from deployments.installation.layout import Layout  # noqa: PLC0415
    from deployments.installation.running import absence  # noqa: PLC0415
    from konstruct.database.migrate import apply as apply_migrations  # noqa: PLC0415
    from konstruct.errors import SettingsInvalid  # noqa: PLC0415

    settings = known.settings()
    if settings.database_url is None:
        raise SettingsInvalid(absence(Layout(settings.home), "KONSTRUCT_DATABASE_URL"))
    applied = apply_migrations(settings.database_url)
    console.print(f"Applied: {', '.join(applied)}." if applied else "The schema is up to date.")


@app.command()
def doctor() -> None:
    """Check this installation, and say how to mend what is wrong."""
    from deployments.doctor import examine  # noqa: PLC0415

    raise typer.Exit(0 if examine(known.environment(), console) else 1)


@app.command()
def pause(
    tenant: Annotated[str, typer.Argument(help="The tenant's name.")],
    conversation: Annotated[str, typer.Argument(help="The conversation's id, see `konstruct paused`.")],
    minutes: Annotated[int, typer.Option(min=1, max=43_200, help="For how long.")] = 240,
) -> None:
    """Silence the employee in one conversation: an operator speaks there."""
    from deployments.handover import pause as silence  # noqa: PLC0415

    asyncio.run(silence(known.environment(), tenant, conversation, minutes, console))


@app.command()
def resume(
    tenant: Annotated[str, typer.Argument(help="The tenant's name.")],
    conversation: Annotated[str, typer.Argument(help="The conversation's id, see `konstruct paused`.")],
) -> None:
    """Let the employee speak again in one conversation."""
    from deployments.handover import resume as speak_again  # noqa: PLC0415

    asyncio.run(speak_again(known.environment(), tenant, conversation, console))


@app.command()
def paused(tenant: Annotated[str, typer.Argument(help="The tenant's name.")]) -> None:
    """List conversations that were handed over or paused: id, since when, until when and why."""
    from deployments.handover import show_paused  # noqa: PLC0415

    show_paused(tenant, console)


@scale_app.command("hosts")
def scale_hosts(
    number: Annotated[int, typer.Argument(min=1, max=1024, help="How many conversation hosts to run.")],
    timeout: Annotated[float, typer.Option(help="Seconds to wait until it is done.")] = 120.0,
) -> None:
    """Run this many conversation hosts from now on, whatever KONSTRUCT_CONVERSATION_HOSTS says; messages flow."""
    from deployments.scaling import scale_hosts as scale  # noqa: PLC0415

    asyncio.run(scale(known.environment(), number, timeout, console))


@app.command("web-token")
def web_token(
    site: Annotated[str, typer.Argument(help="The site, or the name of a tenant that has one.")],
    visitor: Annotated[str, typer.Option(help="Who writes there; the same visitor sees the same conversation.")] = "me",
    hours: Annotated[float, typer.Option(min=0.1, max=744, help="How long the link opens the chat.")] = 12,
) -> None:
    """Make a link to the web chat of a site, to try it out."""
    from deployments.web_link import link  # noqa: PLC0415

    console.print(asyncio.run(link(known.environment(), site, visitor, hours)))


@app.command()
def version() -> None:
    """Show versions: ours (a hash of the sources) and those of what matters most."""
    from deployments.installation.version import versions  # noqa: PLC0415

    for name, number in versions().items():
        console.print(f"{name:<20} {number}")


def _fail(sentence: str, code: int = 1) -> NoReturn:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[red]{escape(sentence)}[/]")
    sys.exit(code)


if __name__ == "__main__":
    main()
