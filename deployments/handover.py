"""`konstruct pause`, `resume` and `paused`: whether the employee speaks in a conversation."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from rich.console import Console
from rich.markup import escape

from deployments.installation.api import ApiClient, Refused, segment
from deployments.known import pages
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


def show_paused(tenant: str, console: Console) -> None:
    """List the conversations that the employee is silent in; raises UnknownTenant."""
    found = list(pages("GET", "tenants", tenant, "conversations", paused="true", limit="200"))
    if not found:
        console.print(f"The employee of {escape(tenant)} answers in every conversation.")
        return
    # No table: it would break ids, which people copy.
    for one in found:
        lasts = f"since {_minute(one['paused_at'])} until {_minute(one['paused_until'])}"
        console.print(escape(f"{one['id']}  {one['channel']}  {lasts}  {one['paused_reason'] or ''}"))
    console.print(escape(f"`konstruct resume {tenant} <conversation>` gives one back to the employee."))


def _minute(time: str | None) -> str:
    return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M}" if time else "unknown"


async def _post(environment: Mapping[str, str], tenant: str, conversation: str, what: str, body: object) -> None:
    try:
        id_ = UUID(conversation)
    except ValueError:
        raise UnknownConversation(
            f"{conversation!r} is no conversation id; see `konstruct paused` or the notice to operators."
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
