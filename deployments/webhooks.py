"""What all webhooks share: durable first (C1), then the answer, then the wake. Nothing unstored is acknowledged."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import orjson
import structlog
from starlette.types import Receive

from deployments.body import read
from konstruct.database import turns
from konstruct.database.pool import Database
from konstruct.errors import KonstructError, Orphaned, SignatureRejected, TooManyAtOnce, Unstorable
from konstruct.failpoints import Failpoint
from konstruct.group_commit import GroupCommit
from konstruct.messages import Heard, Inbound
from konstruct.metrics import Metrics

ACK_SECONDS = 2.3
BODY_SECONDS = 10.0
# Between two commits of concurrent requests, at most: a commit of eight costs hardly more than one of two.
BREATH_SECONDS = 0.003
ENOUGH = 8
# Of one tenant, messages on their way into the inbox; the provider delivers again what is refused.
TENANT_QUEUE = 600
# Since the last message: a message in a flood likely joins a turn that runs, and is not asked about on its own.
CALM_SECONDS = 0.005
MAX_BODY_BYTES = 8 * 1024 * 1024
MOST_ID_CHARACTERS = 64
MAX_KEPT_MALFORMED_BYTES = 64 * 1024

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What goes back to the provider."""

    status: int
    body: bytes = b""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


# A message of this tenant with this text is being made durable.
Foretell = Callable[[UUID, str], None]

# (headers with lower-case names, raw body) -> answer; raises KonstructError
Door = Callable[[Mapping[str, str], bytes], Awaitable[HttpAnswer]]

# The same before its body has come; raises ClientDisconnect only
Guarded = Callable[[Mapping[str, str], Receive], Awaitable[HttpAnswer]]

# (headers with lower-case names, query) -> answer, for a browser
Page = Callable[[Mapping[str, str], Mapping[str, str]], Awaitable[HttpAnswer]]


class Intake:
    """Makes messages durable; concurrent requests share a commit."""

    def __init__(
        self,
        database: Database,
        wake: Callable[[Sequence[Heard]], None],
        metrics: Metrics,
        failpoint: Failpoint,
        foretell: Foretell | None = None,
    ) -> None:
        """`wake` tells hosts about durable messages, `foretell` the embedder what comes; neither may block or raise."""
        self._database = database
        self._wake = wake
        self._foretell = foretell
        self.metrics = metrics
        self.failpoint = failpoint
        self._heard_at = -math.inf
        self._inbox: GroupCommit[Inbound, None] = GroupCommit(
            self._hear, breath=BREATH_SECONDS, enough=ENOUGH, share=lambda message: message.tenant
        )

    async def hear(self, *messages: Inbound) -> None:
        """C1: returns when all of them are durable; raises DatabaseUnavailable, TooManyAtOnce.

        What PostgreSQL will never take is kept as malformed: delivered again, it would be refused again.
        """
        for message in messages[:1]:
            if self._inbox.queued(message.tenant) >= TENANT_QUEUE:
                self.metrics.count("konstruct_limited_messages_total", "tenant", by=len(messages))
                raise TooManyAtOnce
        before, self._heard_at = self._heard_at, time.monotonic()
        if self._heard_at > before + CALM_SECONDS and len(messages) == 1 and self._inbox.idle:
            self._foresee(messages[0])
        request = structlog.contextvars.get_contextvars().get("request", "")
        for message, durable in [(message, self._inbox.add(replace(message, request=request))) for message in messages]:
            try:
                await durable
            except Unstorable as refused:
                await self.keep_unstorable(message.channel, refused, message)

    def _foresee(self, message: Inbound) -> None:
        """While there is time, what a turn will ask about is embedded beside C1 instead of after it."""
        if self._foretell and message.kind == "message" and not (message.only_known or message.attachments):
            self._foretell(message.tenant, message.text)

    async def keep_malformed(self, channel: str, reason: str, body: bytes) -> None:
        """Keep what was signed but cannot be read, for the operator."""
        await turns.record_malformed(self._database, channel, reason, body[:MAX_KEPT_MALFORMED_BYTES])
        log.warning("malformed event kept", channel=channel, reason=reason)

    async def keep_unstorable(self, channel: str, refused: Unstorable, what: object) -> None:
        """Keep what was read, and is refused by PostgreSQL; nothing of a tenant that is erased."""
        if isinstance(refused, Orphaned):
            log.warning("message of nobody dropped", channel=channel)
            return
        await self.keep_malformed(channel, str(refused), repr(what).encode("utf-8", "backslashreplace"))

    def guarded(
        self, channel: str, door: Door, ack_seconds: float = ACK_SECONDS, most_bytes: int = MAX_BODY_BYTES
    ) -> Guarded:
        """The door behind its body, with its deadlines, its refusals as HTTP answers, and its measure."""

        async def guarded(headers: Mapping[str, str], receive: Receive) -> HttpAnswer:
            # For every line in the log that this request's own task writes.
            structlog.contextvars.bind_contextvars(request=headers.get("x-request-id", "")[:MOST_ID_CHARACTERS])
            body = await _whole(headers, receive, most_bytes)
            if isinstance(body, HttpAnswer):
                log.warning("webhook not read", channel=channel, status=body.status)
                self.metrics.count("konstruct_webhooks_total", str(body.status))
                return body
            begun = time.perf_counter()
            answer = await self._answer(channel, door, headers, body, ack_seconds)
            self.metrics.count("konstruct_webhooks_total", str(answer.status))
            self.metrics.observe("konstruct_ack_seconds", time.perf_counter() - begun)
            return answer

        return guarded

    async def _answer(
        self, channel: str, door: Door, headers: Mapping[str, str], body: bytes, seconds: float
    ) -> HttpAnswer:
        try:
            async with asyncio.timeout(seconds):
                return await door(headers, body)
        except SignatureRejected as rejected:
            log.warning("webhook rejected", channel=channel, reason=str(rejected))
            return said(401, str(rejected))
        except (KonstructError, TimeoutError) as error:
            log.warning("webhook not stored", channel=channel, reason=str(error))
        except Exception:
            # A fault of ours: the provider delivers it again, to a version that can take it.
            log.exception("webhook not stored", channel=channel)
        return said(503, "The message could not be stored now; please deliver it again.")

    async def _hear(self, messages: list[Inbound]) -> list[None]:
        self.failpoint("before_c1")
        heard = await turns.hear(self._database, messages)
        self.failpoint("after_c1")
        self._wake([new for new in heard if new is not None])
        return [None] * len(messages)


async def _whole(headers: Mapping[str, str], receive: Receive, most_bytes: int) -> bytes | HttpAnswer:
    """The body, or why it is not read. Raises ClientDisconnect."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await read(headers, receive, most_bytes)
    except TimeoutError:
        return said(408, f"The body was not whole after {BODY_SECONDS:.0f} seconds.")
    return said(413, f"The body is over {most_bytes} bytes.") if body is None else body


def said(status: int, text: str) -> HttpAnswer:
    """An error in one sentence."""
    return HttpAnswer(status, orjson.dumps({"error": text}))
