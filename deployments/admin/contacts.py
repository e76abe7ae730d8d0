"""`/contacts` and `/export`: what is stored of a person or a tenant, taken along or forgotten."""

import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi import Path as InPath
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from deployments.admin.access import Access, Owning
from deployments.admin.apart import apart
from deployments.admin.problem import NotHere
from konstruct import forgetting, takeout
from konstruct.database import erasure
from konstruct.database.erasure import Person
from konstruct.database.pool import Database
from konstruct.media.store import MediaStore, open_store

router = APIRouter(prefix="/tenants/{tenant}", tags=["contacts"])

Channel = Literal["slack", "whatsapp", "web"]
Contact = Annotated[str, InPath(min_length=1, max_length=200, description="Any name that the channel gives them.")]
Take = Callable[[Database, MediaStore, Path], Awaitable[object]]
ZIPPED: dict[int | str, dict[str, Any]] = {200: {"description": "A ZIP file.", "content": {"application/zip": {}}}}


@router.get("/export", response_class=Response, responses=ZIPPED)
async def export_tenant(access: Owning) -> Response:
    """Everything of the tenant: its tables as JSON lines, its kept files; no secrets."""
    return await _taken(
        access, access.name, lambda database, store, file: takeout.take_tenant(database, store, access.tenant, file)
    )


@router.get("/contacts/{channel}/{contact}/export", response_class=Response, responses=ZIPPED)
async def export_contact(channel: Channel, contact: Contact, access: Owning) -> Response:
    """Everything about one person."""
    person = await _known(access, channel, contact)
    return await _taken(
        access, "contact", lambda database, store, file: takeout.take_person(database, store, person, file)
    )


@router.delete("/contacts/{channel}/{contact}", status_code=204)
async def erase_contact(channel: Channel, contact: Contact, access: Owning) -> Response:
    """Forget a person. Answers when nothing can be on its way to them any more: after six seconds at the latest."""
    person = await _known(access, channel, contact)
    database, store = access.parts.database, open_store(access.parts.settings)
    actor, request = access.principal.actor, access.request_id
    await forgetting.forget_person(database, store, person, actor=actor, request=request)
    return Response(status_code=204)


async def _known(access: Access, channel: str, contact: str) -> Person:
    person = Person(access.tenant, channel, contact)
    if not await erasure.rows_of_person(access.parts.database, person):
        raise NotHere
    return person


async def _taken(access: Access, name: str, take: Take) -> Response:
    settings, file = access.parts.settings, _new_file()
    try:
        await apart(settings, lambda database: take(database, open_store(settings), file))
    except BaseException:
        file.unlink()
        raise
    return FileResponse(
        file, media_type="application/zip", filename=f"{name}.zip", background=BackgroundTask(file.unlink)
    )


def _new_file() -> Path:
    handle, name = tempfile.mkstemp(suffix=".zip")
    os.close(handle)
    return Path(name)
