"""What was said in a thread since a message: https://docs.slack.dev/reference/methods/conversations.replies."""

from konstruct.channels.slack.fields import listed
from konstruct.channels.slack.message_events import message
from konstruct.channels.slack.records import Message
from konstruct.channels.slack.web_api import WebApi, operation

LIMIT = 100
# A mention that comes later than this was delivered again, for that Slack takes a minute, and may have been overtaken;
# one of yesterday's nobody goes on with.
LATE_SECONDS = 10.0
TOO_LATE_SECONDS = 86_400.0


def is_late(event: Message, now: float) -> bool:
    """Whether it is a mention that others of its thread may have overtaken. Slack's ids of messages are times."""
    if not event.mentioned or event.direct or event.kind != "message":
        return False
    try:
        return LATE_SECONDS < now - float(event.ts) < TOO_LATE_SECONDS
    except ValueError:
        return False


async def said_since(api: WebApi, mention: Message) -> list[Message]:
    """What people said after the mention in its thread, oldest first: one page, Slack may allow no more in a minute."""
    query = {
        "channel": mention.channel,
        "ts": mention.thread or mention.ts,
        "oldest": mention.ts,
        "limit": str(LIMIT),
    }
    async with operation():
        answer = await api.get("conversations.replies", query)
    told = {"channel": mention.channel, "type": "message"}
    read = [message(mention.source, one | told) for one in listed(answer.get("messages"))]
    # The thread's root is always in it.
    return [one for one in read if isinstance(one, Message) and float(one.ts) > float(mention.ts)]
