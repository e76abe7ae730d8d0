"""What a model provider's HTTP status means for us: wait and retry, or give up on this request."""

from collections.abc import Mapping

from konstruct.errors import ModelMisconfigured, ModelRefused, ModelUnavailable, PromptTooLong

RETRYABLE = frozenset({408, 409, 425, 429})
# Somebody waited in vain for a model that may be at work, and charges for it.
TIMED_OUT = frozenset({408, 504, 524})
SERVER_ERRORS = 500
# Key, credit, rights and name, with whatever prompt; some say it with a status of another meaning.
MISCONFIGURED = frozenset({401, 402, 403, 404})
WRONG = ("api key not valid", "provider not provided", "invalid model", "model not exist", "model_not_found")
TOO_LARGE = 413
# As vLLM, LiteLLM, OpenAI and those who imitate it, Anthropic, Bedrock, Gemini and llama.cpp say it.
TOO_LONG = (
    "context length", "context_length", "context window", "contextwindow", "context limit", "context size",
    "maximum model length", "prompt is too long", "input is too long", "number of tokens allowed",
)  # fmt: skip
LONGEST_RETRY_AFTER_SECONDS = 3600.0
MAX_REASON_CHARS = 300


def verdict(
    name: str, status: int, reason: str, headers: Mapping[str, str] | None = None, *, refused: bool = True
) -> ModelUnavailable | ModelRefused:
    """Choose the error for this status; operators see `reason`, so it must hold no secret.

    `refused`: it is what the provider itself answered, or the provider was not reached.
    """
    whole = " ".join(reason.split())
    reason = whole[:MAX_REASON_CHARS] or "no reason given"
    if status in RETRYABLE or status >= SERVER_ERRORS:
        return ModelUnavailable(
            f"The model {name} answered {status}: {reason}",
            _retry_after(headers or {}),
            refused=refused and status not in TIMED_OUT,
        )
    return _refusal(status, whole.lower())(f"The model {name} refused with {status}: {reason}")


def _refusal(status: int, reason: str) -> type[ModelRefused]:
    if status in MISCONFIGURED or any(words in reason for words in WRONG):
        return ModelMisconfigured
    too_long = status == TOO_LARGE or any(words in reason for words in TOO_LONG)
    return PromptTooLong if too_long else ModelRefused


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        seconds = float(headers.get("retry-after") or headers.get("Retry-After") or "")
    except ValueError:
        return None  # absent, or an HTTP date, which no model provider sends
    return min(seconds, LONGEST_RETRY_AFTER_SECONDS) if seconds >= 0 else None
