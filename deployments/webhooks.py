"""Slack's webhooks: verify, make durable (C1), answer, wake. Nothing is acknowledged that is not stored."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import orjson
import structlog

from konstruct.channels import slack
from konstruct.database import turns
from konstruct.database.pool import Database
from konstruct.database.tenants import ChannelRow
from konstruct.directory import Directory
from konstruct.errors import KonstructError, SignatureRejected
from konstruct.failpoints import Failpoint
from konstruct.group_commit import GroupCommit
from konstruct.identity import conversation_id, shard_of
from konstruct.messages import Heard, Inbound
from konstruct.metrics import Metrics

ACK_SECONDS = 2.3
MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_KEPT_MALFORMED_BYTES = 64 * 1024

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What goes back to the provider."""

    status: int
    body: bytes = b""
    media_type: str = "application/json"


class Webhooks:
    """Takes signed requests; concurrent ones share a commit."""

    def __init__(
        self, database: Database, directory: Directory, wake: Callable[[Sequence[Heard]], None], metrics: Metrics,
        failpoint: Failpoint,
    ) -> None:  # fmt: skip
        """`wake` tells hosts about durable messages; it must not block or raise."""
        self._database = database
        self._directory = directory
        self._wake = wake
        self._metrics = metrics
        self._failpoint = failpoint
        self._inbox: GroupCommit[Inbound, None] = GroupCommit(self._hear)

    async def slack_events(self, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """One Events API callback: 200 only when stored or nothing to store; else 401 or 503."""
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(ACK_SECONDS):
                answer = await self._slack_event(headers, body)
        except SignatureRejected as rejected:
            log.warning("webhook rejected", channel="slack", reason=str(rejected))
            answer = _said(401, str(rejected))
        except (KonstructError, TimeoutError) as error:
            log.warning("webhook not stored", channel="slack", reason=str(error))
            answer = _said(503, "The message could not be stored now; please deliver it again.")
        self._metrics.count("konstruct_webhooks_total", str(answer.status))
        self._metrics.observe("konstruct_ack_seconds", time.perf_counter() - begun)
        return answer

    async def _slack_event(self, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        event = slack.parse(body)
        candidates = await self._directory.find("slack", event.app, event.team)
        slack.verify(
            body,
            headers.get("x-slack-request-timestamp"),
            headers.get("x-slack-signature"),
            candidates.secrets,
            time.time(),
        )
        match event:
            case slack.Challenge():
                return HttpAnswer(200, orjson.dumps({"challenge": event.challenge}))
            case slack.Unreadable():
                await turns.record_malformed(self._database, "slack", event.reason, body[:MAX_KEPT_MALFORMED_BYTES])
                log.warning("malformed event kept", channel="slack", reason=event.reason)
            case slack.Ignored():
                log.debug("event ignored", channel="slack", reason=event.reason)
            case slack.Message() if candidates.own is None:
                log.warning("unknown team", channel="slack", team=event.team, app=event.app)
            case slack.Message() if event.user == candidates.own.account:
                log.debug("event ignored", channel="slack", reason="the employee's own message")
            case slack.Message():
                await self._inbox.add(_inbound(event, candidates.own))
        return HttpAnswer(200)

    async def _hear(self, messages: list[Inbound]) -> list[None]:
        self._failpoint("before_c1")
        heard = await turns.hear(self._database, messages)
        self._failpoint("after_c1")
        self._wake([new for new in heard if new is not None])
        return [None] * len(messages)


def _inbound(event: slack.Message, channel: ChannelRow) -> Inbound:
    place = f"{event.address.team}:{event.address.channel}:{event.address.thread or ''}"
    conversation = conversation_id(channel.tenant, "slack", place)
    return Inbound(
        tenant=channel.tenant,
        channel="slack",
        # Slack announces one mention twice, as `message` and as `app_mention`; the message itself is one.
        event=f"{event.address.channel}:{event.ts}",
        conversation=conversation,
        shard=shard_of(conversation),
        address=event.address,
        contact=event.user,
        text=slack.unescape(event.text.replace(f"<@{channel.account}>", "").strip() or event.text),
        source_id=event.ts,
    )


def _said(status: int, text: str) -> HttpAnswer:
    return HttpAnswer(status, orjson.dumps({"error": text}))
