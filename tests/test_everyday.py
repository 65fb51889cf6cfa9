"""What is left for every day of many sets of parameters."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest

from tests.everyday import each_value, mark_the_rest

PRODUCT = [
    {"structure": s, "method": m, "by": b}
    for s, m, b in itertools.product("abcde", ("ml", "reml"), (None, "b"))
]


def test_every_value_is_there():
    found = [PRODUCT[k] for k in each_value(PRODUCT)]
    assert len(found) == 5
    for name in PRODUCT[0]:
        assert {one[name] for one in found} == {one[name] for one in PRODUCT}


def test_more_on_request_and_no_more_than_there_are():
    assert len(each_value(PRODUCT, 12)) == 12
    assert each_value([{"seed": k} for k in range(3)], 9) == {0, 1, 2}
    assert each_value([]) == set()


class Item(SimpleNamespace):
    """As much of a collected test as is looked at."""

    def get_closest_marker(self, name):
        return next((mark for mark in self.marks if mark.name == name), None)

    def add_marker(self, mark):
        self.marks.append(mark)


def items(function, *marks):
    return [
        Item(
            nodeid=f"{function}[{k}]",
            marks=[mark.mark for mark in marks],
            callspec=SimpleNamespace(params={"x": [k % 3], "seed": k % 2}),
        )
        for k in range(6)
    ]


def test_the_rest_is_slow():
    marked, other = items("f", pytest.mark.daily(4)), items("g")
    mark_the_rest([*marked, *other])
    slow = [len(item.marks) == 2 for item in marked]
    assert slow.count(True) == 2
    assert not any(item.marks for item in other)
    assert {mark.name for item in marked for mark in item.marks} == {"daily", "slow"}


def test_what_is_slow_anyway_is_not_counted():
    marked = items("f", pytest.mark.daily(2))
    marked[0].add_marker(pytest.mark.slow.mark)
    mark_the_rest(marked)
    daily = [item for item in marked if len(item.marks) == 1]
    assert len(daily) == 3
    assert marked[0] not in daily
