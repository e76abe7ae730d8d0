"""Who goes first where processors are short."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from konstruct.priority import TELLING, calm

TWO_THREADS = "import sys, threading; threading.Thread(target=sys.stdin.read).start(); print(flush=True)"


@pytest.fixture
def other() -> Iterator[int]:
    """The pid of a process with two threads."""
    with subprocess.Popen(
        [sys.executable, "-c", TWO_THREADS], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout
        assert running.stdout.readline()
        yield running.pid
        running.communicate()


def nicenesses(pid: int) -> list[int]:
    return [os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in Path(f"/proc/{pid}/task").iterdir()]


def test_another_process_gives_way_with_all_of_its_threads(other: int) -> None:
    calm(other, TELLING)
    assert nicenesses(other) == [TELLING, TELLING]


def test_a_process_that_has_ended_is_no_error(other: int) -> None:
    calm(2**22 + 1, TELLING)
    assert nicenesses(other) == nicenesses(os.getpid())[:1] * 2
