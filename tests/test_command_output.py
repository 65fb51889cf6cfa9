"""What margins, contrast and pwcompare print: Stata 12's heads and tables."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from sklearn_xmixed import xtmixed
from sklearn_xmixed.datasets import load_orthodont
from sklearn_xmixed.exceptions import CommandError

COMMAND = "distance i.sex##c.age i.third || subject:"
# as Stata 12 prints them after xtmixed; numbers are those of the estimates
HEAD = """\
Predictive margins                                Number of obs   =        108

Expression   : Linear prediction, fixed portion, predict()

------------------------------------------------------------------------------
             |            Delta-method
             |     Margin   Std. Err.      z    P>|z|     [95% Conf. Interval]
-------------+----------------------------------------------------------------
         sex |
     Female  |"""
AT = """\
Adjusted predictions                              Number of obs   =        108

Expression   : Linear prediction, fixed portion, predict()

1._at        : age             =           8
               third           =           2

2._at        : age             =          14
               third           =           2

----"""
EFFECTS = """\
Average marginal effects                          Number of obs   =        108

Expression   : Linear prediction, fixed portion, predict()
dy/dx w.r.t. : age
over         : sex

"""
CONTRAST = """\
Contrasts of marginal linear predictions

Margins      : asbalanced

------------------------------------------------
             |         df        chi2     P>chi2
-------------+----------------------------------
distance     |
       third |
   (2 vs 1)  |          1"""
PAIRS = """\
Pairwise comparisons of marginal linear predictions

Margins      : asbalanced

---------------------------
             |    Number of
             |  Comparisons
-------------+-------------
distance     |
       third |            3
---------------------------

------------------------------------------------------------------------------
             |                              Tukey                Tukey
             |   Contrast   Std. Err.      z    P>|z|     [95% Conf. Interval]
