"""What happens when a person presses a button below an answer."""

from dataclasses import replace

import structlog

from deployments.doors.slack_inbound import inbound
from deployments.doors.slack_reach import SlackReach
from deployments.webhooks import Intake
from konstruct.channels import slack
from konstruct.database import feedback
from konstruct.database.pool import Database
from konstruct.database.tenants import ChannelRow
from konstruct.identity import contact_id

log = structlog.get_logger()


class SlackButtons:
    """Choices become messages, feedback becomes a row; every other button is somebody else's."""

    def __init__(self, intake: Intake, database: Database, reach: SlackReach) -> None:
        """Nothing is opened here."""
        self._intake = intake
        self._database = database
        self._reach = reach

    async def press(self, event: slack.Pressed, channel: ChannelRow) -> None:
        """When this returns, what was pressed is durable or means nothing. Raises KonstructError."""
        if event.action == slack.FEEDBACK_ACTION:
            await self._rate(event, channel)
        elif event.action.startswith(slack.CHOICE_ACTION) and event.value:
            await self._choose(event, channel)
        else:
            log.debug("event ignored", channel="slack", reason=f"the button {event.action!r} is not ours")

    async def _rate(self, event: slack.Pressed, channel: ChannelRow) -> None:
        rating = slack.read_feedback(event.value)
        if rating is None:
            log.warning("event ignored", channel="slack", reason="feedback that names no turn")
            return
        turn, positive = rating
        contact = contact_id(channel.tenant, "slack", event.user)
        if not await feedback.give(self._database, channel.tenant, turn, contact, positive=positive):
            log.warning("event ignored", channel="slack", reason="feedback on an answer that nobody gave")

    async def _choose(self, event: slack.Pressed, channel: ChannelRow) -> None:
        said = slack.Message(
            event.source, event.channel, event.channel.startswith("D"), event.thread, event.ts, event.user,
            event.user_team, event.value, mentioned=True,
            # The same choice twice is one message, another choice another one.
            change=f"{event.action}:{event.user}",
        )  # fmt: skip
        message = inbound(said, channel)
        if message is not None:
            await self._intake.hear(replace(message, text=event.value))
            self._reach.later(self._reach.settle_choice(channel, event))
