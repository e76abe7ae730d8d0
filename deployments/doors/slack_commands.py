"""The slash command `/konstruct`: help, status, pause, resume, or a question."""

from typing import Any
from uuid import UUID

import orjson

from deployments.doors.slack_inbound import typed
from deployments.webhooks import HttpAnswer, Intake
from konstruct.channels import slack
from konstruct.database import amendments, places
from konstruct.database.pool import Database
from konstruct.database.tenants import ChannelRow, read_tenant
from konstruct.vault import Vault

# Whoever pauses an employee decides when it goes on.
PAUSED_SECONDS = 10 * 365 * 86_400.0
HELP = """`/konstruct status` says whether I am at work here.
`/konstruct pause` keeps me silent here, `/konstruct resume` ends that.
`/konstruct` and a question asks me; a message or a mention does the same.
Where operators are told of conversations, `/konstruct pause` and `/konstruct resume` take the id of one."""
UNKNOWN = "Nobody works here yet: this workspace is not connected to an employee."


class SlackCommands:
    """Answers commands, visible to who typed them only."""

    def __init__(self, intake: Intake, database: Database, vault: Vault) -> None:
        """Nothing is opened here."""
        self._intake = intake
        self._database = database
        self._vault = vault

    async def answer(self, event: slack.Command, channel: ChannelRow | None) -> HttpAnswer:
        """Do what was typed. Raises KonstructError."""
        if channel is None:
            return whispered(UNKNOWN)
        match event.text.lower().split():
            case [] | ["help"]:
                return whispered(HELP)
            case ["status"]:
                return whispered(await self._status(event, channel))
            case ["pause"]:
                return whispered(await self._pause(event, channel))
            case ["resume"]:
                return whispered(await self._resume(event, channel))
            case ["pause" | "resume" as what, conversation]:
                return whispered(await self._rule(what, conversation, event, channel))
        await self._intake.hear(typed(event, channel))
        if event.channel.startswith("D"):
            return whispered(f"You asked: {event.text}")
        # Others read the answer: they must see the question, too.
        return _said("in_channel", f"<@{event.user}> asks: {event.text}")

    async def _status(self, event: slack.Command, channel: ChannelRow) -> str:
        found = await places.count(self._database, channel.tenant, "slack", event.channel)
        if not found.conversations:
            return "I am at work. There is no conversation here yet."
        paused = f", {found.paused} of them paused" if found.paused else ""
        waiting = f" {found.waiting} messages wait for an answer." if found.waiting else ""
        state = "paused" if found.paused == found.conversations else "at work"
        return f"I am {state} here: {_counted(found.conversations)}{paused}.{waiting}"

    async def _pause(self, event: slack.Command, channel: ChannelRow) -> str:
        reason = f"paused by <@{event.user}>"
        count = await places.pause(
            self._database, channel.tenant, "slack", event.channel, reason=reason, seconds=PAUSED_SECONDS
        )
        if not count:
            return "There is no conversation here that I could leave."
        return f"I am silent here now ({_counted(count)}). `/konstruct resume` brings me back."

    async def _resume(self, event: slack.Command, channel: ChannelRow) -> str:
        count = await places.resume(self._database, channel.tenant, "slack", event.channel)
        return f"I am back ({_counted(count)})." if count else "There is no conversation here to come back to."

    async def _rule(self, what: str, conversation: str, event: slack.Command, channel: ChannelRow) -> str:
        """Pause or resume a conversation that is held elsewhere, in whatever channel."""
        tenant = await read_tenant(self._database, channel.tenant, self._vault)
        place = tenant.operators_place if tenant else None
        # Others could silence the employee for each other, or end what an operator wanted.
        if place is None or (place.team, place.channel) != (channel.team, event.channel):
            return "Only where operators are told of conversations can one be named."
        try:
            named = UUID(conversation.strip("`"))
        except ValueError:
            return "That is no conversation's id; my notice in this channel ends with one."
        if what == "resume":
            found = await amendments.resume(self._database, channel.tenant, named)
        else:
            reason = f"paused by <@{event.user}>"
            found = await amendments.pause(self._database, channel.tenant, named, reason, PAUSED_SECONDS)
        if not found:
            return "I know no conversation of that id."
        return "I am back there." if what == "resume" else "I am silent there now."


def whispered(text: str) -> HttpAnswer:
    """An answer that only the person sees who typed the command."""
    return _said("ephemeral", text)


def _said(kind: str, text: str) -> HttpAnswer:
    answer: dict[str, Any] = {"response_type": kind, "text": text}
    return HttpAnswer(200, orjson.dumps(answer))


def _counted(number: int) -> str:
    return "1 conversation" if number == 1 else f"{number} conversations"
