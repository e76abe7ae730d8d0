"""Slack's door: verify, parse, store, answer."""

import time
from collections.abc import Mapping

import orjson
import structlog

from deployments.webhooks import HttpAnswer, Intake
from konstruct.channels import slack
from konstruct.database.tenants import ChannelRow
from konstruct.directory import Directory
from konstruct.identity import conversation_id, shard_of
from konstruct.messages import Inbound

log = structlog.get_logger()


class SlackDoor:
    """Takes Slack's signed requests."""

    def __init__(self, intake: Intake, directory: Directory) -> None:
        """Nothing is opened here."""
        self._intake = intake
        self._directory = directory

    async def events(self, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """One Events API callback: 200 only when stored or nothing to store. Raises KonstructError."""
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
                await self._intake.keep_malformed("slack", event.reason, body)
            case slack.Ignored():
                log.debug("event ignored", channel="slack", reason=event.reason)
            case slack.Message() if candidates.own is None:
                log.warning("unknown team", channel="slack", team=event.team, app=event.app)
            case slack.Message() if event.user == candidates.own.account:
                log.debug("event ignored", channel="slack", reason="the employee's own message")
            case slack.Message():
                await self._intake.hear(_inbound(event, candidates.own))
        return HttpAnswer(200)


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
