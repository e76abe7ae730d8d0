"""Payloads with anything in them replaced, dropped or added."""

import json
import random
from collections.abc import Iterator
from typing import Any

WRONG: list[Any] = [None, 7, 1.5, True, [], {}, "", "\0", "\ud800", ["x"], {"id": {"id": []}}, "x" * 70_000]


def mutated(payload: Any, dice: random.Random) -> Any:
    """The payload with one value somewhere replaced, dropped or added."""
    copy = json.loads(json.dumps(payload))
    holders = list(objects(copy))
    holder = dice.choice(holders)
    match dice.randrange(4):
        case 0 if holder:
            del holder[dice.choice(list(holder))]
        case 1:
            holder[f"extra_{dice.randrange(9)}"] = dice.choice(WRONG)
        case _ if holder:
            holder[dice.choice(list(holder))] = dice.choice(WRONG)
    return copy


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in the payload, itself first."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from objects(inner)
