"""Hosted models through LiteLLM, whose many errors become our two."""

import asyncio
import difflib
import functools
import importlib
import logging
import os
from collections.abc import AsyncGenerator, Iterator
from typing import Any

from konstruct.errors import KonstructError, ModelUnavailable
from konstruct.models import CUT_SHORT, Delta, Prompt, Usage
from konstruct.models.content import suited
from konstruct.models.verdict import verdict

MAX_ANSWER_TOKENS = 4_096
# What httpx and aiohttp raise before a request is out.
UNREACHED = frozenset({"ConnectError", "ConnectTimeout", "ClientConnectorError", "ConnectionTimeoutError"})


class HostedModel:
    """Any model that LiteLLM can name; `name` is the tenant's name for it."""

    def __init__(
        self,
        name: str,
        litellm: str,
        api_base: str | None,
        api_key: str | None,
        *,
        sees: bool = False,
        max_tokens: int = MAX_ANSWER_TOKENS,
    ) -> None:
        """`litellm`: a LiteLLM model string such as openai/gpt-5-mini. `max_tokens` of an answer, thinking included."""
        self.name = name
        self.sees = sees
        self._litellm = litellm
        self._api_base = api_base
        self._api_key = api_key
        self._max_tokens = max_tokens

    async def start(self) -> None:
        """Import LiteLLM beside the event loop."""
        await asyncio.to_thread(library)

    async def stream(self, prompt: Prompt, *, deadline: float) -> AsyncGenerator[Delta]:
        """See Model.stream."""
        end = asyncio.get_running_loop().time() + deadline
        finished = False
        try:
            async with asyncio.timeout_at(end):
                chunks = await library().acompletion(**self._request(prompt, deadline))
            while True:
                # Not one timeout around the loop: it would also fire inside the consumer, between two deltas.
                async with asyncio.timeout_at(end):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    break
                delta, stopped = _read(chunk)
                finished = finished or stopped
                yield delta
        except KonstructError:
            raise
        except TimeoutError:
            raise ModelUnavailable(f"The model {self.name} did not finish within {deadline:.0f} s.") from None
        except Exception as error:  # noqa: BLE001 - LiteLLM lets through whatever its 100 providers raise
            # `from None`: the cause holds the request, and the request holds the key.
            raise translated(error, self.name, self._api_key) from None
        if not finished:
            raise ModelUnavailable(f"The answer of the model {self.name} was cut off.")

    def _request(self, prompt: Prompt, deadline: float) -> dict[str, Any]:
        return {
            "model": self._litellm,
            "messages": suited(prompt, sees=self.sees),
            "api_base": self._api_base,
            # Without one LiteLLM would use whatever key its process has in the environment.
            "api_key": self._api_key or "none",
            "timeout": deadline,
            "stream": True,
            "stream_options": {"include_usage": True},
            # LiteLLM gives it the name that the provider knows; what a turn may cost depends on it.
            "max_tokens": self._max_tokens,
            "drop_params": True,
            # The policy retries, so that one deadline and one count cover everything.
            "num_retries": 0,
            "max_retries": 0,
        }


def translated(error: Exception, name: str, api_key: str | None) -> KonstructError:
    """What LiteLLM raised, in our words, and without the key."""
    reason = f"{error} ({code})" if (code := _code(error)) else str(error)
    if api_key:
        reason = reason.replace(api_key, "[key]")
    headers = getattr(error, "litellm_response_headers", None)
    status = int(getattr(error, "status_code", 0) or 503)
    return verdict(name, status, reason, headers, refused=status == 429 or any(map(_refusal, _causes(error))))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _code(error: BaseException) -> str | None:
    """The provider's own word, which LiteLLM's text often lacks."""
    for body in (getattr(cause, "body", None) for cause in _causes(error)):
        if isinstance(body, dict):
            return next((word for key in ("code", "type") if isinstance(word := body.get(key), str)), None)
    return None


def _refusal(cause: BaseException) -> bool:
    # LiteLLM gives a status to everything, also where none came: below it is the client that knows.
    ours = type(cause).__module__.startswith("litellm")
    response = getattr(cause, "response", None)
    return type(cause).__name__ in UNREACHED or (not ours and getattr(response, "status_code", 0) >= 400)


def _read(chunk: Any) -> tuple[Delta, bool]:
    usage = getattr(chunk, "usage", None)
    counted = _counted(usage) if usage else None
    if not chunk.choices:
        return Delta("", counted), False
    choice = chunk.choices[0]
    reason = choice.finish_reason
    return Delta(choice.delta.content or "", counted, cut=reason == CUT_SHORT), bool(reason)


def _counted(usage: Any) -> Usage | None:
    details = getattr(usage, "prompt_tokens_details", None)
    cached = getattr(details, "cached_tokens", None)
    return Usage.counted(usage.prompt_tokens, usage.completion_tokens, cached)


def unknown_provider(litellm: str, api_base: str | None) -> list[str] | None:
    """None where LiteLLM knows whom to ask for this model; else the known names that are nearest to the provider's.

    Imports LiteLLM, which takes seconds.
    """
    prefix, slash, _ = litellm.partition("/")
    providers = [str(provider.value) for provider in library().provider_list]
    # Asked about some providers, LiteLLM looks for their credentials, and may even log in.
    if slash and prefix in providers:
        return None
    try:
        library().get_llm_provider(litellm, api_base=api_base)
    except library().BadRequestError:
        return difflib.get_close_matches(prefix, providers)
    return None


@functools.cache
def library() -> Any:
    """Import LiteLLM; it takes seconds and 150 MB, so only who uses a hosted model pays for it."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else importing it fetches a price list
    os.environ["LITELLM_MODE"] = "PRODUCTION"  # else it reads any .env file it finds
    litellm: Any = importlib.import_module("litellm")
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    logging.getLogger("LiteLLM").setLevel(logging.ERROR)
    return litellm
