"""Forgetting a person or a tenant: afterwards nothing of them is kept, and nothing more is sent to them."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

from konstruct.database import erasure
from konstruct.database.erasure import Person
from konstruct.database.pool import SYSTEM, Database
from konstruct.errors import UnknownTenant
from konstruct.media.store import MediaStore

Pause = Callable[[float], Awaitable[object]]


async def forget_person(
    database: Database,
    store: MediaStore,
    person: Person,
    pause: Pause = asyncio.sleep,
    *,
    actor: str = SYSTEM,
    request: str = "",
) -> bool:
    """Safe to repeat; answers whether anything was known of them. Returns when nothing can be on its way any more."""
    known = await erasure.is_known(database, person)
    # First the files: what is interrupted here is repeated, and finds them by their rows. Those that are noted
    # meanwhile are in the row that tells their host.
    await _delete(database, store, person)
    left = await erasure.erase_person(database, person, actor, request)
    if left:
        await pause(left)
        await erasure.forget_unsent(database, person.tenant)
    return known


async def forget_tenant(
    database: Database,
    store: MediaStore,
    tenant: UUID,
    pause: Pause = asyncio.sleep,
    *,
    actor: str = SYSTEM,
    request: str = "",
    abandon_billing: bool = False,
) -> None:
    """Safe to repeat until it has succeeded; raises UnknownTenant, and BillUnsettled unless billing is given up."""
    left = await erasure.erase_tenant(database, tenant, actor, request, abandon_billing=abandon_billing)
    # Not by its rows: whatever lies in its folder.
    await store.delete_tenant(tenant)
    if left is None:
        raise UnknownTenant("There is no such tenant; `konstruct status` lists those that there are.")
    if left:
        await pause(left)
        # What a turn under way has kept since.
        await store.delete_tenant(tenant)


async def _delete(database: Database, store: MediaStore, person: Person) -> None:
    for digest in await erasure.files_of(database, person):
        await store.delete(person.tenant, digest)
