"""Everything the account holds: objects by kind and id, as the API shows them, oldest first."""

import copy
import secrets
from collections.abc import Callable, Iterator
from typing import Any

from simulator.stripe.form import number
from simulator.stripe.refusal import missing

Thing = dict[str, Any]
MAX_LIMIT = 100


class Store:
    """Objects are plain dicts and live here; what leaves is a copy."""

    def __init__(self) -> None:
        self._kinds: dict[str, dict[str, Thing]] = {}

    def add(self, thing: Thing) -> Thing:
        """Keep a new object."""
        self._kinds.setdefault(thing["object"], {})[thing["id"]] = thing
        return thing

    def get(self, kind: str, id_: Any, param: str = "id") -> Thing:
        """Return the object itself; raises Refused where there is none."""
        found = self._kinds.get(kind, {}).get(str(id_))
        if found is None:
            raise missing(kind, str(id_), param)
        return found

    def all(self, kind: str) -> list[Thing]:
        """Return all of a kind, oldest first."""
        return list(self._kinds.get(kind, {}).values())

    def find(self, id_: str) -> Thing | None:
        """Return whatever has this id."""
        return next((things[id_] for things in self._kinds.values() if id_ in things), None)

    def rename(self, thing: Thing, id_: str) -> None:
        """Give an object an id of the caller's own choice."""
        kind = self._kinds[thing["object"]]
        del kind[thing["id"]]
        thing["id"] = id_
        kind[id_] = thing

    def clear(self) -> None:
        """Forget all."""
        self._kinds.clear()

    def page(self, kind: str, url: str, params: Thing, wanted: Callable[[Thing], bool] = lambda _: True) -> Thing:
        """Return a list object, newest first: ?limit=, ?starting_after=, ?ending_before=, ?created[gte]=."""
        found = [thing for thing in reversed(self.all(kind)) if wanted(thing) and _in_time(thing, params)]
        page = [shown(thing) for thing in _slice(found, params)]
        return listed(page, url, more=_more(found, params))

    def expand(self, answer: Thing, paths: Any) -> Thing:
        """Return a copy in which the ids that `expand` names are whole objects."""
        answer = copy.deepcopy(shown(answer))
        for path in paths if isinstance(paths, list) else []:
            self._expand(answer, str(path).split("."))
        return answer

    def _expand(self, at: Any, path: list[str]) -> None:
        for branch in _branches(at):
            value = branch.get(path[0])
            if isinstance(value, str) and (whole := self.find(value)) is not None:
                branch[path[0]] = value = copy.deepcopy(whole)
            if len(path) > 1:
                self._expand(value, path[1:])


def shown(thing: Thing) -> Thing:
    """Return an object as the API shows it, without what is only ours."""
    return {name: value for name, value in thing.items() if not name.startswith("_")}


def new_id(prefix: str) -> str:
    """Return an id as Stripe's look."""
    return f"{prefix}_{secrets.token_hex(12)}"


def listed(things: list[Thing], url: str, *, more: bool = False) -> Thing:
    """Return a list object."""
    return {"object": "list", "data": things, "has_more": more, "url": url}


def _branches(at: Any) -> Iterator[Thing]:
    if isinstance(at, dict):
        yield at
    elif isinstance(at, list):
        for one in at:
            yield from _branches(one)


def _in_time(thing: Thing, params: Thing) -> bool:
    bounds = params.get("created")
    if not isinstance(bounds, dict):
        return bounds in (None, "") or thing["created"] == int(bounds)
    at = thing["created"]
    tests = {"gte": at.__ge__, "gt": at.__gt__, "lte": at.__le__, "lt": at.__lt__}
    return all(tests[name](int(bound)) for name, bound in bounds.items())


def _slice(found: list[Thing], params: Thing) -> list[Thing]:
    limit = _limit(params)
    ids = [thing["id"] for thing in found]
    if params.get("ending_before") in ids:
        end = ids.index(params["ending_before"])
        return found[max(0, end - limit) : end]
    begin = ids.index(params["starting_after"]) + 1 if params.get("starting_after") in ids else 0
    return found[begin : begin + limit]


def _more(found: list[Thing], params: Thing) -> bool:
    shown = _slice(found, params)
    if not shown:
        return False
    return bool(shown[0] is not found[0] if params.get("ending_before") else shown[-1] is not found[-1])


def _limit(params: Thing) -> int:
    return min(max(number(params, "limit", 10) or 10, 1), MAX_LIMIT)
