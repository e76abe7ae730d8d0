"""Slack's door: verify, parse, store, answer."""

import json
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson
import structlog

from deployments.doors.slack_buttons import SlackButtons
from deployments.doors.slack_commands import SlackCommands, whispered
from deployments.doors.slack_inbound import inbound, moved, reacted
from deployments.doors.slack_reach import SlackReach
from deployments.doors.unproven import BIG_BYTES, Unproven
from deployments.webhooks import HttpAnswer, Intake
from konstruct.channels import slack
from konstruct.database import installs, places
from konstruct.database.pool import Database
from konstruct.database.tenants import ChannelRow
from konstruct.directory import Candidates, Directory
from konstruct.settings import Settings
from konstruct.vault import Vault

NOBODY = slack.Source("", "")
CHECK_BYTES = 2048

log = structlog.get_logger()


class SlackDoor:
    """Takes Slack's signed requests."""

    def __init__(
        self, intake: Intake, directory: Directory, database: Database, reach: SlackReach, settings: Settings,
        *, vault: Vault,
    ) -> None:  # fmt: skip
        """Nothing is opened here."""
        self._intake = intake
        self._directory = directory
        self._database = database
        self._reach = reach
        self._settings = settings
        self._unproven = Unproven()
        self._buttons = SlackButtons(intake, database, reach)
        self._commands = SlackCommands(intake, database, vault)

    async def events(self, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """One Events API callback: 200 only when stored or nothing to store. Raises KonstructError."""
        signature = await self._admit(headers, body)
        event = slack.parse(body)
        channel = await self._verified(event.source, signature, body)
        if isinstance(event, slack.Challenge):
            return HttpAnswer(200, orjson.dumps({"challenge": event.challenge}))
        await self.take(event, channel, body)
        return HttpAnswer(200)

    async def interactivity(self, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """A person pressed something. Raises KonstructError."""
        signature = await self._admit(headers, body)
        event = slack.interaction(body)
        channel = await self._verified(event.source, signature, body)
        await self.take(event, channel, body)
        return HttpAnswer(200)

    async def commands(self, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """A person typed /konstruct. Raises KonstructError."""
        # Slack's look at the URL is not signed.
        if len(body) <= CHECK_BYTES and isinstance(slack.command(body), slack.Checked):
            return HttpAnswer(200)
        signature = await self._admit(headers, body)
        event = slack.command(body)
        if isinstance(event, slack.Checked):
            return HttpAnswer(200)
        channel = await self._verified(event.source, signature, body)
        return await self._commanded(event, channel, body)

    async def enveloped(self, app: str, kind: str, payload: Any) -> dict[str, Any] | None:
        """An envelope that came through the app's own connection; answers what to acknowledge it with.

        Raises KonstructError: then it must not be acknowledged.
        """
        content = payload if isinstance(payload, dict) else {}
        body = _written(content)
        if kind == "slash_commands":
            return await self._typed(app, content, body)
        if kind not in ("events_api", "interactive"):
            return None
        event = slack.read(content) if kind == "events_api" else slack.interacted(content)
        if _belongs(app, event.source):
            await self.take(event, await self._installed(event.source), body)
        return None

    async def _typed(self, app: str, content: dict[str, Any], body: bytes) -> dict[str, Any] | None:
        event = slack.commanded(content)
        if isinstance(event, slack.Checked) or not _belongs(app, event.source):
            return None
        answer = await self._commanded(event, await self._installed(event.source), body)
        shown: dict[str, Any] | None = orjson.loads(answer.body) if answer.body else None
        return shown

    async def take(self, event: slack.Event | slack.Pressed, channel: ChannelRow | None, body: bytes) -> None:
        """What Slack vouches for, of the installation `channel`: when this returns, it is durable or needs not be."""
        match event:
            case slack.Unreadable():
                await self._intake.keep_malformed("slack", event.reason, body)
            case slack.Ignored():
                log.debug("event ignored", channel="slack", reason=event.reason)
            case slack.Challenge():
                log.debug("event ignored", channel="slack", reason="a challenge needs no answer here")
            case _ if channel is None:
                log.warning("unknown team", channel="slack", team=event.source.team, app=event.source.app)
            case slack.Limited():
                log.warning("slack drops events", tenant=channel.tenant, team=channel.team, app=channel.app)
                self._intake.metrics.count("konstruct_slack_limited_total")
            case slack.Disconnected():
                await self._part(event, channel)
            case _ if channel.disconnected or event.user == channel.account:
                why = "the app was uninstalled" if channel.disconnected else "the employee's own doing"
                log.debug("event ignored", channel="slack", reason=why)
            case _:
                await self._act(event, channel)

    async def _commanded(
        self, event: slack.Command | slack.Unreadable, channel: ChannelRow | None, body: bytes
    ) -> HttpAnswer:
        if isinstance(event, slack.Unreadable):
            await self._intake.keep_malformed("slack", event.reason, body)
            return whispered("Slack sent this in a form that I cannot read; try again, or write to me instead.")
        if channel is not None and event.user == channel.account:
            return HttpAnswer(200)
        return await self._commands.answer(event, channel)

    async def _act(
        self, event: slack.Message | slack.Reaction | slack.Opened | slack.Pressed, channel: ChannelRow
    ) -> None:
        match event:
            case slack.Message():
                await self._hear(event, channel)
            case slack.Reaction():
                await self._notice(event, channel)
            case slack.Opened():
                self._reach.later(self._reach.greet(channel, event))
            case slack.Pressed():
                await self._buttons.press(event, channel)

    async def _hear(self, event: slack.Message, channel: ChannelRow) -> None:
        message = inbound(event, channel)
        if message is not None and not event.user:
            found = await places.find(self._database, channel.tenant, "slack", event.channel, event.ts)
            message = moved(message, *found) if found else message
        if message is None:
            log.debug("event ignored", channel="slack", reason="said in a channel, not to the employee")
        else:
            await self._intake.hear(message)
            if slack.is_late(event, time.time()):
                self._reach.later(self._catch_up(event, channel))

    async def _catch_up(self, mention: slack.Message, channel: ChannelRow) -> None:
        """Hear what was said in the thread before its late mention came, and was of no concern then."""
        since = await self._reach.said_since(channel, mention)
        missed = [inbound(said, channel) for said in since if said.user != channel.account]
        # What was heard before is not heard again.
        await self._intake.hear(*filter(None, missed))

    async def _notice(self, event: slack.Reaction, channel: ChannelRow) -> None:
        found = await places.find(self._database, channel.tenant, "slack", event.channel, event.ts)
        if found is None:
            log.debug("event ignored", channel="slack", reason="a reaction to a message of no conversation")
        else:
            await self._intake.hear(reacted(event, channel, *found))

    async def _part(self, event: slack.Disconnected, channel: ChannelRow) -> None:
        # Without a time of Slack's, it happened now.
        at = event.at or time.time()
        ended = await installs.disconnect(self._database, channel, at, event.accounts)
        # Whoever installs it next may be another tenant: nothing more may be heard for this one.
        await self._directory.find(channel.kind, channel.app, channel.team, anew=True)
        log.warning("app uninstalled" if ended else "an older installation ended", channel="slack", team=channel.team)

    async def _admit(self, headers: Mapping[str, str], body: bytes) -> slack.Signature:
        """Before anything is parsed: raises SignatureRejected for what nobody here can have signed."""
        stamp, given = headers.get("x-slack-request-timestamp"), headers.get("x-slack-signature")
        signature = slack.check_form(stamp, given, time.time())
        if len(body) > BIG_BYTES:
            await self._check_signed(NOBODY, signature, body)
        return signature

    async def _verified(self, source: slack.Source, signature: slack.Signature, body: bytes) -> ChannelRow | None:
        """The installation that the request is for; raises SignatureRejected."""
        await self._check_signed(source, signature, body)
        return await self._installed(source)

    async def _check_signed(self, source: slack.Source, signature: slack.Signature, body: bytes) -> None:
        found = await self._candidates(source)
        # What is of an app that is not ours may be signed with a secret of ours, all the same: of a wrong app_id.
        secrets = found.secrets or (await self._candidates(NOBODY)).secrets
        own = self._settings.slack_signing_secret
        attached = found.own is not None and found.own.installed_by != "file"
        if own and (attached or source.app in ("", self._settings.slack_app_id)):
            # The installation's own app signs also for workspaces that are not, or no longer, connected. What it signed
            # with when a workspace was attached may be out of use by now.
            secrets = own if source.app else (*own, *secrets)
        await self._unproven.check(body, secrets, partial(slack.verify, body, signature))

    async def _installed(self, source: slack.Source) -> ChannelRow | None:
        own = (await self._candidates(source)).own
        if own is None or own.disconnected:
            # Installed a moment ago, perhaps: what is ignored now never comes again.
            return (await self._candidates(source, anew=True)).own
        return own

    async def _candidates(self, source: slack.Source, *, anew: bool = False) -> Candidates:
        """Whose it is; an app of a whole organisation may also be entered for one of its workspaces."""
        if not source.app:
            return await self._directory.find("slack", "", "", anew=anew)
        found = await self._directory.find("slack", source.app, source.enterprise or source.team, anew=anew)
        if found.own is None and source.enterprise and source.team:
            return await self._directory.find("slack", source.app, source.team, anew=anew)
        return found


def _written(content: dict[str, Any]) -> bytes:
    try:
        return json.dumps(content).encode()
    except (ValueError, RecursionError):
        return b""


def _belongs(app: str, source: slack.Source) -> bool:
    if source.app in ("", app):
        return True
    log.warning("event ignored", channel="slack", reason="it is of another app than the connection")
    return False
