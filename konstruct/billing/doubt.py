"""Events of which nobody knows whether Stripe counted them: what its sum for their minute says."""

from collections.abc import Sequence

# Sums of more events than this could come about in too many ways.
MOST_EVENTS = 16


def counted(values: Sequence[int], certain: int, observed: int) -> list[bool] | None:
    """Which of the doubtful `values` Stripe has counted, where it shows `observed` and `certain` is known to be in it.

    None where nothing fits. Where several choices fit, any is right: what is told anew adds up to the same.
    """
    rest = observed - certain
    if rest == 0:
        return [False] * len(values)
    if rest == sum(values):
        return [True] * len(values)
    if not 0 < rest < sum(values) or len(values) > MOST_EVENTS:
        return None
    ways: dict[int, int] = {0: 0}
    for place, value in enumerate(values):
        for total, mask in list(ways.items()):
            ways.setdefault(total + value, mask | 1 << place)
    chosen = ways.get(rest)
    return None if chosen is None else [bool(chosen >> place & 1) for place in range(len(values))]
