"""What most people would write: the same employee with slack-bolt and the OpenAI client, nothing durable.

python -m tests.bench.bolt_bot PORT SLACK_API_URL MODEL_URL BOT_TOKEN SIGNING_SECRET
"""

import asyncio
import sys
from collections import defaultdict, deque
from typing import Any

import uvloop
from aiohttp import web
from openai import AsyncOpenAI
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from konstruct.prompt import DISCLOSURE
from tests.bench.child import READY
from tests.bench.place import INSTRUCTIONS, WINDOW


def bot(slack_api: str, model_url: str, token: str, secret: str) -> AsyncApp:
    """One listener: window, model, reply."""
    app = AsyncApp(signing_secret=secret, client=AsyncWebClient(token=token, base_url=slack_api))
    model = AsyncOpenAI(base_url=model_url, api_key="sk-bench", max_retries=0)
    windows: dict[str, deque[dict[str, str]]] = defaultdict(lambda: deque(maxlen=WINDOW))
    system = {"role": "system", "content": f"Your name is Ada. {INSTRUCTIONS}\n\n{DISCLOSURE}"}

    @app.event("message")
    async def hear(event: dict[str, Any], client: AsyncWebClient) -> None:
        window = windows[event["channel"]]
        window.append({"role": "user", "content": event["text"]})
        messages: list[Any] = [system, *window]
        answer = await model.chat.completions.create(model="stub", messages=messages, max_tokens=512)
        text = answer.choices[0].message.content or ""
        window.append({"role": "assistant", "content": text})
        await client.chat_postMessage(channel=event["channel"], text=text)

    return app


async def main(port: int, *where: str) -> None:
    """Serve until ended."""
    runner = web.AppRunner(bot(*where).web_app("/slack/events"), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print(READY, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), *sys.argv[2:]))
