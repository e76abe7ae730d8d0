"""One request of the API, and the table of what the API can do."""

from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.stripe.store import Thing
from simulator.stripe.world import World


@dataclass(frozen=True, slots=True)
class Call:
    """The parameters of body or query; `ids`: those of the path, in order; `url`: the path."""

    params: Thing
    ids: tuple[str, ...] = ()
    url: str = ""

    @property
    def id(self) -> str:
        """The object that is meant."""
        return self.ids[0]


Perform = Callable[[World, Call], Thing]


@dataclass(frozen=True, slots=True)
class Route:
    """`name` is what faults and counts call it; `path` has {id} where an id stands."""

    verb: str
    path: str
    name: str
    perform: Perform = field(repr=False)
