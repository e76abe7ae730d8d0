"""What a reply costs beside the model at low load, against what it cannot do without."""

import asyncio
import time
from typing import Any

import aiohttp
import asyncpg

from konstruct.database.pool import Database
from konstruct.embedding import encoder_for
from tests.bench import place
from tests.bench.asked import Asked
from tests.bench.figure import TIMES, Figure, ratio_at_most
from tests.bench.inbox import Inbox
from tests.bench.installed import Installed
from tests.bench.people import listening, question
from tests.bench.percentile import median
from tests.bench.signed_events import event_body
from tests.bench.slack import slack_for

SAMPLES = 50
FULL_WINDOW_TURNS = 12
PAUSE_SECONDS = 0.05
REPORT = f"http://127.0.0.1:{place.MODEL_PORT}/_stub/calls"


async def measure(asked: Asked, installed: Installed, inbox: Inbox) -> list[Figure]:
    """Replies and the bare steps, round after round; every reply recalls memories."""
    replies, steps = [], []
    installed.serve_echo(on=True)
    async with slack_for(place.WEBHOOK, place.SLACK_PORT) as slack, aiohttp.ClientSession() as session:
        bare = await _Bare.open(installed, session)
        async with listening(slack) as people:
            for number in range(FULL_WINDOW_TURNS):
                await people.ask(place.QUICK, "D0LOW", question(number))
            for _ in range(asked.rounds):
                await inbox.settled()
                await _model_seconds(session)
                seconds = []
                for number in range(int(asked.scaled(SAMPLES, 20))):
                    visible = await people.answered_at(place.QUICK, "D0LOW", question(number))
                    seconds.append(visible - slack.deliveries[-1].attempts[0].at)
                    await asyncio.sleep(PAUSE_SECONDS)
                replies.append(median(seconds) - await _model_seconds(session))
                steps.append(await bare.measure(int(asked.scaled(SAMPLES, 20))))
        await bare.close()
    installed.serve_echo(on=False)
    insert, embed, hop_in, hop_out = (1000 * median(step[n] for step in steps) for n in range(4))
    note = (
        f"2 inserts of {insert:.2f} ms, embedding {embed:.2f} ms, "
        f"hop in {hop_in:.2f} ms, hop out {hop_out:.2f} ms; the stub model's own time is not in it"
    )
    return [
        Figure("reply overhead at low load, p50", 1000 * median(replies), "ms",
               f"2 {TIMES} INSERT; COMMIT + 1 query embedding + 2 HTTP hops", 2 * insert + embed + hop_in + hop_out,
               ratio_at_most(2.5), note),
    ]  # fmt: skip


async def _model_seconds(session: aiohttp.ClientSession) -> float:
    async with session.get(REPORT) as answer:
        return float((await answer.json())["seconds"])


class _Bare:
    """The steps that no durable reply can do without, each as bare as it gets."""

    def __init__(self, installed: Installed, session: aiohttp.ClientSession, database: Database) -> None:
        self._url = f"{installed.url}/echo/"
        self._session = session
        self._database = database
        self._encoder = encoder_for("cpu", installed.layout.home)
        self._encoder.start()

    @classmethod
    async def open(cls, installed: Installed, session: aiohttp.ClientSession) -> "_Bare":
        """With a table to insert into and the product's own pool."""
        owner = await asyncpg.connect(installed.settings.database_url)
        await owner.execute("create table if not exists bench_rows (id bigint generated always as identity, body text)")
        await owner.execute("grant insert on bench_rows to konstruct_app")
        await owner.close()
        database = Database(installed.settings.database_url or "", 4)
        await database.start()
        return cls(installed, session, database)

    async def close(self) -> None:
        """Close the pool."""
        await self._database.stop()

    async def measure(self, times: int) -> tuple[float, float, float, float]:
        """Median seconds of insert, embedding, HTTP hop in and out."""
        body = event_body(place.QUICK, "D0LOW", question(1))
        return (
            await _timed(times, lambda: self._insert(body.decode())),
            await _timed(times, self._embed),
            await _timed(times, lambda: self._post(self._url, body)),
            await _timed(times, lambda: self._post(f"http://127.0.0.1:{place.SLACK_PORT}/api/auth.test", b"{}")),
        )

    async def _insert(self, body: str) -> None:
        async with self._database._connection(10) as connection:
            await connection.execute("insert into bench_rows (body) values ($1)", body)

    async def _embed(self) -> None:
        await asyncio.to_thread(self._encoder.encode, [question(1)])

    async def _post(self, url: str, body: bytes) -> None:
        async with self._session.post(url, data=body) as answer:
            await answer.read()


async def _timed(times: int, step: Any) -> float:
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        await step()
        taken.append(time.perf_counter() - begun)
        await asyncio.sleep(PAUSE_SECONDS / 5)
    return median(taken)
