"""`python -m tests.bench`: bring everything up, measure part by part, write the table, leave nothing running."""

import sys
import time
from contextlib import AsyncExitStack
from typing import Any

import uvloop

from tests.bench import (
    bench_ack,
    bench_crash,
    bench_idle,
    bench_overhead,
    bench_turns,
    bench_up,
    bench_warm,
    place,
    report,
)
from tests.bench.asked import Asked, read_arguments
from tests.bench.child import child
from tests.bench.figure import Figure
from tests.bench.inbox import watching
from tests.bench.installed import installation

TOGETHER: dict[str, Any] = {
    "idle": bench_idle.measure, "ack": bench_ack.measure, "overhead": bench_overhead.measure,
    "turns": bench_turns.measure, "warm": bench_warm.measure,
}  # fmt: skip


async def main(asked: Asked) -> int:
    """Answers the exit status: 1 where a goal is missed in an official run."""
    begun = time.monotonic()
    asked.home.mkdir(parents=True, exist_ok=True)
    figures: list[Figure] = []
    if "up" in asked.parts:
        figures += _show(await bench_up.measure(asked))
    async with child("stub_process", place.MODEL_PORT):
        together = [part for part in asked.parts if part in TOGETHER]
        if together:
            figures += await _together(asked, together)
        if "crash" in asked.parts:
            figures += _show(await bench_crash.measure(asked))
    report.write(asked, figures, time.monotonic() - begun)
    return int(any(figure.met is False for figure in figures) and asked.official)


async def _together(asked: Asked, parts: list[str]) -> list[Figure]:
    """The parts that share one installation."""
    figures: list[Figure] = []
    async with AsyncExitStack() as until:
        installed = await until.enter_async_context(installation(asked.home / "k"))
        inbox = await until.enter_async_context(watching(installed))
        for part in parts:
            print(f"… {part}", flush=True)
            figures += _show(await TOGETHER[part](asked, installed, inbox))
    return figures


def _show(figures: list[Figure]) -> list[Figure]:
    for figure in figures:
        print(figure, flush=True)
    return figures


if __name__ == "__main__":
    sys.exit(uvloop.run(main(read_arguments())))
