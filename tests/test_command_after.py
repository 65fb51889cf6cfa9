"""Lines after a command: test, estat."""

from __future__ import annotations

import pandas as pd
import pytest

from sklearn_xmixed import xtmixed
from sklearn_xmixed.datasets import load_sleepstudy
from sklearn_xmixed.exceptions import CommandError

MODEL = "mixed reaction days || subject: days, cov(un) reml"


def fit(options: str = ""):
    return xtmixed(f"{MODEL} {options}", load_sleepstudy().frame, show=False)


def test_small_takes_the_degrees_of_freedom_of_the_command():
    model = fit("dfmethod(kroger)")
    small = model.test("test days, small")
    assert (small.df, round(small.df_denom, 6)) == (1, 17.0)
    assert model.test("days, small") == small
    large = model.test("test days")
    assert large.chi2 == pytest.approx(small.f_value)
    assert model.test("test days _cons").df == 2
    assert model.test("test (days = 10) (_cons = 250), small").df == 2
    assert model.test("test days = 10").constraints == ("[reaction]days = 10",)


def test_combinations_take_small():
    model = fit("dfmethod(kroger)")
    expected = model.lincom("_cons + 9*days", df="kenward-roger")
    pd.testing.assert_frame_equal(model.lincom("_cons + 9*days, small"), expected)
    with pytest.raises(CommandError, match="needs dfmethod"):
        fit().lincom("_cons + 9*days, small")


def test_estat_df_has_a_method_of_its_own():
    model = fit()
    table = model.coef_table(df="kenward-roger-observed")
    found = model.estat("estat df, method(kroger, oim)")
    pd.testing.assert_series_equal(found, table["df"])
    assert model.estat("df, method(res)").tolist() == [178.0, 178.0]
    assert fit("dfmethod(anova)").estat("estat df").tolist() == [17.0, 17.0]


@pytest.mark.parametrize(
    ("line", "method"),
    [("ic", "information_criteria"), ("group", "group_table"), ("vce", "vcov")],
)
def test_other_tables(line, method):
    model = fit()
    expected = getattr(model, method)()
    assert model.estat(f"estat {line}").equals(expected)


@pytest.mark.parametrize(
    ("method", "line", "message"),
    [
        ("test", "test days, small", "needs dfmethod"),
        ("test", "test", "nothing to test"),
        ("test", "test days, mtest", "'mtest' is not understood"),
        ("estat", "estat df", "needs method"),
        ("estat", "estat df, method(kr)", None),
        ("estat", "estat df, method(welch)", "no method of degrees of freedom"),
        ("estat", "estat df, method(sat, eim)", "no information matrix"),
        ("estat", "estat wcorrelation", "There are df, ic, group"),
        ("estat", "estat ic, method(kr)", "not understood"),
    ],
)
def test_what_is_not_understood(method, line, message):
    call = getattr(fit(), method)
    if message is None:
        assert len(call(line)) == 2
        return
    with pytest.raises(CommandError, match=message):
        call(line)
