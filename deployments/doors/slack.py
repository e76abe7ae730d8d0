"""Slack's door: verify, parse, store, answer."""

import time
from collections.abc import Mapping

import orjson
import structlog

from deployments.doors.slack_inbound import inbound
from deployments.webhooks import HttpAnswer, Intake
from konstruct.channels import slack
from konstruct.database.tenants import ChannelRow
from konstruct.directory import Candidates, Directory

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
        candidates = await self._candidates(event.source)
        slack.verify(
            body,
            headers.get("x-slack-request-timestamp"),
            headers.get("x-slack-signature"),
            candidates.secrets,
            time.time(),
        )
        if isinstance(event, slack.Challenge):
            return HttpAnswer(200, orjson.dumps({"challenge": event.challenge}))
        await self.take(event, candidates.own, body)
        return HttpAnswer(200)

    async def take(self, event: slack.Event, channel: ChannelRow | None, body: bytes) -> None:
        """What Slack vouches for, of the installation `channel`: when this returns, it is durable or needs not be."""
        match event:
            case slack.Unreadable():
                await self._intake.keep_malformed("slack", event.reason, body)
            case slack.Ignored():
                log.debug("event ignored", channel="slack", reason=event.reason)
            case _ if channel is None:
                log.warning("unknown team", channel="slack", team=event.source.team, app=event.source.app)
            case slack.Message() if event.user == channel.account:
                log.debug("event ignored", channel="slack", reason="the employee's own message")
            case slack.Message():
                await self._hear(event, channel)
            case _:
                log.debug("event ignored", channel="slack", reason=f"nothing is done for {type(event).__name__} yet")

    async def _hear(self, event: slack.Message, channel: ChannelRow) -> None:
        message = inbound(event, channel)
        if message is None:
            log.debug("event ignored", channel="slack", reason="said in a channel, not to the employee")
        elif message.kind != "message" or message.only_known or not message.text:
            log.debug("event ignored", channel="slack", reason=f"conversations do not take {message.kind} yet")
        else:
            await self._intake.hear(message)

    async def _candidates(self, source: slack.Source) -> Candidates:
        found = await self._directory.find("slack", source.app, source.enterprise or source.team)
        if found.own is None and source.enterprise and source.team:
            # An app of the whole organisation, but entered for one of its workspaces.
            return await self._directory.find("slack", source.app, source.team)
        return found
