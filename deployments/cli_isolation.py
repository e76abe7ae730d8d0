"""`konstruct isolation-check`: proves on the live system that no tenant sees another's."""

import asyncio
import json as encoder
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from deployments import known


def isolation_check(*, json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Open everything of one tenant as another and as nobody; fails with a sentence per hole."""
    from deployments.isolation.check import check, record, show  # noqa: PLC0415 - loaded by this command only
    from deployments.isolation.trial import holes  # noqa: PLC0415

    environment = known.environment()
    trials = check(environment)
    asyncio.run(record(environment, trials))
    console = Console(highlight=False, soft_wrap=json)
    if json:
        console.print_json(encoder.dumps([asdict(trial) for trial in trials]))
        raise typer.Exit(1 if holes(trials) else 0)
    raise typer.Exit(0 if show(trials, console) else 1)
