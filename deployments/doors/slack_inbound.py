"""What a person did in Slack, as a message to the conversation that it belongs to."""

import re
from dataclasses import replace
from uuid import UUID

from konstruct.channels import slack
from konstruct.database.tenants import ChannelRow
from konstruct.identity import conversation_id, shard_of
from konstruct.messages import Address, Inbound, Kind

_BEGINS_WITH_A_MENTION = re.compile(r"<@[UW]")
_TS = re.compile(r"[0-9]{1,11}(\.[0-9]{1,9})?")


def inbound(event: slack.Message, channel: ChannelRow) -> Inbound | None:
    """None for what is neither said to the employee nor in a thread where it may be known."""
    addressed = event.direct or event.mentioned or _names(event.text, channel.account)
    if not (addressed or event.thread or event.kind != "message"):
        return None
    who = recipient(event.user, event.user_team, channel)
    address = Address(channel.team, event.channel, _thread(event, channel), event.direct, who)
    conversation = conversation_at(channel, address)
    return Inbound(
        tenant=channel.tenant,
        channel="slack",
        # Slack announces one mention twice, as `message` and as `app_mention`; the message itself is one.
        event=":".join(filter(None, (event.channel, event.ts, event.change))),
        conversation=conversation,
        shard=shard_of(conversation),
        address=address,
        contact=event.user,
        text=_said(event.text, channel.account),
        source_id=event.ts if event.kind == "message" else f"{event.ts}:{event.change}",
        kind=_kind(event, addressed=addressed),
        target="" if event.kind == "message" else event.ts,
        attachments=event.files,
        # What is taken back may not have been stored yet: Slack delivers it again, perhaps after its deletion.
        only_known=event.kind != "delete" and not addressed,
        said_at=_unix(event.change) or _unix(event.ts),
    )


def typed(event: slack.Command, channel: ChannelRow) -> Inbound:
    """A question asked with a slash command: answered where it was typed, below nothing."""
    direct = event.channel.startswith("D")
    who = recipient(event.user, event.source.team, channel)
    address = Address(channel.team, event.channel, None, direct, who, response_url=event.response_url)
    conversation = conversation_at(channel, address)
    return Inbound(
        tenant=channel.tenant,
        channel="slack",
        event=f"command:{event.trigger}",
        conversation=conversation,
        shard=shard_of(conversation),
        address=address,
        contact=event.user,
        text=slack.unescape(event.text),
        source_id="",
    )


def reacted(event: slack.Reaction, channel: ChannelRow, conversation: UUID, address: Address) -> Inbound:
    """A reaction to a message of a known conversation."""
    return Inbound(
        tenant=channel.tenant,
        channel="slack",
        event=f"{event.channel}:{event.ts}:{event.user}:{event.name}:{event.at}",
        conversation=conversation,
        shard=shard_of(conversation),
        address=address,
        contact=event.user,
        text="" if event.removed else slack.reaction_sign(event.name),
        source_id=event.at,
        kind="reaction",
        target=event.ts,
        only_known=True,
        said_at=_unix(event.at),
    )


def moved(message: Inbound, conversation: UUID, address: Address) -> Inbound:
    """What Slack tells of a message without its thread, in the conversation where that message was heard."""
    return replace(message, conversation=conversation, shard=shard_of(conversation), address=address)


def conversation_at(channel: ChannelRow, address: Address) -> UUID:
    """The conversation that is held there."""
    return conversation_id(channel.tenant, "slack", f"{address.team}:{address.channel}:{address.thread or ''}")


def _unix(ts: str) -> float | None:
    """Slack's ids of messages are times; what else Python takes for a number, PostgreSQL may not take for a time."""
    return float(ts) if _TS.fullmatch(ts) else None


def recipient(user: str, user_team: str, channel: ChannelRow) -> str:
    """Who is answered: Slack wants the workspace, too, where it is not the one of the installation."""
    return f"{user_team}/{user}" if user_team and user_team != channel.team else user


def _thread(event: slack.Message, channel: ChannelRow) -> str | None:
    if event.thread:
        return event.thread
    if event.direct and not channel.options.get("agent_view"):
        return None
    # In channels, and where direct messages are threads of their own, every message may begin one.
    return event.ts


def _kind(event: slack.Message, *, addressed: bool) -> Kind:
    if event.kind != "message":
        return event.kind
    # Between people: the employee hears it, and does not answer.
    return "aside" if not addressed and _BEGINS_WITH_A_MENTION.match(event.text) else "message"


def _names(text: str, account: str) -> bool:
    return f"<@{account}>" in text or f"<@{account}|" in text


def _said(text: str, account: str) -> str:
    if _names(text, account):
        text = re.sub(rf"<@{re.escape(account)}(\|[^>]*)?>", "", text).strip() or text
    return slack.unescape(text)
