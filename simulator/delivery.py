"""Sends events to a webhook, and again on the vendor's schedule until it accepts them."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import aiohttp

# The headers of one attempt: `retry` is its number after the first, `reason` why the one before failed.
Headers = Callable[[int, str], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One POST. `status` None means that no answer came; then `reason` says why."""

    at: float
    seconds: float
    status: int | None
    reason: str
    answer: str = ""


@dataclass(slots=True)
class Delivery:
    """One event on its way. `acknowledged` once the webhook has accepted any attempt."""

    event_id: str
    team: str
    channel: str
    ts: str
    attempts: list[Attempt] = field(default_factory=list)
    acknowledged: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return plain fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Said:
    """What was sent. `status`: the webhook's first answer, None with `reason` if none came; `answer`: its body."""

    team: str
    channel: str
    ts: str
    event_id: str
    status: int | None
    reason: str
    answer: str = ""


def said(delivery: Delivery, attempt: Attempt) -> Said:
    """Return what became of the first attempt."""
    place = (delivery.team, delivery.channel, delivery.ts, delivery.event_id)
    return Said(*place, attempt.status, attempt.reason, attempt.answer)


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is sent: the body as it is signed, and how each attempt's headers are made. `url` None: the webhook."""

    delivery: Delivery
    body: bytes
    headers: Headers
    url: str | None = None
    retries: bool = True


class Courier:
    """Owns the HTTP client towards webhooks and the retries that are still to come."""

    def __init__(
        self,
        webhook: str | None,
        retry_seconds: Sequence[float],
        deadline: float,
        *,
        accepted: Callable[[int], bool] = lambda status: 200 <= status < 300,
        stop_header: str | None = None,
    ) -> None:
        """`retry_seconds`: the wait before each retry; `deadline`: seconds the webhook has to answer.

        An answer whose `stop_header` is "1" is not followed by a retry.
        """
        self.webhook = webhook
        self.deliveries: list[Delivery] = []
        self._retry_seconds = tuple(retry_seconds)
        self._deadline = deadline
        self._accepted = accepted
        self._stop_header = stop_header
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

    async def ask(self, url: str) -> tuple[int | None, str]:
        """GET a URL once; return status and body, None where no answer came."""
        try:
            async with self._client().get(url, allow_redirects=False) as answer:
                return answer.status, await answer.text(errors="replace")
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            return None, str(error)

    async def deliver(self, parcel: Parcel) -> Attempt:
        """Make the first attempt and return it; retries, where needed, follow in the background."""
        self.deliveries.append(parcel.delivery)
        if not (parcel.url or self.webhook):
            return Attempt(time.time(), 0.0, None, "connection_failed")
        first, again = await self._attempt(parcel)
        if again and parcel.retries and self._retry_seconds and self._session is not None:
            task = asyncio.create_task(self._retry(parcel, first.reason))
            self._retries.add(task)
            task.add_done_callback(self._retries.discard)
        return first

    async def _retry(self, parcel: Parcel, reason: str) -> None:
        for number, seconds in enumerate(self._retry_seconds, start=1):
            await asyncio.sleep(seconds)
            attempt, again = await self._attempt(parcel, number, reason)
            if not again:
                return
            reason = attempt.reason

    async def _attempt(self, parcel: Parcel, retry: int = 0, reason: str = "") -> tuple[Attempt, bool]:
        """POST once; return the attempt and whether the vendor would try again."""
        began, status, stop, why, text = time.time(), None, False, "", ""
        url, headers = parcel.url or self.webhook or "", parcel.headers(retry, reason)
        try:
            async with self._client().post(url, data=parcel.body, headers=headers, allow_redirects=False) as answer:
                status, text = answer.status, await answer.text(errors="replace")
                stop = self._stop_header is not None and answer.headers.get(self._stop_header) == "1"
                why = "" if self._accepted(status) else "http_error"
        except TimeoutError:
            status, why = None, "http_timeout"
        except (aiohttp.ClientError, OSError):
            status, why = None, "connection_failed"
        attempt = Attempt(began, time.time() - began, status, why, text)
        parcel.delivery.attempts.append(attempt)
        parcel.delivery.acknowledged = parcel.delivery.acknowledged or not why
        return attempt, bool(why) and not stop

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=self._deadline)
            )
        return self._session
