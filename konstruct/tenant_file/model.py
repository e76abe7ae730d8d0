"""The models that a tenant brings, and what they cost."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from konstruct.tenant_file.strict import Strict

# USD per million tokens; six digits after the point are whole micro-USD.
Usd = Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=6)]
MAX_ANSWER_TOKENS = 4_096


class PriceEntry(Strict):
    """What a model costs, in USD per million tokens; without `cached_input`, what was cached costs as `input`."""

    input: Usd
    output: Usd
    cached_input: Usd | None = None

    @property
    def stored(self) -> dict[str, int | None]:
        """In micro-USD."""
        cached = None if self.cached_input is None else micro_usd(self.cached_input)
        return {"input": micro_usd(self.input), "cached": cached, "output": micro_usd(self.output)}


class ModelEntry(Strict):
    """A hosted model: any LiteLLM model string, with the tenant's own key."""

    name: str = Field(min_length=1)
    litellm: str = Field(min_length=1, examples=["openai/gpt-5-mini"])
    api_base: str | None = None
    api_key: str | None = Field(default=None, repr=False)
    vision: bool = False  # it may be given pictures
    transcription: bool = False  # it writes down recordings, and answers nobody
    price: PriceEntry | None = None  # else the installation's, else LiteLLM's
    max_answer_tokens: int = Field(default=MAX_ANSWER_TOKENS, ge=16, le=200_000)  # thinking included

    @property
    def row(self) -> dict[str, Any]:
        """The fields of its ModelRow."""
        return self.model_dump(exclude={"price"}) | {"price": self.price.stored if self.price else None}


def micro_usd(usd: Decimal) -> int:
    """Whole micro-USD: entries have no more digits."""
    return int(usd * 1_000_000)
