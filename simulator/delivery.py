"""Sends events to the app's webhook, and again on Slack's schedule until it accepts them."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import aiohttp

from simulator.app import App
from simulator.event import signed

RETRY_AFTER_SECONDS = (
    0.0,
    60.0,
    300.0,
)  # Slack tries four times in all: at once, +1 min, +5 min after the first
ACK_DEADLINE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One POST. `status` None means that no answer came; then `reason` is Slack's word for why."""

    at: float
    seconds: float
    status: int | None
    reason: str


@dataclass(slots=True)
class Delivery:
    """One event on its way. `acknowledged` once the webhook has answered any attempt with 2xx."""

    event_id: str
    team: str
    channel: str
    ts: str
    attempts: list[Attempt] = field(default_factory=list)
    acknowledged: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return plain fields."""
        return asdict(self)


class Courier:
    """Owns the HTTP client towards one webhook and the retries that are still to come."""

    def __init__(self, webhook: str | None, retry_seconds: Sequence[float], deadline: float) -> None:
        """`retry_seconds`: the wait before each retry; `deadline`: seconds the webhook has to answer."""
        self.webhook = webhook
        self.deliveries: list[Delivery] = []
        self._retry_seconds = tuple(retry_seconds)
        self._deadline = deadline
        self._session: aiohttp.ClientSession | None = None
        self._retries: set[asyncio.Task[None]] = set()

    async def stop(self) -> None:
        """Give up the retries and close the client."""
        for task in self._retries:
            task.cancel()
        await asyncio.gather(*self._retries, return_exceptions=True)
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def deliver(self, app: App, delivery: Delivery, body: bytes) -> Attempt:
        """Make the first attempt and return it; retries, where needed, follow in the background."""
        self.deliveries.append(delivery)
        first, again = await self._attempt(app, delivery, body)
        if again and self._retry_seconds and self._session is not None:
            task = asyncio.create_task(self._retry(app, delivery, body, first.reason))
            self._retries.add(task)
            task.add_done_callback(self._retries.discard)
        return first

    async def _retry(self, app: App, delivery: Delivery, body: bytes, reason: str) -> None:
        for number, seconds in enumerate(self._retry_seconds, start=1):
            await asyncio.sleep(seconds)
            attempt, again = await self._attempt(app, delivery, body, number, reason)
            if not again:
                return
            reason = attempt.reason

    async def _attempt(
        self, app: App, delivery: Delivery, body: bytes, retry: int = 0, reason: str = ""
    ) -> tuple[Attempt, bool]:
        """POST once; return the attempt and whether Slack would try again."""
        began, status, no_retry, why = time.time(), None, False, ""
        try:
            headers = signed(app, body, retry=retry, reason=reason)
            async with self._client().post(
                self.webhook or "", data=body, headers=headers, allow_redirects=False
            ) as answer:
                status = answer.status
                no_retry = answer.headers.get("X-Slack-No-Retry") == "1"
                why = "" if 200 <= status < 300 else "http_error"
        except TimeoutError:
            why = "http_timeout"
        except (aiohttp.ClientError, OSError):
            why = "connection_failed"
        attempt = Attempt(began, time.time() - began, status, why)
        delivery.attempts.append(attempt)
        delivery.acknowledged = delivery.acknowledged or not why
        return attempt, bool(why) and not no_retry

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=self._deadline)
            )
        return self._session
