"""`/contacts` and `/export`: what is stored of a person or a tenant, taken along or forgotten."""

import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from os import SEEK_END
from typing import Annotated, Any, BinaryIO, Literal

from fastapi import APIRouter, Path
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from deployments.admin.access import Access, OwnerAsking
from deployments.admin.apart import apart
from deployments.admin.problem import NotHere
from konstruct import forgetting, takeout
from konstruct.database import erasure
from konstruct.database.erasure import Person
from konstruct.database.pool import Database
from konstruct.media.store import MediaStore, open_store

router = APIRouter(prefix="/tenants/{tenant}", tags=["contacts"])

Channel = Literal["slack", "whatsapp", "web"]
Contact = Annotated[str, Path(min_length=1, max_length=200, description="Any name that the channel gives them.")]
Take = Callable[[Database, MediaStore, BinaryIO], Awaitable[object]]
PIECE_BYTES = 65_536
ZIPPED: dict[int | str, dict[str, Any]] = {200: {"description": "A ZIP file.", "content": {"application/zip": {}}}}


@router.get("/export", response_class=Response, responses=ZIPPED)
async def export_tenant(access: OwnerAsking) -> Response:
    """Everything of the tenant: its tables as JSON lines, its kept files; no secrets."""
    return await _taken(
        access, access.name, lambda database, store, file: takeout.take_tenant(database, store, access.tenant, file)
    )


@router.get("/contacts/{channel}/{contact}/export", response_class=Response, responses=ZIPPED)
async def export_contact(channel: Channel, contact: Contact, access: OwnerAsking) -> Response:
    """Everything about one person."""
    person = Person(access.tenant, channel, contact)

    async def take(database: Database, store: MediaStore, file: BinaryIO) -> None:
        await _check_known(database, person)
        await takeout.take_person(database, store, person, file)

    return await _taken(access, "contact", take)


@router.delete("/contacts/{channel}/{contact}", status_code=204)
async def erase_contact(channel: Channel, contact: Contact, access: OwnerAsking) -> Response:
    """Forget a person. Answers when nothing can be on its way to them any more: after six seconds at the latest."""
    settings, person = access.parts.settings, Person(access.tenant, channel, contact)
    actor, request = access.principal.actor, access.request_id

    async def work(database: Database) -> None:
        await _check_known(database, person)
        await forgetting.forget_person(database, open_store(settings), person, actor=actor, request=request)

    await apart(settings, work)
    return Response(status_code=204)


async def _check_known(database: Database, person: Person) -> None:
    if not await erasure.is_known(database, person):
        raise NotHere


async def _taken(access: Access, name: str, take: Take) -> Response:
    settings = access.parts.settings

    async def made(database: Database) -> BinaryIO:
        # It has no name: whatever ends the export, or this process, leaves nothing behind.
        file = tempfile.TemporaryFile()  # noqa: SIM115 - Zipped closes it
        try:
            await take(database, open_store(settings), file)
        except BaseException:
            file.close()
            raise
        return file

    return Zipped(await apart(settings, made), name)


class Zipped(StreamingResponse):
    """A ZIP file, closed when it was sent, and when whoever asked for it went away."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """`file` is ours to close."""
        self._file = file
        size = file.seek(0, SEEK_END)
        file.seek(0)
        headers = {"Content-Length": str(size), "Content-Disposition": f'attachment; filename="{name}.zip"'}
        super().__init__(iter(partial(file.read, PIECE_BYTES), b""), headers=headers, media_type="application/zip")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        with self._file:
            await super().__call__(scope, receive, send)
