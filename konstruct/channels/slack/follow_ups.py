"""What was said in a thread since a message: https://docs.slack.dev/reference/methods/conversations.replies."""

from konstruct.channels.slack.fields import listed
from konstruct.channels.slack.message_events import message
from konstruct.channels.slack.records import Message
from konstruct.channels.slack.web_api import WebApi, operation

LIMIT = 100


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
