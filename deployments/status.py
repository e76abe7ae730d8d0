"""`konstruct status`: what runs and what waits, to a person or as JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import aiohttp
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deployments.installation import running
from deployments.installation.layout import Layout
from deployments.installation.tenants import open_database
from konstruct.database import hosting, installation, isolation_checks
from konstruct.errors import KonstructError
from konstruct.settings import Settings

Picture = dict[str, Any]
# /readyz gives each of its checks two.
READY_SECONDS = 5.0


async def show(environment: Mapping[str, str], console: Console, *, as_json: bool) -> bool:
    """Print it; answers whether everything is well."""
    settings = Settings.from_environment(environment)
    applications = _applications(settings)
    picture: Picture = {"applications": applications, **await _stored(settings)}
    picture |= await _hosts(settings) if applications else {"hosts": []}
    if as_json:
        console.print_json(json.dumps(picture, default=str))
    else:
        _print(picture, console)
    running_well = all(state == "RUNNING" for state in picture["applications"].values())
    return bool(picture["applications"]) and running_well and "database_error" not in picture


def _applications(settings: Settings) -> dict[str, str]:
    layout = Layout(settings.home)
    try:
        found = running.serve(layout, settings.dashboard_port).applications()
    except KonstructError:
        return {}
    return {name: application["status"] for name, application in found.items()}


async def _hosts(settings: Settings) -> Picture:
    """Those that are up, with their processes."""
    timeout = aiohttp.ClientTimeout(total=READY_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            async with session.get(f"http://127.0.0.1:{settings.http_port}/readyz") as answer:
                hosts = (await answer.json())["hosts"]
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
        return {"hosts": [], "hosts_error": f"/readyz does not answer: {str(error) or type(error).__name__}"}
    return {"hosts": sorted(hosts, key=lambda host: host["host"])}


def _default_hosts(settings: Settings) -> int:
    """As what runs was told, whatever this shell says."""
    runs = running.recall(Layout(settings.home))
    return (settings if runs is None else Settings.from_environment(runs.environment)).conversation_hosts


async def _stored(settings: Settings) -> Picture:
    try:
        async with open_database(settings) as database:
            tenants = await installation.tenants(database)
            mapping = await hosting.read(database)
            return {
                "counts": asdict(await installation.status(database)),
                "hosting": asdict(mapping) | {"wanted_hosts": mapping.wanted(_default_hosts(settings))},
                "tenants": [tenant.name for tenant in tenants],
                "paused": {tenant.name: tenant.paused for tenant in tenants},
                "asked_in_vain": [
                    {"tenant": tenant.name, **asdict(model)} for tenant in tenants for model in tenant.asked_in_vain
                ],
                "isolation": asdict(checked) if (checked := await isolation_checks.last(database)) else None,
                "dead_letters": [asdict(letter) for letter in await installation.dead_letters(database)],
            }
    except KonstructError as error:
        return {"database_error": str(error)}


def _print(picture: Picture, console: Console) -> None:
    table = Table.grid(padding=(0, 2))
    if not picture["applications"]:
        table.add_row("Applications", "[red]none runs; start them with `konstruct up`[/]")
    for name, state in picture["applications"].items():
        table.add_row(f"Application {name}", f"[{'green' if state == 'RUNNING' else 'red'}]{state.lower()}[/]")
    if error := picture.get("database_error"):
        table.add_row("Database", f"[red]{escape(error)}[/]")
        console.print(table)
        return
    mapping = picture["hosting"]
    wanted, pids = mapping["wanted_hosts"], ", ".join(str(host["pid"]) for host in picture["hosts"])
    shown = f"{mapping['hosts']}" + (f" (wanted {wanted})" if wanted != mapping["hosts"] else "")
    table.add_row("Conversation hosts", shown + (f", pid {pids}" if pids else ""))
    if unknown := picture.get("hosts_error"):
        table.add_row("  their processes", f"[red]{escape(unknown)}[/]")
    tenants = ", ".join(picture["tenants"]) or "none; add one with `konstruct apply -f tenant.yaml`"
    table.add_row("Tenants", tenants)
    table.add_row("Handed over or paused", _paused(picture["paused"]))
    for asked in picture["asked_in_vain"]:
        of = f"{asked['model']} of {asked['tenant']} gave no answer in {asked['in_vain']} of {asked['turns']} turns"
        table.add_row("Models", f"[red]{escape(of)} of the last hour; the hosts' logs say why[/]")
    table.add_row("Isolation", _isolation(picture["isolation"]))
    for name, count in picture["counts"].items():
        if name != "tenants":
            shown = f"{count:.1f}" if isinstance(count, float) else str(count)
            table.add_row(name.replace("_", " ").capitalize(), shown)
    console.print(table)
    _print_dead_letters(picture["dead_letters"], console)


def _paused(conversations: dict[str, int]) -> str:
    some = [(name, number) for name, number in conversations.items() if number]
    listed = "; ".join(f"{number} of {name} (`konstruct paused {name}` lists them)" for name, number in some)
    return f"[yellow]{escape(listed)}[/]" if listed else "no conversation"


def _isolation(checked: Picture | None) -> str:
    if checked is None:
        return "not checked yet; it is every night, or by `konstruct isolation-check`"
    found = "; ".join(map(escape, checked["holes"]))
    said = f"[red]{found}[/]" if found else f"no hole in {checked['tried']} things tried"
    return f"checked {checked['at']:%Y-%m-%d %H:%M}: {said}"


def _print_dead_letters(letters: list[Picture], console: Console) -> None:
    if not letters:
        return
    table = Table("set aside at", "tenant", "letter", "why", title="Dead letters, newest first")
    for letter in letters:
        # As `konstruct dead-letters retry` takes it.
        what = (letter["tenant"], f"{letter['kind']}/{letter['id']}", letter["error"])
        table.add_row(f"{letter['at']:%Y-%m-%d %H:%M:%S}", *(escape(str(said)) for said in what))
    console.print(table)
