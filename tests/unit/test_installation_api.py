"""The operators' API as commands use it: what is downloaded is there whole or not at all."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from deployments.installation.api import ApiClient, NotReachable, Refused
from konstruct.errors import KonstructError

WHOLE = b"0123456789" * 100_000


async def whole(_request: web.Request) -> web.Response:
    return web.Response(body=WHOLE)


async def refused(_request: web.Request) -> web.Response:
    return web.json_response({"detail": "Not yours."}, status=404)


async def cut(request: web.Request) -> web.StreamResponse:
    """Half of what Content-Length announced, or of chunks without their end."""
    answer = web.StreamResponse()
    if request.query.get("announced"):
        answer.content_length = len(WHOLE)
    await answer.prepare(request)
    await answer.write(WHOLE[: len(WHOLE) // 2])
    assert request.transport is not None
    request.transport.close()
    return answer


async def slow(_request: web.Request) -> web.Response:
    await asyncio.sleep(1)
    return web.json_response({"slow": True})


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[ApiClient]:
    app = web.Application()
    for name, answer in (("whole", whole), ("refused", refused), ("cut", cut), ("slow", slow)):
        app.router.add_get(f"/admin/v1/{name}", answer)
    async with TestServer(app) as server:
        environment = {"KONSTRUCT_HTTP_PORT": str(server.port), "KONSTRUCT_ADMIN_TOKEN": "planted" * 4}
        yield ApiClient(environment | {"KONSTRUCT_HOME": str(tmp_path / "home")})


async def test_what_is_downloaded_takes_the_place_of_what_was_there(api: ApiClient, tmp_path: Path) -> None:
    file = tmp_path / "acme.zip"
    file.write_bytes(b"an older one")
    await api.download("/whole", file, 10)
    assert file.read_bytes() == WHOLE
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("/cut", NotReachable, "broke off in the middle"),
        ("/cut?announced=yes", NotReachable, "broke off in the middle"),
        ("/refused", Refused, "Not yours"),
        ("/nowhere", NotReachable, "is not the operators' API"),
        ("/slow", NotReachable, "does not answer"),
    ],
)
async def test_a_download_that_fails_leaves_what_was_there(
    api: ApiClient, tmp_path: Path, path: str, error: type[KonstructError], words: str
) -> None:
    file = tmp_path / "acme.zip"
    file.write_bytes(b"an older one")
    with pytest.raises(error, match=words):
        await api.download(path, file, 0.5)
    assert file.read_bytes() == b"an older one"
    assert list(tmp_path.iterdir()) == [file]


async def test_a_folder_that_is_not_there_is_named(api: ApiClient, tmp_path: Path) -> None:
    with pytest.raises(KonstructError, match="nowhere/acme.zip cannot be written: No such file"):
        await api.download("/whole", tmp_path / "nowhere" / "acme.zip", 10)


async def test_a_call_is_given_the_time_that_it_needs(api: ApiClient) -> None:
    with pytest.raises(NotReachable, match="does not answer"):
        await api.ask("GET", "/slow", seconds=0.2)
    assert await api.ask("GET", "/slow", seconds=10) == {"slow": True}
