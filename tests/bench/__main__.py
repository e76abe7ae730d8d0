"""`python -m tests.bench`: bring everything up, measure part by part, write the table, leave nothing running."""

import sys
import time
import traceback
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import Any

import uvloop

from tests.bench import (
    bench_ack,
    bench_audit,
    bench_budget,
    bench_crash,
    bench_flood,
    bench_idle,
    bench_overhead,
    bench_parse,
    bench_rls,
    bench_turns,
    bench_up,
    bench_warm,
    place,
    report,
)
from tests.bench.asked import Asked, read_arguments
from tests.bench.child import child, end_well
from tests.bench.figure import Figure
from tests.bench.inbox import watching
from tests.bench.installed import installation

TOGETHER: dict[str, Any] = {
    "idle": bench_idle.measure, "ack": bench_ack.measure, "overhead": bench_overhead.measure,
    "turns": bench_turns.measure, "audit": bench_audit.measure,
    "budget": bench_budget.measure, "flood": bench_flood.measure, "warm": bench_warm.measure,
}  # fmt: skip


async def main(asked: Asked) -> int:
    """Answers the exit status: 1 where a part failed, or a goal is missed in an official run."""
    end_well()
    begun = time.monotonic()
    asked.home.mkdir(parents=True, exist_ok=True)
    results = Results()
    if "parse" in asked.parts:
        await results.gather("parse", bench_parse.measure(asked))
    if "rls" in asked.parts:
        await results.gather("rls", bench_rls.measure(asked))
    async with child("stub_process", place.MODEL_PORT):
        if "up" in asked.parts:
            await results.gather("up", bench_up.measure(asked))
        together = [part for part in asked.parts if part in TOGETHER]
        if together:
            await _together(asked, together, results)
        if "crash" in asked.parts:
            await results.gather("crash", bench_crash.measure(asked))
    report.write(asked, results.figures, time.monotonic() - begun)
    missed = any(figure.met is False for figure in results.figures)
    return int(bool(results.failed) or (missed and asked.official))


async def _together(asked: Asked, parts: list[str], results: "Results") -> None:
    """The parts that share one installation."""
    async with AsyncExitStack() as until:
        installed = await until.enter_async_context(installation(asked.home / "k"))
        inbox = await until.enter_async_context(watching(installed))
        for part in parts:
            await results.gather(part, TOGETHER[part](asked, installed, inbox))


class Results:
    """Figures so far; a part that fails costs its own figures only."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.figures: list[Figure] = []
        self.failed: list[str] = []

    async def gather(self, part: str, measuring: Awaitable[list[Figure]]) -> None:
        """Wait for a part's figures and show them."""
        print(f"… {part}", flush=True)
        try:
            found = await measuring
        except Exception:  # noqa: BLE001 - the other parts took long and are still good
            traceback.print_exc()
            self.failed.append(part)
            return
        for figure in found:
            print(f"  {figure}", flush=True)
        self.figures += found


if __name__ == "__main__":
    sys.exit(uvloop.run(main(read_arguments())))
