"""The operators' API, as the `konstruct` command uses it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from deployments.installation import running
from deployments.installation.layout import Layout
from konstruct.errors import KonstructError, SettingsInvalid
from konstruct.settings import Settings

CALL_SECONDS = 30
LOOK_SECONDS = 0.25
PART_BYTES = 1 << 16
# What a proxy says while what is behind it starts.
STARTING = (404, 502, 503)


class Refused(KonstructError):
    """The installation refused this."""

    def __init__(self, status: int, detail: str) -> None:
        """`detail`: what it said."""
        super().__init__(detail)
        self.status = status


class NotReachable(KonstructError):
    """The installation does not answer."""


class ApiClient:
    """Asks as whoever KONSTRUCT_ADMIN_TOKEN belongs to."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """`environment`: of the command, completed by what runs. Raises SettingsInvalid without a token."""
        settings = Settings.from_environment(environment)
        if settings.admin_token is None:
            raise SettingsInvalid(running.absence(Layout(settings.home), "KONSTRUCT_ADMIN_TOKEN"))
        self._headers = {"Authorization": f"Bearer {settings.admin_token}"}
        self._url = f"{_root(environment, settings)}/admin/v1"

    async def ask(
        self, method: str, path: str, body: object = None, *, patience: float = 0, seconds: float | None = None
    ) -> Any:
        """The answer's content; waits up to `patience` seconds for an installation that starts.

        `seconds`: within which it answers, if not CALL_SECONDS. Raises Refused with what was said, or NotReachable.
        """
        deadline = asyncio.get_running_loop().time() + patience
        while True:
            try:
                async with self._answer(method, path, body, seconds or CALL_SECONDS) as answer:
                    return _content(answer.status, await answer.text())
            except (NotReachable, Refused) as error:
                starting = getattr(error, "status", STARTING[0]) in STARTING
                if not starting or asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(LOOK_SECONDS)

    async def download(self, path: str, file: Path, seconds: float) -> None:
        """Write what is answered into a file, which is there whole or not at all; raises as `ask` does."""
        unfinished = file.with_name(f"{file.name}.unfinished")
        try:
            async with self._answer("GET", path, None, seconds) as answer:
                if answer.status >= 400:
                    _content(answer.status, await answer.text())
                with unfinished.open("wb") as out:
                    async for part in answer.content.iter_chunked(PART_BYTES):
                        out.write(part)
            unfinished.replace(file)
        except OSError as error:
            raise KonstructError(f"{file} cannot be written: {error.strerror}.") from error
        finally:
            unfinished.unlink(missing_ok=True)

    @asynccontextmanager
    async def _answer(
        self, method: str, path: str, body: object, seconds: float
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CALL_SECONDS)
        try:
            async with aiohttp.ClientSession(timeout=timeout, headers=self._headers) as session:
                async with session.request(method, self._url + path, json=body) as response:
                    yield response
        except aiohttp.ClientPayloadError as error:
            raise NotReachable("The installation's answer broke off in the middle; try again.") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            raise NotReachable(
                f"The installation does not answer at {self._url} ({why}); run `konstruct up` or `konstruct doctor`."
            ) from error


def segment(text: str) -> str:
    """Text as one segment of a path."""
    return quote(text, safe="")


def _root(environment: Mapping[str, str], settings: Settings) -> str:
    elsewhere = running.recall(running.layout_of(environment)) is None and "KONSTRUCT_PUBLIC_URL" in environment
    return settings.public_url.rstrip("/") if elsewhere else f"http://127.0.0.1:{settings.http_port}"


def _content(status: int, text: str) -> Any:
    try:
        content = json.loads(text) if text else None
    except ValueError:
        content = None
    if status < 400:
        return content
    detail = content.get("detail") if isinstance(content, dict) else None
    if detail is None and status in STARTING:
        raise NotReachable(
            f"What answered with status {status} is not the operators' API: it starts, or is elsewhere. Try again, or "
            "run `konstruct doctor`."
        )
    raise Refused(status, str(detail or f"The installation answered with status {status}."))
