"""`konstruct pause` and `konstruct resume`: whether the employee speaks in one conversation."""

from collections.abc import Mapping
from uuid import UUID

from rich.console import Console

from deployments.installation.api import ApiClient, Refused, segment
from konstruct.errors import KonstructError


class UnknownConversation(KonstructError):
    """There is no such conversation."""


async def pause(environment: Mapping[str, str], tenant: str, conversation: str, minutes: int, console: Console) -> None:
    """Silence the employee for so many minutes; raises UnknownConversation."""
    await _post(environment, tenant, conversation, "pause", {"minutes": minutes})
    console.print(f"The employee is silent in {conversation} for {minutes} minutes, or until `konstruct resume`.")


async def resume(environment: Mapping[str, str], tenant: str, conversation: str, console: Console) -> None:
    """Let the employee speak again; raises UnknownConversation."""
    await _post(environment, tenant, conversation, "resume", None)
    console.print(f"The employee answers in {conversation} again.")


async def _post(environment: Mapping[str, str], tenant: str, conversation: str, what: str, body: object) -> None:
    try:
        id_ = UUID(conversation)
    except ValueError:
        raise UnknownConversation(
            f"{conversation!r} is no conversation id; the notice to operators ends with one."
        ) from None
    try:
        place = f"/tenants/{segment(tenant)}/conversations/{id_}"
        await ApiClient(environment).ask("POST", f"{place}/{what}", body)
    except Refused as refused:
        if refused.status != 404:
            raise
        raise UnknownConversation(
            f"Tenant {tenant} has no conversation {conversation}; `konstruct status` lists tenants."
        ) from None
