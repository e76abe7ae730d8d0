"""What processes use: CPU seconds and memory, over all processes of an installation."""

import time
from collections.abc import Callable, Iterable, Sequence

import psutil

from tests.bench.installed import Installed


def cpu_seconds(processes: Iterable[psutil.Process]) -> dict[int, float]:
    """Process id -> user and system time so far, its ended children's included."""
    found = {}
    for process in processes:
        try:
            found[process.pid] = sum(process.cpu_times()[:4])
        except psutil.Error:
            continue
    return found


def spent(before: dict[int, float], after: dict[int, float]) -> float:
    """CPU seconds between two looks; a process that is new spent all of its time in between."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())


def proportional_bytes(processes: Iterable[psutil.Process]) -> int:
    """PSS: shared pages count once, divided among who shares them."""
    total = 0
    for process in processes:
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total


class Meter:
    """CPU of an installation between `start` and `stop`."""

    def __init__(self, look: Callable[[], Sequence[psutil.Process]]) -> None:
        """`look`: finds the processes, anew each time."""
        self._look = look

    def start(self) -> None:
        """From now on."""
        self._begun = time.perf_counter()
        self._before = cpu_seconds(self._look())

    def stop(self) -> tuple[float, float]:
        """(CPU seconds, seconds)."""
        seconds = time.perf_counter() - self._begun
        return spent(self._before, cpu_seconds(self._look())), seconds


def meter(installed: Installed) -> Meter:
    """For a whole installation."""
    return Meter(installed.processes)
