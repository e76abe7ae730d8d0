"""How long `konstruct up` takes when all is installed: to the first webhook, to the model's first answer."""

import asyncio
import json
import time
from pathlib import Path

from konstruct.prompt import APOLOGY
from simulator import App, SlackSimulator
from tests.bench import place
from tests.bench.asked import Asked
from tests.bench.figure import Figure, at_most
from tests.bench.installed import environment, konstruct
from tests.bench.percentile import median
from tests.readiness import until_ready

URL = f"http://127.0.0.1:{place.UP_HTTP_PORT}"


async def measure(asked: Asked) -> list[Figure]:
    """Once to prepare model files where there are none, then timed starts."""
    home = asked.home / "up"
    given = environment(
        home,
        place.UP_HTTP_PORT,
        place.UP_DASHBOARD_PORT,
        SLACK_API_URL=f"http://127.0.0.1:{place.UP_SLACK_PORT}/api/",
    )
    webhooks, answers = [], []
    await konstruct("down", given)
    try:
        if not (home / "models").exists():
            await konstruct("up", given)
            await konstruct("down", given)
        for _ in range(1 if asked.quick else min(3, asked.rounds)):
            accepted, answered = await _timed(home, given)
            webhooks.append(accepted)
            answers.append(answered)
            await konstruct("down", given)
    finally:
        await konstruct("down", given)
    return [
        Figure("`up` to ready for webhooks, everything installed", median(webhooks), "s", goal=at_most(60)),
        Figure("`up` to the model's first answer", median(answers), "s", goal=at_most(180)),
    ]


async def _timed(home: Path, given: dict[str, str]) -> tuple[float, float]:
    """Somebody writes as soon as the webhook answers, long before the model is there, and waits."""
    begun = time.perf_counter()
    starting = asyncio.create_task(konstruct("up", given))
    await until_ready(URL, 300)
    accepted = time.perf_counter() - begun
    demo = json.loads((home / "secrets" / "demo.json").read_text())
    acme = App(bot_token=demo["bot_token"], signing_secret=demo["signing_secret"])
    async with SlackSimulator([acme], port=place.UP_SLACK_PORT, webhook=f"{URL}/slack/events") as slack:
        # Of its own: what an earlier run that was ended left to be said must not pass for the answer.
        where = f"D0{time.time_ns()}"
        await slack.say("What is the capital of France?", channel=where)
        entry = await slack.expect(lambda e: e.by_app and e.kind == "message" and e.channel == where, seconds=300)
        if entry.text == APOLOGY:
            raise AssertionError("Who wrote before the model was up got an apology.")
        answered = time.perf_counter() - begun
        await starting
    return accepted, answered
