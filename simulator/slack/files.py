"""Slack's files: what people share and apps upload, kept behind a bearer token."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from simulator.clock import Clock
from simulator.slack.installations import Installations
from simulator.slack.options import Options
from simulator.slack.refusal import Refused


@dataclass(slots=True)
class File:
    """One file; `content` None until it is uploaded. `visible` False: its fields must be asked for (files.info)."""

    id: str
    team: str
    user: str
    name: str
    title: str
    mimetype: str
    size: int
    created: int
    content: bytes | None = None
    visible: bool = True


class Files:
    """All files of all teams; downloads want a token of an app in the file's team."""

    def __init__(
        self, installations: Installations, options: Options, clock: Clock, address: Callable[[], str]
    ) -> None:
        """`address` gives the server's root URL."""
        self._installations = installations
        self._options = options
        self._clock = clock
        self._address = address
        self._files: dict[str, File] = {}
        self._uploads: dict[str, File] = {}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Register the download and the upload."""
        for way in ("/files-pri/{team}-{id}/{name}", "/files-pri/{team}-{id}/download/{name}"):
            router.add_get(way, self._download)
        router.add_route("*", "/upload/v1/{secret}", self._upload)
        router.add_get("/signin", self._sign_in)

    def add(self, team: str, user: str, name: str, mimetype: str, content: bytes | None, *, size: int = 0) -> File:
        """Keep a file; without content, one that will be uploaded."""
        created = int(self._clock.now())
        found = f"F{secrets.token_hex(5).upper()}"
        file = File(found, team, user, name, name, mimetype, len(content or b"") or size, created, content)
        self._files[file.id] = file
        return file

    def find(self, file_id: str) -> File:
        """Return the file; raises Refused."""
        if file_id not in self._files:
            raise Refused("file_not_found")
        return self._files[file_id]

    def upload_url(self, file: File) -> str:
        """Return the URL that takes the file's content."""
        secret = secrets.token_urlsafe(24)
        self._uploads[secret] = file
        return f"{self._address()}/upload/v1/{secret}"

    def to_json(self, file: File) -> dict[str, Any]:
        """Return the fields that an app is shown."""
        if not file.visible:
            return {"id": file.id, "mode": "file_access", "file_access": "check_file_info"}
        return self.details(file)

    def details(self, file: File) -> dict[str, Any]:
        """Return all fields."""
        url = f"{self._address()}/files-pri/{file.team}-{file.id}"
        suffix = file.name.rpartition(".")[2] if "." in file.name else "text"
        return {
            "id": file.id,
            "created": file.created,
            "timestamp": file.created,
            "name": file.name,
            "title": file.title,
            "mimetype": file.mimetype,
            "filetype": suffix,
            "pretty_type": suffix.upper(),
            "user": file.user,
            "user_team": file.team,
            "size": file.size,
            "mode": "hosted",
            "is_external": False,
            "is_public": False,
            "file_access": "visible",
            "url_private": f"{url}/{file.name}",
            "url_private_download": f"{url}/download/{file.name}",
            "permalink": f"{self._address()}/files/{file.user}/{file.id}/{file.name}",
        }

    def clear(self) -> None:
        """Forget all files."""
        self._files.clear()
        self._uploads.clear()

    async def _download(self, request: web.Request) -> web.Response:
        file = self._files.get(request.match_info["id"])
        if file is None or file.content is None:
            return web.Response(status=404)
        if self._options.redirect_files_to:
            raise web.HTTPFound(self._options.redirect_files_to)
        try:
            app = self._installations.authenticate(request.headers.get("Authorization", "").removeprefix("Bearer "))
        except Refused:
            raise web.HTTPFound("/signin") from None
        if file.team not in (app.team, *app.workspaces):
            return web.Response(status=404)
        return web.Response(body=file.content, content_type=file.mimetype)

    async def _sign_in(self, _: web.Request) -> web.Response:
        """Slack shows a page with status 200 to those who may not have the file."""
        return web.Response(text="<!DOCTYPE html><title>Sign in</title>", content_type="text/html")

    async def _upload(self, request: web.Request) -> web.Response:
        file = self._uploads.pop(request.match_info["secret"], None)
        if file is None:
            return web.Response(status=404, text="No such upload.")
        content = await request.read()
        if request.content_type.startswith("multipart/"):
            posted = [part for part in (await request.post()).values() if isinstance(part, web.FileField)]
            content = posted[0].file.read() if posted else b""
        if len(content) != file.size:
            return web.Response(status=400, text="The length is not the announced one.")
        file.content = content
        return web.Response(text=f"OK - {len(content)}")
