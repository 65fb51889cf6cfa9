"""Lazy tables: memory is predicted and refused before it is taken, and passes are told."""

from __future__ import annotations

import re

import pytest

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from sklearn_xmixed.design.table import _memory
from tests.test_lazy_tables import DATA, lazy

FACTORS = [RandomEffects("_all", factor="school"), RandomEffects("_all", factor="name")]


@pytest.fixture
def passes(capsys):
    """What was told of the passes."""

    def read() -> list[str]:
        return re.findall(
            r"^Pass \d+ over the table: (.*) \(", capsys.readouterr().out, re.M
        )

    return read


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_passes_are_told(engine, passes, capsys):
    model = MixedLinearRegressor(["school", "class"], fixed=["x", "b"], verbose=1)
    model.fit(lazy(DATA, engine), "y")
    out = capsys.readouterr().out
    assert "4 sums of each of at most 2,000 groups by school, class: at most" in out
    assert "Pass 1 over the table: counts and ranges (" in out
    assert "Pass 3 over the table: 4 sums of products by school, class (" in out
    model.set_params(verbose=0).fit(lazy(DATA, engine), "y")
    assert capsys.readouterr().out == ""


def test_one_pass_for_each_factor_and_each_pair(passes):
    MixedLinearRegressor(FACTORS, fixed=["x"], verbose=1).fit(lazy(DATA, "duckdb"), "y")
    assert passes() == [
        "counts and ranges",
        "6 sums of products",
        "3 sums of products by school",
        "3 sums of products by name",
        "1 sums of products by school, name",
    ]


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_groups_are_counted_where_rows_would_not_fit(engine, monkeypatch, passes):
    """2000 groups would not fit, 108 do."""
    need = _memory.Need(("school", "class"), 108, True, 4)
    monkeypatch.setattr(
        _memory,
        "available_memory",
        lambda: need.bytes / _memory.SHARE + 1.0,
    )
    model = MixedLinearRegressor(["school", "class"], fixed=["x", "b"], verbose=1)
    rows = DATA.assign(school=DATA["school"].astype(str))
    model.fit(lazy(rows, engine), "y")
    assert "groups by school, class" in passes()
    monkeypatch.setattr(_memory, "available_memory", lambda: need.bytes)
    with pytest.raises(
        MemoryError, match="4 sums of each of 108 groups by school, class"
    ):
        model.fit(lazy(rows, engine), "y")
    # refused before the sums were asked for
    assert passes()[-1] == "groups by school, class"


@pytest.mark.parametrize("engine", ["duckdb", "polars", "dask"])
@pytest.mark.parametrize(("first", "counted"), [(0, False), (2**60, True)])
def test_whole_numbers_are_not_counted(engine, first, counted, monkeypatch, passes):
    """Their range says how many groups there can be, where floats have all of them."""
    rows = DATA.assign(number=first + 3 * DATA["school"].factorize()[0])
    most = 3 * DATA["school"].nunique() - 2
    need = _memory.Need(("number",), most, False, 3)
    monkeypatch.setattr(
        _memory,
        "available_memory",
        lambda: need.bytes / _memory.SHARE + 1.0,
    )
    model = MixedLinearRegressor("number", fixed=["x"], verbose=1)
    model.fit(lazy(rows, engine), "y")
    told = passes()
    assert "ranges of number" in told
    assert ("groups by number" in told) == counted


def test_cross_tables_are_counted(monkeypatch):
    monkeypatch.setattr(_memory, "available_memory", lambda: 6e4)
    model = MixedLinearRegressor(FACTORS, fixed=["x"])
    with pytest.raises(MemoryError, match="108 groups by school, name"):
        model.fit(lazy(DATA, "duckdb"), "y")
