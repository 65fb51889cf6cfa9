"""Formulas in lme4's notation: parsing, levels, columns, and lme4's own fits."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from sklearn_xmixed import (
    MixedLinearRegressor,
    RandomEffects,
    Residuals,
    bootstrap,
    by,
    from_formula,
    jackknife,
    mi_estimate,
    rolling,
    statsby,
    xtmixed,
)
from sklearn_xmixed.datasets import (
    load_orthodont,
    load_pastes,
    load_penicillin,
    load_sleepstudy,
)
from sklearn_xmixed.formula import FormulaError
from sklearn_xmixed.languages.formula._parser import parse_formula
from tests.conftest import examples, slow
from tests.reference.conftest import REFERENCES

SLEEP = load_sleepstudy().frame


def terms(text):
    found = parse_formula(text)
    random = [(t.effects, ":".join(t.grouping), t.covariance[:2]) for t in found.random]
    return found.response, found.fixed, random


ACCEPTED = {
    "y ~ x": ("y", "x", []),
    "y~1": ("y", "1", []),
    "y ~ (1|g)": ("y", "1", [("1", "g", "un")]),
    "y ~ x + (x | g)": ("y", "x", [("x", "g", "un")]),
    "y ~ x+(1+x|g)+z": ("y", "x + z", [("1+x", "g", "un")]),
    "y ~ -1 + x + (0 + x || g)": ("y", "- 1 + x", [("0 + x", "g", "in")]),
    "log(y) ~ x*z + I(x**2) - 1 + (1 | g)": (
        "log(y)",
        "x*z + I(x**2) - 1",
        [("1", "g", "un")],
    ),
    "y ~ (1|a/b)": ("y", "1", [("1", "a", "un"), ("1", "a:b", "un")]),
    "y ~ (x|a/b/c)": (
        "y",
        "1",
        [("x", "a", "un"), ("x", "a:b", "un"), ("x", "a:b:c", "un")],
    ),
    "y ~ (1|a:b) + (1|c)": ("y", "1", [("1", "a:b", "un"), ("1", "c", "un")]),
    "y ~ (1 | `my group`)": ("y", "1", [("1", "my group", "un")]),
    "y ~ poly(x, 2) + (poly(x, 2) | g)": (
        "y",
        "poly(x, 2)",
        [("poly(x, 2)", "g", "un")],
    ),
    "y ~ diag(x | g)": ("y", "1", [("x", "g", "in")]),
    "y ~ f(a - b) + {x + 1} + (1|g)": ("y", "f(a - b) + {x + 1}", [("1", "g", "un")]),
    "y ~ x +\n  (1 | g)": ("y", "x", [("1", "g", "un")]),
    "y ~ x:z + (1|g) - 1": ("y", "x:z - 1", [("1", "g", "un")]),
}


@pytest.mark.parametrize("text", ACCEPTED)
def test_accepted_formulas(text):
    assert terms(text) == ACCEPTED[text]


REJECTED = {
    "y x": ("no '~'", ""),
    "~ x": ("Nothing stands before", "~"),
    "y ~ x ~ z": ("two '~'", "~"),
    "y ~ x | g": ("outside parentheses", "|"),
    "y ~ (x | g": ("not closed", "("),
    "y ~ x | g)": ("closes nothing", ")"),
    "y ~ (x | g]": ("closes nothing", "]"),
    "y ~ x * (1 | g)": ("stands alone", "x * (1 | g)"),
    "y ~ (1 | g):x": ("stands alone", "(1 | g):x"),
    "y ~ (1 | g)(1 | h)": ("stands alone", "(1 | g)(1 | h)"),
    "y ~ x - (1 | g)": ("taken away", "(1 | g)"),
    "y ~ (| g)": ("before the bar", "|"),
    "y ~ (1 | )": ("behind the bar", "|"),
    "y ~ (1 | g | h)": ("one bar", "|"),
    "y ~ (1 | g + h)": ("not understood in a grouping", "+"),
    "y ~ (1 | g*h)": ("not understood in a grouping", "*"),
    "y ~ (1 | g/)": ("expected here", "/"),
    "y ~ (1 | 3)": ("expected here", "3"),
    "y ~ (1 | a:a)": ("stands twice", "a"),
    "y ~ ar1(x | g)": ("two readings", "ar1"),
    "y ~ us(x | g)": ("two readings", "us"),
    "y ~ us(x || g)": ("two readings", "us"),
    "y ~ diag(x || g)": ("both say", "diag(x || g)"),
    "y ~ spherical(x | g)": ("no covariance structure", "spherical"),
    "y ~ x + + z": ("missing", " "),
    "y ~ x + (1 | g) +": ("missing", None),
    "y ~ 'x": ("not closed", "'"),
    "y ~ ((1 | g) + x)": ("stands alone", "((1 | g) + x)"),
}


@pytest.mark.parametrize("text", REJECTED)
def test_rejected_formulas_are_marked(text):
    message, marked = REJECTED[text]
    with pytest.raises(FormulaError) as caught:
        parse_formula(text)
    error = caught.value
    assert message in str(error)
    if marked:
        assert text[slice(*error.span)] == marked
        assert "^" * len(marked) in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)


@settings(max_examples=examples(300), deadline=None)
@given(st.text(alphabet="yxg~|()+-*/:0 1`'[]{}a", max_size=30))
def test_any_text_gives_a_formula_or_the_own_error(text):
    try:
        parse_formula(text)
    except FormulaError as error:
        start = 0 if error.span is None else error.span[0]
    else:
        start = 0
    assert 0 <= start <= len(text)


# -- lme4's fits ---------------------------------------------------------------------


def _said_by_formula(reference):
    shared = any(
        e.get("covariance") in ("identity", "exchangeable")
        and len(e.get("columns", ()))
        for e in reference.random_effects
        if len(e.get("columns", ())) + e.get("intercept", True) > 1
    )
    return reference.source == "lme4" and not shared


SAID = [name for name, r in REFERENCES.items() if _said_by_formula(r)]


@pytest.mark.parametrize(
    "name", [slow(name) if number % 2 else name for number, name in enumerate(SAID)]
)
def test_formulas_of_the_reference_fits(name):
    reference = REFERENCES[name]
    if not reference.available:
        pytest.skip("the manual's data are not here (XMIXED_DATA)")
    frame = reference.frame()
    model = from_formula(reference.formula, frame, method=reference.method)
    assert_allclose(model.log_likelihood_, reference.log_likelihood, rtol=1e-10)
    own = dict(zip(model.fixed_names_, model.coef_, strict=True))
    own["_cons"] = model.intercept_
    for term, value in reference.coef.items():
        assert_allclose(own[term], value, rtol=1e-6, atol=1e-9)


def test_there_are_many_of_them():
    assert len(SAID) > 35


CROSSED = json.loads((Path(__file__).parent / "reference" / "formula.json").read_text())


@pytest.mark.parametrize("method", ["ml", "reml"])
@pytest.mark.parametrize("number", range(len(CROSSED["formulas"])))
def test_slopes_on_crossed_groupings_and_categories(number, method):
    frame = pd.DataFrame(CROSSED["data"])
    fit = from_formula(CROSSED["formulas"][number], frame, method=method)
    expected = CROSSED["log_likelihood"][number][method]
    assert_allclose(fit.log_likelihood_, expected, rtol=0, atol=2e-6)


# -- nested or crossed -----------------------------------------------------------------


def spec(model):
    return [
        (e.group, tuple(e.columns), e.factor, bool(e.intercept), e.covariance)
        for e in model.get_params(deep=False)["random_effects"]
    ]


def test_nesting_is_seen_in_the_data():
    frame = load_pastes().frame
    frame["sample"] = frame["batch"] + frame["cask"]
    fits = [
        from_formula(f"strength ~ {random}", frame, method="reml")
        for random in (
            "(1 | batch/cask)",
            "(1 | batch) + (1 | batch:cask)",
            "(1 | cask:batch) + (1 | batch)",
            "(1 | sample) + (1 | batch)",
        )
    ]
    for fit in fits:
        assert spec(fit)[0][0] == "batch"
        assert all(e[2] is None for e in spec(fit))
        assert_allclose(fit.log_likelihood_, fits[0].log_likelihood_, rtol=1e-12)
        assert_allclose(fit.predict(frame), fits[0].predict(frame), rtol=1e-7)
    # labels a, b, c within batches, taken as if they were the same in all: crossed
    crossed = from_formula("strength ~ (1 | batch) + (1 | cask)", frame)
    assert ("_all", (), "cask", True, None) in spec(crossed)


def test_crossed_groupings():
    frame = load_penicillin().frame
    fit = from_formula(
        "diameter ~ 1 + (1 | plate) + (1 | sample)", frame, method="reml"
    )
    crossed = [RandomEffects("_all", factor=name) for name in ("plate", "sample")]
    plain = MixedLinearRegressor(crossed, fixed=[], method="reml")
    plain.fit(frame[["plate", "sample"]], frame["diameter"])
    assert_allclose(fit.log_likelihood_, plain.log_likelihood_, rtol=1e-10)
    assert_allclose(
        fit.predict(frame), plain.predict(frame[["plate", "sample"]]), rtol=1e-6
    )


def test_a_covariate_that_is_a_grouping_too():
    fit = from_formula("reaction ~ days + (1 | subject) + (1 | days)", SLEEP)
    assert fit.fixed_names_ == ["days"]
    assert ("_all", (), "days", True, None) in spec(fit)
    assert np.isfinite(fit.predict(SLEEP)).all()


def test_double_bars():
    numeric = from_formula("reaction ~ days + (days || subject)", SLEEP)
    assert spec(numeric) == [("subject", ("days",), None, True, "independent")]
    frame = SLEEP.assign(part=np.where(SLEEP["days"] < 5, "early", "late"))
    mixed = from_formula("reaction ~ part + (part || subject)", frame)
    # a category's columns stay together, as in lme4
    columns = ("part[T.late]",)
    assert spec(mixed)[-1][1] in (columns, ("part[early]", "part[late]"))


# -- the fixed part ------------------------------------------------------------------


def test_categories_and_transforms_are_those_of_the_fit():
    frame = load_orthodont().frame
    fit = from_formula("distance ~ sex*center(age) + (1 | subject)", frame)
    assert fit.fixed_names_ == ["sex[T.Male]", "center(age)", "sex[T.Male]:center(age)"]
    one = frame.iloc[[5]]
    assert_allclose(fit.predict(one), fit.predict(frame)[5:6], rtol=1e-12)
    with pytest.raises(FormulaError, match="age"):
        fit.predict(one.drop(columns="age"))
    with pytest.raises(FormulaError, match=r"not there at fit.*Other"):
        fit.predict(one.assign(sex="Other"))


def test_no_constant_and_transformed_response():
    fit = from_formula("log(reaction) ~ 0 + days + (1 | subject)", SLEEP)
    assert fit.intercept_ == 0.0
    assert fit.results_.target == "log(reaction)"
    assert fit.results_.fixed_names == ("days",)
    assert_allclose(fit.response(SLEEP), np.log(SLEEP["reaction"]))
    assert 0 < fit.score(SLEEP) <= 1


def test_missing_values():
    frame = SLEEP.copy()
    frame["group"] = np.where(frame["days"] < 5, "a", "b").astype(object)
    frame.loc[3, "group"] = None
    frame.loc[7, "reaction"] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        from_formula("reaction ~ group + (1 | subject)", frame)
    fit = from_formula("reaction ~ group + (1 | subject)", frame, missing="drop")
    assert fit.results_.n_obs == 178
    assert np.isnan(fit.predict(frame)[3])


def test_weights_by_name():
    frame = SLEEP.assign(w=1 + SLEEP.index % 3)
    fit = from_formula("reaction ~ days + (1 | subject)", frame, sample_weight="w")
    plain = MixedLinearRegressor("subject", fixed=["days"])
    plain.fit(frame, frame["reaction"], sample_weight=frame["w"])
    assert_allclose(fit.log_likelihood_, plain.log_likelihood_, rtol=1e-12)
    with pytest.raises(ValueError, match="no column"):
        from_formula("reaction ~ days", frame, sample_weight="weight")


@pytest.mark.parametrize("make", [pl.from_pandas, lambda f: f.to_dict("list")])
def test_other_frames(make):
    fit = from_formula("reaction ~ days + (days | subject)", make(SLEEP))
    expected = from_formula("reaction ~ days + (days | subject)", SLEEP)
    assert_allclose(fit.log_likelihood_, expected.log_likelihood_, rtol=1e-12)
    assert_allclose(fit.predict(make(SLEEP)), expected.predict(SLEEP), rtol=1e-10)


def test_without_random_terms():
    fit = from_formula("reaction ~ days", SLEEP)
    slope = np.polyfit(SLEEP["days"], SLEEP["reaction"], 1)[0]
    assert_allclose(fit.coef_[0], slope)
    empty = from_formula("reaction ~ 1", SLEEP)
    assert_allclose(empty.intercept_, SLEEP["reaction"].mean())


# -- at home in scikit-learn -----------------------------------------------------------


def test_clone_pickle_and_cross_validation():
    fit = from_formula("reaction ~ days + (days | subject)", SLEEP)
    again = clone(fit).fit(SLEEP)
    assert_allclose(again.log_likelihood_, fit.log_likelihood_, rtol=1e-12)
    loaded = pickle.loads(pickle.dumps(fit))
    assert_allclose(loaded.predict(SLEEP), fit.predict(SLEEP))
    assert repr(fit) == "FormulaRegressor('reaction ~ days + (days | subject)')"
    assert str(fit) == str(fit.summary())
    scores = cross_val_score(fit, SLEEP, SLEEP["reaction"], scoring="r2", cv=3)
    assert len(scores) == 3
    assert fit.set_params(method="reml").get_params()["method"] == "reml"


def test_resampling_takes_commands():
    fit = xtmixed("reaction c.days##c.days || subject: days", SLEEP, show=False)
    frame = SLEEP.assign(square=SLEEP["days"] ** 2)
    plain = MixedLinearRegressor(
        RandomEffects("subject", ["days"]), fixed=["days", "square"]
    )
    own = jackknife(fit, SLEEP)
    expected = jackknife(plain, frame, frame["reaction"])
    assert_allclose(own.std_error, expected.std_error, rtol=1e-6)
    assert ("reaction", "c.days#c.days") in own.estimate.index
    windows = rolling(
        xtmixed("reaction || subject:", SLEEP, show=False), SLEEP,
        window=5, step=5, time="days",
    )  # fmt: skip
    assert len(windows) == 2
    assert list(by(fit, SLEEP.assign(half=SLEEP["subject"] % 2), by="half")) == [0, 1]


def test_resampling_takes_formulas():
    fit = from_formula("reaction ~ days + (days | subject)", SLEEP)
    result = bootstrap(fit, SLEEP, n_resamples=5, random_state=0)
    equation = RandomEffects("subject", ["days"], covariance="unstructured")
    plain = bootstrap(
        MixedLinearRegressor(equation),
        SLEEP[["subject", "days"]],
        SLEEP["reaction"],
        n_resamples=5,
        random_state=0,
    )
    pd.testing.assert_frame_equal(result.replicates, plain.replicates)
    frame = load_orthodont().frame
    found = statsby(
        from_formula("distance ~ age + (1 | subject)", frame), frame, by="sex"
    )
    assert list(found.index) == ["Female", "Male"]
    fits = by(
        from_formula("distance ~ center(age) + (1 | subject)", frame), frame, by="sex"
    )
    men = frame[frame["sex"] == "Male"]
    assert_allclose(fits["Male"].predict(men.head(3)), fits["Male"].predict(men)[:3])
    alone = from_formula("distance ~ center(age) + (1 | subject)", men)
    assert_allclose(fits["Male"].log_likelihood_, alone.log_likelihood_, rtol=1e-12)
    shifted = [frame.assign(distance=frame["distance"] + k / 10) for k in range(3)]
    pooled = mi_estimate(from_formula("distance ~ age + (1 | subject)", frame), shifted)
    assert pooled.n_imputations == 3


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("reaction ~ day + (1 | subject)", "`day` is not present"),
        ("reaction ~ days + (1 | subj)", "no grouping variable 'subj'"),
        ("reactio ~ days", "`reactio` is not present"),
        ("reaction ~ days + * subject", "incorrectly used"),
        ("reaction ~ days + (0 | subject)", "no effects"),
    ],
)
def test_formulas_that_the_data_do_not_fit(formula, message):
    with pytest.raises(FormulaError, match=message):
        from_formula(formula, SLEEP)


def test_what_the_formula_says_is_no_parameter():
    with pytest.raises(TypeError, match="the formula says it"):
        from_formula("reaction ~ days", SLEEP, random_effects="subject")
    with pytest.raises(TypeError, match="data with names"):
        from_formula("reaction ~ days", SLEEP.to_numpy())
    with pytest.raises(TypeError, match="must be text"):
        from_formula(3, SLEEP)


def test_formulaic_missing(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "formulaic", None)
    with pytest.raises(ImportError, match=r"sklearn-xmixed\[formula\]"):
        from_formula("reaction ~ days", SLEEP)


def test_a_grouping_without_effects():
    """Rows that belong together, for residuals that are correlated within them."""
    sleep = load_sleepstudy().frame
    residuals = Residuals("unstructured", time="days")
    early = sleep.query("days < 4")
    fit = from_formula(
        "reaction ~ days + (0 | subject)", early, method="reml", residuals=residuals
    )
    plain = MixedLinearRegressor(
        RandomEffects("subject", intercept=False),
        fixed=["days"],
        method="reml",
        residuals=residuals,
    ).fit(early[["subject", "days"]], early["reaction"])
    assert fit.log_likelihood_ == pytest.approx(plain.log_likelihood_, rel=1e-12)
    assert_allclose(fit.coef_, plain.coef_)
    assert_allclose(fit.predict(early), plain.predict(early[["subject", "days"]]))
    assert_allclose(fit.forecast(early), plain.forecast(early[["subject", "days"]]))
    within = from_formula(
        "reaction ~ days + (0 | subject)", sleep, residuals=Residuals("ar", time="days")
    )
    assert within.results_.n_residual == 2


def test_a_grouping_without_effects_must_nest():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"a": np.arange(60) % 5, "b": rng.integers(0, 6, 60)})
    data["y"] = rng.normal(size=60)
    with pytest.raises(FormulaError, match="crosses the other groupings"):
        from_formula(
            "y ~ (1 + a | b) + (0 | a)", data, residuals=Residuals("exchangeable")
        )


@pytest.mark.parametrize(
    ("random", "options"),
    [
        (" + (1 | subject)", {"residuals": Residuals("ar", time="days")}),
        (" + (1 | subject)", {"residuals": Residuals("independent", by="half")}),
        ("", {"vce": "cluster", "cluster": "half"}),
    ],
)
def test_a_time_is_a_covariate_where_the_formula_says_so(random, options):
    """It was left out without a word."""
    data = load_sleepstudy().frame
    data["half"] = (data["subject"] > 340).astype(float)
    fit = from_formula("reaction ~ days + half" + random, data, **options)
    assert fit.fixed_names_ == ["days", "half"]
