"""The seam to language models: what a model is asked, what it gives back, and how it may fail.

Belongs here: the protocol, its records, one file per way to reach a model, the retry policy. Not: prompts.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

log = structlog.get_logger()
# A text, or parts as OpenAI has them: {"type": "text", …}, {"type": "image_url", …}.
Content = str | list[dict[str, Any]]
Prompt = Sequence[Mapping[str, Any]]

CHARS_PER_TOKEN = 4
TOKENS_PER_PICTURE = 1_000
# How an answer ends that was longer than it may be, and finish_reason's word for that.
CUT = "…"
CUT_SHORT = "length"
# No model reads or writes as much at once; who counts more miscounts.
MOST_TOKENS = 20_000_000


def chars_of(content: Content) -> int:
    """How long a message is; a picture is as long as a text of as many tokens."""
    if isinstance(content, str):
        return len(content)
    return sum(len(part["text"]) if "text" in part else TOKENS_PER_PICTURE * CHARS_PER_TOKEN for part in content)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call; `estimated` when the provider did not count them for us."""

    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False
    cached_tokens: int = 0  # of the prompt's: found in the provider's cache, mostly at a lower price

    @classmethod
    def counted(cls, prompt: Any, completion: Any, cached: Any = 0) -> "Usage | None":
        """What a provider says it counted; None, and a line in the log, where that can't be: it is unknown then."""
        if not (_possible(prompt) and _possible(completion) and prompt):
            log.error("a model counts tokens as nobody can", prompt=str(prompt)[:40], completion=str(completion)[:40])
            return None
        return cls(prompt, completion, cached_tokens=min(cached, prompt) if _possible(cached) else 0)

    def within(self, prompt_tokens: int, completion_tokens: int) -> "Usage":
        """The same, but no more tokens than these."""
        if self.prompt_tokens <= prompt_tokens and self.completion_tokens <= completion_tokens:
            return self
        prompt = min(self.prompt_tokens, prompt_tokens)
        completion = min(self.completion_tokens, completion_tokens)
        return Usage(prompt, completion, estimated=True, cached_tokens=min(self.cached_tokens, prompt))

    @classmethod
    def estimate(cls, prompt: Prompt, text: str) -> "Usage":
        """Four characters per token, rounded up: the usual rule of thumb for English."""
        asked = sum(chars_of(message["content"]) for message in prompt)
        return cls(-(-asked // CHARS_PER_TOKEN), -(-len(text) // CHARS_PER_TOKEN), estimated=True)


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer. The last one carries the usage, where the provider counts it.

    `cut`: the model stopped here because it may say no more, not because it had said all.
    """

    text: str = ""
    usage: Usage | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a model, answered or not, as far as it is known what it took."""

    model_name: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: never blank, well-formed, capped. `calls` counts every request that it took.

    `cut`: it was longer than it may be; its text ends with CUT, or with choices, which come last.
    """

    text: str
    model_name: str
    usage: Usage
    calls: int
    cut: bool = False


def _possible(tokens: Any) -> bool:
    return type(tokens) is int and 0 <= tokens <= MOST_TOKENS


class Model(Protocol):
    """Something that answers prompts ({role, content} messages)."""

    @property
    def name(self) -> str:
        """What the tenant file calls it."""

    @property
    def sees(self) -> bool:
        """Whether it may be given pictures."""

    async def start(self) -> None:
        """Load what the model needs in this process; must come first, harmless to repeat."""

    def stream(self, prompt: Prompt, *, deadline: float) -> AsyncIterator[Delta]:
        """Stream one answer; `deadline` is in seconds from now, for all of it.

        Raises ModelUnavailable (a retry may help; also for garbage and for an answer that was cut off) or
        ModelRefused (a retry is pointless; PromptTooLong: with this prompt). A blank answer is for the policy to judge.
        """
