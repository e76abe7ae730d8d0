"""Secrets tried on a stranger's body: one request at a time, as long as it waits, and beside all else."""

import asyncio
import hashlib
import hmac
import threading
import time
from collections.abc import Iterable
from functools import partial
from uuid import UUID

import pytest

from deployments.doors.unproven import Unproven
from konstruct.channels import slack, whatsapp
from konstruct.database.tenants import ChannelRow
from konstruct.directory import Directory
from konstruct.errors import SignatureRejected

SECRETS = [f"secret-{number}" for number in range(100)]


def signed(body: bytes, secret: str) -> bytes:
    return b"sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()


@pytest.mark.parametrize("size", [100, 3 * 1024 * 1024])
async def test_a_right_signature_is_found_however_many_secrets_there_are(size: int) -> None:
    body, secrets = bytes(size), [f"secret-{number}" for number in range(200)]
    for last, rest in (("secret-199", secrets), ("nobodys", [*secrets, "nobodys"])):
        verify = partial(whatsapp.verify, body, signed(body, last))
        assert await Unproven().check(body, rest, verify) == last
    with pytest.raises(SignatureRejected):
        await Unproven().check(body, secrets, partial(whatsapp.verify, body, signed(body, "nobodys")))


async def test_no_more_secrets_are_tried_for_whoever_has_given_up() -> None:
    tried: list[str] = []

    def slow(secrets: Iterable[str]) -> None:
        for secret in secrets:
            tried.append(secret)
            time.sleep(0.02)

    line = Unproven()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await line.check(bytes(1024 * 1024), SECRETS, slow)
    # The next in line does not wait for what is left.
    async with asyncio.timeout(1):
        await line.check(bytes(1024 * 1024), SECRETS[:1], slow)
    assert 1 < len(tried) < 50


async def test_what_there_was_no_time_to_try_may_come_first_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [ChannelRow(UUID(int=n), "whatsapp", "", f"{n}", UUID(int=n), "", {"app_secret": s})
            for n, s in enumerate(SECRETS)]  # fmt: skip

    async def found(*_: object) -> list[ChannelRow]:
        return rows

    monkeypatch.setattr("konstruct.directory.find_channels", found)
    directory = Directory(None, None)  # type: ignore[arg-type] - what reads them is replaced
    orders = [(await directory.find("whatsapp", "", "", anew=True)).secrets for _ in range(5)]
    assert {tuple(sorted(order)) for order in orders} == {tuple(sorted(SECRETS))}
    assert len({order[0] for order in orders}) > 1


async def test_while_secrets_are_tried_on_a_strangers_body_others_are_served() -> None:
    body = bytes(4 * 1024 * 1024)
    verify = partial(slack.verify, body, slack.check_form("1793000000", "v0=" + "0" * 64, 1793000000.0))
    trial = asyncio.create_task(Unproven().check(body, SECRETS, verify))
    served = 0
    while not trial.done():
        await asyncio.sleep(0.001)
        served += 1
    assert served > 20
    with pytest.raises(SignatureRejected):
        await trial


class Busy:
    """Takes a moment for each request, and notes how many it was busy with at once."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0
        self.begun = 0

    def __call__(self, _secrets: Iterable[str]) -> None:
        with self._lock:
            self.begun += 1
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(self._seconds)
        with self._lock:
            self._now -= 1


async def test_strangers_wait_for_each_other() -> None:
    busy, line = Busy(0.01), Unproven()
    await asyncio.gather(*(line.check(bytes(1024 * 1024), SECRETS, busy) for _ in range(5)))
    assert (busy.begun, busy.most) == (5, 1)


async def test_strangers_wait_also_for_the_work_of_whoever_has_given_up() -> None:
    busy, line = Busy(0.1), Unproven()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await line.check(bytes(1024 * 1024), SECRETS, busy)
    await line.check(bytes(1024 * 1024), SECRETS, busy)
    assert busy.most == 1
    # Who gave up while waiting is not worked for any more.
    assert busy.begun == 2
