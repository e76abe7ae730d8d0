"""What a model provider's HTTP status means for us: wait and retry, or give up on this request."""

from collections.abc import Mapping, Sequence

from konstruct.errors import ModelMisconfigured, ModelRefused, ModelUnavailable, PromptTooLong

RETRYABLE = frozenset({408, 409, 425, 429})
# Somebody waited in vain for a model that may be at work, and charges for it.
TIMED_OUT = frozenset({408, 504, 524})
SERVER_ERRORS = 500
# Key, credit, rights and name, with whatever prompt; some say it with a status of another meaning.
MISCONFIGURED = frozenset({401, 402, 403, 404})
WRONG = ("api key not valid", "provider not provided", "invalid model", "model not exist", "model_not_found")
# Nobody pays: OpenAI and Moonshot say it with 429, as if it passed, Anthropic with 400. OpenAI's sentence is also
# Gemini's for what does pass, so that its code must tell.
UNPAID = ("insufficient_quota", "exceeded_current_quota_error", "billing_not_active", "credit balance is too low")
# What was asked is against the provider's rules, whatever the status: OpenRouter and xAI say it with 403.
MODERATED = (
    "contentpolicyviolation", "content_policy_violation", "input was flagged", "flagged_input",
    "content violates usage guidelines",
)  # fmt: skip
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
    reason, said = whole[:MAX_REASON_CHARS] or "no reason given", whole.lower()
    passing = status in RETRYABLE and not _says(said, UNPAID)
    if passing or status >= SERVER_ERRORS:
        return ModelUnavailable(
            f"The model {name} answered {status}: {reason}",
            _retry_after(headers or {}),
            refused=refused and status not in TIMED_OUT,
        )
    if _says(said, MODERATED):
        # Why may quote what a contact wrote.
        return ModelRefused(f"The model {name} refused with {status}: the request is against its provider's rules.")
    return _refusal(status, said)(f"The model {name} refused with {status}: {reason}")


def _refusal(status: int, said: str) -> type[ModelRefused]:
    if status in MISCONFIGURED or _says(said, WRONG) or _says(said, UNPAID):
        return ModelMisconfigured
    return PromptTooLong if status == TOO_LARGE or _says(said, TOO_LONG) else ModelRefused


def _says(said: str, words: Sequence[str]) -> bool:
    return any(each in said for each in words)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        seconds = float(headers.get("retry-after") or headers.get("Retry-After") or "")
    except ValueError:
        return None  # absent, or an HTTP date, which no model provider sends
    return min(seconds, LONGEST_RETRY_AFTER_SECONDS) if seconds >= 0 else None
