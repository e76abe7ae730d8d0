"""One answer from unreliable models: bounded retries on the first, then the fallbacks, one deadline."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import cast

import structlog

from konstruct.choices import split_choices
from konstruct.errors import ModelRefused, ModelStarting, ModelUnavailable, PromptTooLong
from konstruct.models import CUT, Answer, Call, Delta, Model, Prompt, Usage
from konstruct.models.content import suited
from konstruct.models.shortening import halved
from konstruct.wellformed import well_formed

MAX_ANSWER_CHARS = 40_000
SILENCE_SECONDS = 30.0
BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 8.0
# What one try may use of the time that is left while others could still follow it.
SHARE_OF_ONE_TRY = 0.6
ATTEMPTS = 3
# A local model takes a minute or two from the installation's start; nobody gets an apology for that. What a budget
# holds for a turn is held for five minutes.
START_SECONDS = 240.0
START_PAUSE_SECONDS = 1.0

log = structlog.get_logger()

OnDelta = Callable[[str], Awaitable[None]]
Failure = ModelUnavailable | ModelRefused


@dataclass(slots=True)
class _Try:
    model: Model
    prompt: Prompt
    seconds: float
    on_delta: OnDelta
    calls: list[Call]


async def answer(
    models: Sequence[Model],
    prompt: Prompt,
    *,
    deadline: float,
    on_delta: OnDelta,
    attempts: int = ATTEMPTS,
    made: list[Call] | None = None,
    failed: dict[str, Failure] | None = None,
) -> Answer:
    """Ask models[0] up to `attempts` times, then each of the others once; `deadline` is in seconds, over all.

    A model that is still starting, where no other is left, is waited for up to START_SECONDS: that is no attempt, and
    the deadline begins after it. `on_delta` receives the whole text so far, so a retry begins again from a short text.
    A model that finds the prompt too long is asked with less of it. `made` receives every call, also those that failed
    or were cancelled, `failed` by its name the last failure of each model that did not answer. Raises ModelRefused if
    every model refused for good in the end, otherwise ModelUnavailable.
    """
    made, failed = [] if made is None else made, {} if failed is None else failed
    before, end, started_by = len(made), _now() + deadline, _now() + START_SECONDS
    tries = [models[0]] * max(attempts, 1) + list(models[1:])
    position = 0
    while position < len(tries) and (left := end - _now()) > 0:
        model = tries[position]
        share = left if position == len(tries) - 1 else left * SHARE_OF_ONE_TRY
        try:
            text, usage, cut = await _ask_for_less(_Try(model, suited(prompt, sees=model.sees), share, on_delta, made))
            failed.pop(model.name, None)
            return Answer(text, model.name, usage, len(made) - before, cut)
        except ModelStarting as starting:
            failed[model.name] = starting
            position = _others(tries, position)
            if position == len(tries) and _now() < started_by:
                await asyncio.sleep(START_PAUSE_SECONDS)
                position, end = tries.index(model), _now() + deadline
        except (ModelUnavailable, ModelRefused) as failure:
            failed[model.name] = failure
            position = await _next_position(tries, position, failure, end)
    raise _verdict(list(failed.values()), len(made) - before, deadline)


async def _ask_for_less(attempt: _Try) -> tuple[str, Usage, bool]:
    """Ask with half of the prompt, and half of that, while the model finds it too long: that is no failed attempt."""
    end = _now() + attempt.seconds
    while True:
        try:
            return await _ask(attempt)
        except PromptTooLong as refusal:
            shorter, left = halved(attempt.prompt), end - _now()
            if shorter is None or left <= 0:
                raise
            log.info("a prompt is shortened", model=attempt.model.name, reason=str(refusal))
            attempt = replace(attempt, prompt=shorter, seconds=left)


async def _ask(attempt: _Try) -> tuple[str, Usage, bool]:
    end = _now() + attempt.seconds
    silence = min(SILENCE_SECONDS, attempt.seconds)
    raw, shown, usage, cut = "", "", None, False
    # Every implementation is an async generator; closing it hangs up on the model.
    stream = cast("AsyncGenerator[Delta]", attempt.model.stream(attempt.prompt, deadline=attempt.seconds))
    name, refused, asked = attempt.model.name, False, True
    try:
        async with aclosing(stream):
            while (delta := await _next_delta(stream, min(silence, end - _now()), name)) is not None:
                usage = delta.usage or usage
                cut = cut or delta.cut
                raw += delta.text
                text = well_formed(raw)[:MAX_ANSWER_CHARS]
                if text != shown and text.strip():
                    shown = text
                    await attempt.on_delta(shown)
                if len(raw) > MAX_ANSWER_CHARS:
                    cut = True
                    break
    except ModelStarting:
        asked = False
        raise
    except (ModelUnavailable, ModelRefused) as failure:
        refused = failure.refused and not raw
        raise
    finally:
        # Whoever took the request in charges for it, also where no answer came in time.
        guess = Usage(0, 0) if refused else Usage.estimate(attempt.prompt, raw)
        if asked:
            attempt.calls.append(Call(name, usage or guess))
    if not shown.strip():
        raise ModelUnavailable(f"The model {name} gave an empty answer.")
    whole = shown.strip()
    return _marked(whole) if cut else whole, attempt.calls[-1].usage, cut


def _marked(cut: str) -> str:
    """A code block ends where its line does; choices come last, so that before them all was said."""
    if split_choices(cut)[1]:
        return cut
    end = f"\n{CUT}" if cut.endswith("```") else CUT
    return cut[: MAX_ANSWER_CHARS - len(end)] + end


async def _next_delta(stream: AsyncIterator[Delta], seconds: float, name: str) -> Delta | None:
    try:
        async with asyncio.timeout(seconds):
            return await anext(stream, None)
    except TimeoutError:
        raise ModelUnavailable(f"The model {name} was silent for {max(seconds, 0):.0f} s.") from None


async def _next_position(tries: Sequence[Model], position: int, failure: Failure, end: float) -> int:
    others = _others(tries, position)
    if position + 1 >= others or isinstance(failure, ModelRefused):
        return others
    ceiling = min(BACKOFF_SECONDS * 2**position, LONGEST_BACKOFF_SECONDS)
    wait = max(failure.retry_after or 0.0, random.uniform(ceiling / 2, ceiling))  # noqa: S311 - jitter
    if wait > (end - _now()) / 2:
        return others
    await asyncio.sleep(wait)
    return position + 1


def _others(tries: Sequence[Model], position: int) -> int:
    """Where the tries of the next model begin."""
    return next((index for index in range(position, len(tries)) if tries[index] is not tries[position]), len(tries))


def _verdict(failures: Sequence[Failure], calls: int, deadline: float) -> Exception:
    if failures and all(isinstance(failure, ModelRefused) for failure in failures):
        return failures[-1]
    why = str(failures[-1]) if failures else "There was no time to ask."
    hints = [failure.retry_after for failure in failures if isinstance(failure, ModelUnavailable)]
    return ModelUnavailable(
        f"No model answered within {deadline:.0f} s and {calls} calls; the last said: {why}",
        max((hint for hint in hints if hint), default=None),
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
