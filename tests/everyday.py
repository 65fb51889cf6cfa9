"""Which of many sets of parameters are run every day, and which are slow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence

import pytest


def each_value(sets: Sequence[Mapping[str, Hashable]], n: int = 0) -> set[int]:
    """Places of few sets, in which every value of every parameter is found.

    At least ``n`` of them.  Greedily: the set with the most values that are new comes
    next, then the one whose values are the rarest so far, then the first.
    """
    seen: Counter[tuple[str, Hashable]] = Counter()
    left, found = {k: [*one.items()] for k, one in enumerate(sets)}, set()

    def worth(place: int) -> tuple[int, int, int]:
        uses = [seen[value] for value in left[place]]
        return uses.count(0), -sum(uses), -place

    while left:
        best = max(left, key=worth)
        if len(found) >= n and not worth(best)[0]:
            break
        seen.update(left.pop(best))
        found.add(best)
    return found


def key_of(value: object) -> Hashable:
    """What has no hash counts by how it is written."""
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value


def values_of(item: pytest.Item) -> dict[str, Hashable]:
    """The parameters of a test."""
    callspec = getattr(item, "callspec", None)
    given = callspec.params.items() if callspec else ()
    return {name: key_of(value) for name, value in given}


def mark_the_rest(items: Iterable[pytest.Item]) -> None:
    """Sets of parameters that a function marked ``daily`` does without are slow."""
    functions: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("daily") and not item.get_closest_marker("slow"):
            functions.setdefault(item.nodeid.split("[")[0], []).append(item)
    for each in functions.values():
        daily = each_value(
            [values_of(item) for item in each],
            *each[0].get_closest_marker("daily").args,
        )
        for place, item in enumerate(each):
            if place not in daily:
                item.add_marker(pytest.mark.slow)
