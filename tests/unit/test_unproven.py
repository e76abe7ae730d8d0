"""Secrets tried on a stranger's body: within bounds, one request at a time, and beside everything else."""

import asyncio
import threading
import time
from collections.abc import Iterable, Sequence

import pytest

from deployments.doors import unproven
from deployments.doors.unproven import Unproven
from konstruct.channels.slack import verify
from konstruct.errors import SignatureRejected

SECRETS = [f"secret-{number}" for number in range(100)]


async def test_a_large_body_is_tried_with_no_more_secrets_than_there_is_time_for() -> None:
    tried: list[int] = []

    def check(secrets: Sequence[str]) -> None:
        tried.append(len(secrets))

    most = unproven.HASHED_BYTES // len(SECRETS)
    for size in (100, 3 * 1024 * 1024, most - unproven.SECRET_BYTES, 2 * most):
        await Unproven().check(bytes(size), SECRETS, check)
    assert tried == [100, 100, 100, 49]


async def test_while_secrets_are_tried_on_a_strangers_body_others_are_served() -> None:
    body, stamp = bytes(4 * 1024 * 1024), str(int(time.time()))

    def check(secrets: Sequence[str]) -> None:
        verify(body, stamp, "v0=" + "0" * 64, secrets, time.time())

    trial = asyncio.create_task(Unproven().check(body, SECRETS, check))
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
