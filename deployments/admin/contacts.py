"""`/contacts` and `/export`: what is stored of a person or a tenant, taken along or forgotten."""

import os
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi import Path as InPath
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from deployments.admin.access import Access, Owning
from deployments.admin.problem import NotHere
from konstruct import forgetting, takeout
from konstruct.database import erasure
from konstruct.database.erasure import Person
from konstruct.media.store import open_store

router = APIRouter(prefix="/tenants/{tenant}", tags=["contacts"])

Channel = Literal["slack", "whatsapp", "web"]
Contact = Annotated[str, InPath(min_length=1, max_length=200, description="Any name that the channel gives them.")]
ZIPPED: dict[int | str, dict[str, Any]] = {200: {"description": "A ZIP file.", "content": {"application/zip": {}}}}


@router.get("/export", response_class=Response, responses=ZIPPED)
async def export_tenant(access: Owning) -> Response:
    """Everything of the tenant: its tables as JSON lines, its kept files; no secrets."""
    file = _new_file()
    await takeout.take_tenant(access.parts.database, open_store(access.parts.settings), access.tenant, file)
    return _download(file, access.name)


@router.get("/contacts/{channel}/{contact}/export", response_class=Response, responses=ZIPPED)
async def export_contact(channel: Channel, contact: Contact, access: Owning) -> Response:
    """Everything about one person."""
    person = await _known(access, channel, contact)
    file = _new_file()
    await takeout.take_person(access.parts.database, open_store(access.parts.settings), person, file)
    return _download(file, "contact")


@router.delete("/contacts/{channel}/{contact}", status_code=204)
async def erase_contact(channel: Channel, contact: Contact, access: Owning) -> Response:
    """Forget a person. Answers when nothing can be on its way to them any more: after six seconds at the latest."""
    person = await _known(access, channel, contact)
    store = open_store(access.parts.settings)
    await forgetting.forget_person(access.parts.database, store, person, actor=access.principal.actor)
    return Response(status_code=204)


async def _known(access: Access, channel: str, contact: str) -> Person:
    person = Person(access.tenant, channel, contact)
    if not await erasure.rows_of_person(access.parts.database, person):
        raise NotHere
    return person


def _new_file() -> Path:
    handle, name = tempfile.mkstemp(suffix=".zip")
    os.close(handle)
    return Path(name)


def _download(file: Path, name: str) -> Response:
    return FileResponse(
        file, media_type="application/zip", filename=f"{name}.zip", background=BackgroundTask(file.unlink)
    )
