"""Self-hosted models: the local vLLM application, reached over its OpenAI-compatible HTTP interface."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

import aiohttp
import orjson

from konstruct.errors import ModelStarting, ModelUnavailable
from konstruct.models import CUT_SHORT, Delta, Prompt, Usage
from konstruct.models.content import suited
from konstruct.models.sse import events
from konstruct.models.verdict import verdict
from konstruct.wellformed import parsed

CONNECT_SECONDS = 5.0
# Small models can ramble to the end of their context; nobody wants a chat message that long.
MAX_ANSWER_TOKENS = 512
_DONE = b"[DONE]"
# The gateway's word for it, in the error's `type`.
STARTING = "model_starting"
# A short answer is read as it comes; of a long one what came within this time is read together.
SIPS = 16
GULP_SECONDS = 0.02


class LocalModel:
    """A model behind `{url}/chat/completions`; `name` is the tenant's name for it, such as local/smollm2."""

    sees = False

    def __init__(
        self,
        name: str,
        url: str,
        token: str,
        session: aiohttp.ClientSession,
        max_tokens: int = MAX_ANSWER_TOKENS,
        *,
        cache_salt: str,
    ) -> None:
        """`session` stays the caller's; `token` and `cache_salt` come from konstruct.vault."""
        self.name = name
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._session = session
        self._max_tokens = max_tokens
        self._cache_salt = cache_salt

    async def start(self) -> None:
        """Nothing to load: the model lives elsewhere."""

    async def stream(self, prompt: Prompt, *, deadline: float) -> AsyncGenerator[Delta]:
        """See Model.stream; an answer without its end mark was cut off and counts as ModelUnavailable."""
        timeout = aiohttp.ClientTimeout(total=max(deadline, 0.001), sock_connect=CONNECT_SECONDS)
        body = orjson.dumps(self._request(prompt))
        headers = self._headers | {"Content-Type": "application/json"}
        try:
            async with self._session.post(self._url, data=body, headers=headers, timeout=timeout) as response:
                await self._check(response)
                async for delta in self._deltas(_gulps(response.content.iter_any())):
                    yield delta
        except aiohttp.ClientConnectorError as error:
            raise ModelUnavailable(f"The model {self.name} cannot be reached: {error}.", refused=True) from error
        except TimeoutError as error:
            unreached = isinstance(error, aiohttp.ConnectionTimeoutError)
            raise ModelUnavailable(
                f"The model {self.name} did not finish within {deadline:.0f} s.", refused=unreached
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise ModelUnavailable(f"The model {self.name} cannot be reached: {error}.") from error

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        return {
            "model": self.name.removeprefix("local/"),
            "messages": suited(prompt, sees=self.sees),
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": self._max_tokens,
            "cache_salt": self._cache_salt,
        }

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        if response.status == 200 and response.content_type == "text/event-stream":
            return
        text = (await response.content.read(4096)).decode(errors="replace")
        if response.status == 200:
            raise ModelUnavailable(f"The model {self.name} answered {response.content_type}, not a stream.")
        # Where not the gateway speaks but the router before it, the models application is not up yet.
        if (response.status == 404 and '"error"' not in text) or (response.status == 503 and STARTING in text):
            raise ModelStarting(f"The model {self.name} is still starting; `konstruct status` shows it.")
        raise verdict(self.name, response.status, text, response.headers)

    async def _deltas(self, chunks: AsyncIterator[bytes]) -> AsyncGenerator[Delta]:
        finished = False
        try:
            async for together in events(chunks):
                # What arrived together is one delta: each costs its reader more than reading it does.
                read = [_read(parsed(event)) for event in together if event != _DONE]
                finished = finished or any(stopped for _, stopped in read)
                yield _joined([delta for delta, _ in read])
                if _DONE in together:
                    return
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelUnavailable(f"The model {self.name} sent no chat completion: {error}.") from error
        if not finished:
            raise ModelUnavailable(f"The answer of the model {self.name} was cut off.")


async def _gulps(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    number = 0
    async for chunk in chunks:
        yield chunk
        number += 1
        if number > SIPS:
            await asyncio.sleep(GULP_SECONDS)


def _joined(deltas: Sequence[Delta]) -> Delta:
    counted = [delta.usage for delta in deltas if delta.usage]
    text, cut = "".join(delta.text for delta in deltas), any(delta.cut for delta in deltas)
    return Delta(text, counted[-1] if counted else None, cut)


def _read(event: dict[str, Any]) -> tuple[Delta, bool]:
    if "error" in event:
        error = event["error"]
        raise ModelUnavailable(f"The model failed while answering: {error.get('message', error)}")
    usage = event.get("usage")
    counted = Usage.counted(usage.get("prompt_tokens"), usage.get("completion_tokens")) if usage else None
    choice: dict[str, Any] = next(iter(event["choices"]), {})
    reason = choice.get("finish_reason")
    return Delta(choice.get("delta", {}).get("content") or "", counted, cut=reason == CUT_SHORT), bool(reason)
