"""Idempotency keys: the first answer to a key is the answer to every repetition, for a day."""

import hashlib
from dataclasses import dataclass

import orjson

from simulator.clock import Clock
from simulator.stripe.refusal import Refused
from simulator.stripe.store import Thing

KEPT_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class _Answered:
    request: str
    status: int
    answer: Thing
    at: float


class Answers:
    """What was answered under each key."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, _Answered] = {}

    def recall(self, key: str, url: str, params: Thing) -> tuple[int, Thing] | None:
        """Return the answer of the first time; raises Refused where the key was for another request."""
        known = self._known.get(key)
        if known is None or known.at + KEPT_SECONDS < self._clock.now():
            return None
        if known.request != _fingerprint(url, params):
            raise Refused(
                f"Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request.",
                kind="idempotency_error",
            )
        return known.status, known.answer

    def keep(self, key: str, url: str, params: Thing, status: int, answer: Thing) -> None:
        """Remember what was answered."""
        self._known[key] = _Answered(_fingerprint(url, params), status, answer, self._clock.now())

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()


def _fingerprint(url: str, params: Thing) -> str:
    return hashlib.sha256(url.encode() + orjson.dumps(params, option=orjson.OPT_SORT_KEYS)).hexdigest()