-------------+----------------------------------------------------------------
distance     |
       third |
     2 vs 1  |"""


@pytest.fixture(scope="module")
def data():
    frame = load_orthodont().frame
    numbers = frame["subject"].astype("category").cat.codes
    return frame.assign(third=1 + numbers.to_numpy() % 3)


@pytest.fixture(scope="module")
def fit(data):
    return xtmixed(COMMAND, data, show=False)


@pytest.mark.parametrize(
    ("method", "line", "head"),
    [
        ("margins", "margins sex", HEAD),
        ("margins", "margins sex, at(age=(8 14) third=2)", AT),
        ("margins", "margins, dydx(age) over(sex)", EFFECTS),
        ("contrast", "contrast r.third", CONTRAST),
        ("pwcompare", "pwcompare third, effects mcompare(tukey)", PAIRS),
    ],
)
def test_heads(fit, method, line, head):
    found = getattr(fit, method)(line)
    assert str(found).startswith(head)
    assert str(pickle.loads(pickle.dumps(found))) == str(found)
    html = found._repr_html_()
    assert html.startswith("<div")
    assert html.count("<tr>") == html.count("</tr>") > 2


def rows(found) -> dict[str, list[str]]:
    """Rows of what is printed by their names, the numbers as text."""
    lines = [line.partition("|") for line in str(found).splitlines()]
    return {name.strip(): cells.split() for name, bar, cells in lines if bar}


def test_numbers_are_those_of_the_table(fit):
    found = fit.margins("margins sex#third, at(age=(8 14)) level(90)")
    assert "[90% Conf. Interval]" in str(found)
    printed, table = rows(found), found.table
    assert "_at#sex#" in printed  # the name goes on in the next line
    row = table.loc[(14, "Male", 3)]
    estimate, error, z, p, low, high = map(float, printed["2 Male 3"])
    assert estimate == pytest.approx(row["estimate"], abs=5e-6)
    assert error == pytest.approx(row["std_error"], abs=5e-7)
    assert z == pytest.approx(row["estimate"] / row["std_error"], abs=6e-3)
    assert p == 0
    assert [low, high] == pytest.approx(row[["ci_lower", "ci_upper"]], abs=5e-6)


def test_effects_of_factors_and_covariates(fit):
    printed = rows(fit.margins("margins, dydx(*)"))
    assert [n for n in printed if n] == ["Male.sex", "age", "third", "2", "3"]
    assert "the base level" in str(fit.margins("margins, dydx(*)"))
    assert "the base level" not in str(fit.margins("margins, dydx(age)"))
    table = fit.margins("margins, dydx(third)").table
    assert float(printed["3"][0]) == pytest.approx(table["estimate"].iloc[1], abs=5e-7)
    sections = str(fit.margins("margins sex, dydx(third age)"))
    assert "2.third      |\n         sex |\n     Female  |" in sections
    assert "age          |\n         sex |\n" in sections


def test_means_of_covariates_and_indicators(fit):
    text = str(fit.margins("margins sex, atmeans"))
    assert "at           : age             =          11 (mean)\n" in text
    assert "               2.third         =    .3333333 (mean)\n" in text
    assert "Conditional marginal effects" in str(fit.margins(", dydx(age) atmeans"))
    alone = str(fit.margins("margins, atmeans over(sex)"))
    assert "age             =             (mean)" in alone


def test_a_mean_that_was_asked_for_is_marked(fit):
    text = str(fit.margins("margins sex, at((mean) age third=2)"))
    assert "at           : age             =          11 (mean)\n" in text
    assert "third           =           2\n" in text


def test_without_terms(fit):
    assert list(rows(fit.margins()))[-1] == "_cons"
    numbered = rows(fit.margins("margins, at(age=8) at(age=10 third=2)"))
    assert list(numbered)[-3:] == ["_at", "1", "2"]


def test_wald_tests_and_columns(fit):
    plain = fit.contrast("contrast third")
    df, chi2, p = rows(plain)["third"]
    wanted = plain.joint_test().iloc[0]
    assert (df, float(chi2)) == ("2", pytest.approx(2 * wanted["f_value"], abs=5e-3))
    assert float(p) == pytest.approx(wanted["p_value"], abs=5e-5)
    assert "Std. Err." not in str(plain)
    assert "(2 vs base)" in str(fit.contrast("contrast third, effects"))
    assert "Joint" not in str(fit.contrast("contrast r.sex"))
    only = str(fit.contrast("contrast a.third, nowald pveffects"))
    assert "chi2" not in only
    assert "(1 vs 2)" in only
    assert "Conf. Interval" not in only
    assert "Std. Err." not in str(fit.contrast("contrast g.third, noeffects"))
    for operator, name in (
        ("g", "(1 vs mean)"),
        ("p", "(quadratic)"),
        ("ar", "(3 vs 2)"),
    ):
        assert name in str(fit.contrast(f"contrast {operator}.third"))
    within = rows(fit.contrast("contrast third@sex"))
    assert list(within)[-3:] == ["Female", "Male", "Joint"]
    products = str(fit.contrast("contrast r.sex#r.third, noeffects"))
    assert "(Male vs Female) (2 vs 1)" in products


def test_pairs_of_combinations(fit):
    text = str(fit.pwcompare("pwcompare sex#third"))
    assert "(Female 2) vs (Female 1)" in text
    assert "Unadjusted\n" in text
    assert "Margin   Std. Err." in str(fit.pwcompare("pwcompare third, cimargins"))


def test_small_takes_the_degrees_of_freedom_of_the_command(data):
    fit = xtmixed(f"{COMMAND}, reml dfmethod(kroger)", data, show=False)
    small = fit.contrast("contrast r.third, small effects")
    assert "ddf           F        P>F" in str(small)
    assert "t    P>|t|" in str(small)
    assert np.isfinite(small.table["df"]).all()
    assert np.isinf(fit.contrast("contrast r.third").table["df"]).all()
    assert np.isinf(fit.margins("margins third").table["df"]).all()
    pairs = fit.pwcompare("pwcompare third, small effects")
    assert "t    P>|t|" in str(pairs)
    wanted = fit.marginal_means("third", df="kenward-roger").contrasts(adjust="none")
    assert pairs.table["df"].tolist() == pytest.approx(wanted.table["df"].tolist())
    with pytest.raises(CommandError, match="needs dfmethod"):
        xtmixed(COMMAND, data, show=False).contrast("contrast third, small")


def test_what_is_not_estimable(data):
    gone = data[~((data["third"] == 2) & (data["sex"] == "Male"))]
    fit = xtmixed("distance i.sex##i.third age || subject:", gone, show=False)
    text = str(fit.margins("margins sex#third"))
    assert "(not estimable)" in text
    assert "Not estimable: Male 2" in text
    assert "(not estimable)" in str(fit.contrast("contrast r.third@sex"))
    assert isinstance(fit.margins("margins third").table, pd.DataFrame)
