"""`konstruct pause` and `konstruct resume`: whether the employee speaks in one conversation."""

from collections.abc import Mapping
from uuid import UUID

from rich.console import Console

from deployments.installation.tenants import open_database
from konstruct.database import amendments
from konstruct.errors import KonstructError
from konstruct.identity import tenant_id
from konstruct.settings import Settings

PAUSED_BY_COMMAND = "paused by an operator"


class UnknownConversation(KonstructError):
    """There is no such conversation."""


async def pause(environment: Mapping[str, str], tenant: str, conversation: str, minutes: int, console: Console) -> None:
    """Silence the employee for so many minutes; raises UnknownConversation."""
    id_ = _id(conversation)
    async with open_database(Settings.from_environment(environment)) as database:
        found = await amendments.pause(database, tenant_id(tenant), id_, PAUSED_BY_COMMAND, minutes * 60.0)
    _check_found(tenant, conversation, found=found)
    console.print(f"The employee is silent in {conversation} for {minutes} minutes, or until `konstruct resume`.")


async def resume(environment: Mapping[str, str], tenant: str, conversation: str, console: Console) -> None:
    """Let the employee speak again; raises UnknownConversation."""
    async with open_database(Settings.from_environment(environment)) as database:
        found = await amendments.resume(database, tenant_id(tenant), _id(conversation))
    _check_found(tenant, conversation, found=found)
    console.print(f"The employee answers in {conversation} again.")


def _id(conversation: str) -> UUID:
    try:
        return UUID(conversation)
    except ValueError:
        raise UnknownConversation(
            f"{conversation!r} is no conversation id; the notice to operators ends with one."
        ) from None


def _check_found(tenant: str, conversation: str, *, found: bool) -> None:
    if not found:
        raise UnknownConversation(
            f"Tenant {tenant} has no conversation {conversation}; `konstruct status` lists tenants."
        )
