"""Open pages: a share of them for every site."""

from collections.abc import AsyncIterator
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from deployments.doors import web_stream
from deployments.doors.web_stream import WebStreams

ACME, GLOBEX = UUID(int=1), UUID(int=2)


class Silent:
    """A feed in which nothing is said."""

    async def since(self, *_: object) -> list[Any]:
        return []


async def test_one_sites_visitors_leave_room_for_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_stream, "MAX_STREAMS_PER_TENANT", 2)
    streams = WebStreams(cast("Any", Silent()))
    opened: list[AsyncIterator[bytes]] = []
    for _ in range(2):
        place = uuid4()
        assert streams.room(ACME, place)
        opened.append(streams.follow(ACME, place, 0))
        await anext(opened[-1])
    assert not streams.room(ACME, uuid4())
    assert streams.room(GLOBEX, uuid4())
    await cast("Any", opened[0]).aclose()
    assert streams.room(ACME, uuid4())
    await cast("Any", opened[1]).aclose()
