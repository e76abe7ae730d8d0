"""Media downloads: the right bytes or none, and the token goes to nobody but Meta."""

import hashlib
from typing import Any

import pytest

from konstruct.channels.whatsapp.files import check_host
from konstruct.errors import ChannelBusy, ChannelRefused
from konstruct.messages import Attachment
from tests.unit.graph import NUMBER, TOKEN, error, graph

FILE = b"file"
SHA = hashlib.sha256(FILE).hexdigest()


def photo(**more: Any) -> Attachment:
    return Attachment(**{"kind": "image", "name": "photo", "media_type": "image/jpeg", "reference": "1003"} | more)


async def test_a_file_is_located_for_this_number_and_fetched_with_the_token() -> None:
    async with graph() as (server, channel):
        server.media = {"file_size": "4", "sha256": SHA}
        assert await channel.fetch(photo(sha256=SHA, size=4), limit=100) == FILE
    assert server.asked == [{"phone_number_id": NUMBER}]
    assert server.headers[0]["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("announced", "located", "why"),
    [
        ({"size": 101}, {}, "larger"),
        ({}, {"file_size": 101}, "larger"),
        ({"sha256": "0" * 64}, {}, "checksum"),
        ({}, {"sha256": "0" * 64}, "checksum"),
        ({"size": 5}, {}, "announced"),
        ({}, {"file_size": 3}, "announced"),
        ({"reference": ""}, {}, "media id"),
        ({"reference": "../me"}, {}, "media id"),
        ({}, {"url": "https://evil.example/file"}, "none of Meta's"),
        ({}, {"url": ""}, "none of Meta's"),
        ({}, {"url": 5}, "none of Meta's"),
    ],
)
async def test_a_file_that_is_too_large_other_than_announced_or_elsewhere_is_refused(
    announced: dict[str, Any], located: dict[str, Any], why: str
) -> None:
    async with graph() as (server, channel):
        server.media = located
        with pytest.raises(ChannelRefused, match=why):
            await channel.fetch(photo(**announced), limit=100)


async def test_a_file_that_grows_beyond_the_limit_is_not_read_to_its_end() -> None:
    async with graph() as (server, channel):
        server.file = b"x" * 1_000_000
        with pytest.raises(ChannelRefused, match="larger than the 100 bytes"):
            await channel.fetch(photo(), limit=100)


async def test_a_redirect_is_not_followed() -> None:
    async with graph() as (server, channel):
        server.redirect = f"{server.url}elsewhere"
        with pytest.raises(ChannelRefused, match="302"):
            await channel.fetch(photo(), limit=100)
    assert len(server.headers) == 1


async def test_a_file_that_is_gone_is_refused_and_an_overloaded_meta_asked_again() -> None:
    async with graph() as (server, channel):
        server.answers = [error(100, 400, "does not exist"), error(131000, 500)]
        with pytest.raises(ChannelRefused, match="does not exist"):
            await channel.fetch(photo(), limit=100)
        with pytest.raises(ChannelBusy):
            await channel.fetch(photo(), limit=100)


API = "https://graph.facebook.com/v25.0/"


@pytest.mark.parametrize(
    "url",
    [
        "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1",
        "https://mmg.whatsapp.net/v/x",
        "https://graph.facebook.com/x",
        "https://scontent.xx.fbcdn.net:443/x",
    ],
)
def test_metas_own_hosts_are_asked(url: str) -> None:
    check_host(url, API, "photo")


@pytest.mark.parametrize(
    "url",
    [
        "http://lookaside.fbsbx.com/x", "https://fbsbx.com.evil.example/x", "https://evilfbsbx.com/x",
        "https://lookaside.fbsbx.com:8443/x", "https://lookaside.fbsbx.com@evil.example/", "https://169.254.169.254/",
        "https://me:pass@lookaside.fbsbx.com/x", "file:///etc/passwd", "//fbsbx.com/x", "https://[::1", "",
        "http://graph.facebook.com/x", "https://graph.facebook.com:444/x",
    ],
)  # fmt: skip
def test_nobody_else_is(url: str) -> None:
    with pytest.raises(ChannelRefused):
        check_host(url, API, "photo")


def test_a_simulator_may_serve_its_own_files() -> None:
    check_host("http://127.0.0.1:8080/media/1", "http://127.0.0.1:8080/v25.0/", "photo")
    with pytest.raises(ChannelRefused):
        check_host("http://127.0.0.1:8081/media/1", "http://127.0.0.1:8080/v25.0/", "photo")
