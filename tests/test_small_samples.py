"""Methods for small samples against their definitions, for every kind of model.

The oracle (``small_sample_oracle.py``) forms V and its derivatives whole, at the estimates
that the fit reports.  Rounding apart the two are equal; 1e-6 is for what the search
leaves of the slope of the likelihood, on which the observed information in one set of
parameters or another depends.
"""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import f as f_distribution
from scipy.stats import t as t_distribution

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from tests.conftest import STRUCTURES, slow
from tests.small_sample_oracle import METHODS, Tied, of_model
from tests.test_residuals import EFFECTS, residuals_of
from tests.test_robust_residuals import correlated

TOLERANCE = 1e-6
USUAL = ("satterthwaite", "kenward-roger")
OTHERS = [method for method in METHODS if method not in USUAL]


# ------------------------------------------------------------------------------ models


def nested_data(seed: int) -> pd.DataFrame:
    """Three levels of variance, slopes at each of them, unbalanced."""
    rng = np.random.default_rng(seed)
    cells = [(a, b, c) for a in range(6) for b in range(3) for c in range(2)]
    keep = rng.permutation(len(cells))[:32]
    sizes = rng.integers(2, 7, len(keep))
    index = np.repeat(np.sort(keep), sizes)
    frame = pd.DataFrame(np.array(cells)[index], columns=["a", "b", "c"])
    n = len(frame)
    frame["cell"] = index
    frame["x0"], frame["x1"] = rng.normal(size=n), rng.normal(1.0, 0.7, size=n)
    frame["z"] = rng.normal(size=6)[frame.a]
    u = rng.normal(size=(6, 3))[frame.a]
    v = rng.normal(size=(6, 3, 3))[frame.a, frame.b]
    w = rng.normal(size=(6, 3, 2, 3))[frame.a, frame.b, frame.c]
    columns = np.column_stack([frame.x0, frame.x1, np.ones(n)])
    frame["y"] = np.sum((u + v + w) * columns, axis=1) + 0.7 * rng.normal(size=n)
    return frame.sample(frac=1.0, random_state=seed).reset_index(drop=True)


def crossed_data(seed: int) -> pd.DataFrame:
    """Two factors that cross, one nested in the second, levels within few groups."""
    rng = np.random.default_rng(seed)
    n = 110
    frame = pd.DataFrame({"p": rng.integers(0, 9, n), "q": rng.integers(0, 7, n)})
    frame["part"] = rng.integers(0, 3, n)
    frame["g"] = rng.integers(0, 8, n)
    frame["x0"], frame["x1"] = rng.normal(size=n), rng.normal(1.0, 0.7, size=n)
    frame["z"] = rng.normal(size=9)[frame.p]
    frame["y"] = rng.normal(size=9)[frame.p] + rng.normal(size=7)[frame.q]
    frame["y"] += rng.normal(size=(7, 3))[frame.q, frame.part]
    frame["y"] += rng.normal(size=7)[frame.q] * frame.x0
    frame["y"] += rng.normal(size=(8, 3))[frame.g, frame.part]
    frame["y"] += rng.normal(size=8)[frame.g] + 0.7 * rng.normal(size=n)
    return frame


ALL_P, ALL_Q = (RandomEffects("_all", factor=name) for name in "pq")
NESTED = {
    **{
        f"one level, {s}": [RandomEffects("cell", ["x0", "x1"], covariance=s)]
        for s in STRUCTURES
    },
    **{
        f"two levels, {s}": [
            RandomEffects("a"),
            RandomEffects("b", ["x0"], covariance=s),
        ]
        for s in STRUCTURES
    },
    **{
        f"three levels, {s}": [
            RandomEffects("a"),
            RandomEffects("b", ["x1"], covariance=s),
            RandomEffects("c"),
        ]
        for s in STRUCTURES
    },
    "blocks": [
        RandomEffects("a", ["x0", "x1"], covariance="identity", intercept=False),
        RandomEffects("a"),
        RandomEffects("b", ["x0"]),
    ],
    "none": [],
}
CROSSED = {
    "two factors": [ALL_P, ALL_Q],
    "a factor with slopes": [
        ALL_P,
        RandomEffects("_all", ["x0"], factor="q", covariance="unstructured"),
    ],
    "a factor with independent slopes": [
        ALL_P,
        RandomEffects("_all", ["x0"], factor="q", covariance="independent"),
    ],
    "crossed and nested": [ALL_P, ALL_Q, RandomEffects("q", factor="part")],
    "levels within groups": [RandomEffects("g", factor="part", covariance="identity")],
    "exchangeable levels": [
        RandomEffects("g", factor="part", covariance="exchangeable")
    ],
}
#: structure, random effects, by
STRUCTURED = [
    ("independent", "intercept", "b"),
    ("independent", "slope", "b"),
    ("independent", "three", "b"),
    ("exchangeable", "none", None),
    ("exchangeable", "none", "b"),
    ("exchangeable", "above", None),
    ("ar", "none", None),
    ("ar", "none", "b"),
    ("ar", "intercept", None),
    ("ar", "slope", None),
    ("ar", "three", "b"),
    ("ar2", "none", None),
    ("ar2", "none", "b"),
    ("ar3", "above", None),
    ("ma", "none", "b"),
    ("ma", "intercept", None),
    ("ma", "above", None),
    ("ma2", "none", None),
    ("ma2", "above", "b"),
    ("unstructured", "none", None),
    ("unstructured", "none", "b"),
    ("unstructured", "above", None),
    ("banded", "none", None),
    ("banded", "none", "b"),
    ("toeplitz", "none", None),
    ("toeplitz", "above", "b"),
    ("toeplitz_all", "none", None),
    ("exponential", "none", None),
    ("exponential", "none", "b"),
    ("exponential", "intercept", None),
    ("exponential", "three", None),
]
#: each structure once, and all kinds of effects
EVERYDAY = [
    ("independent", "three", "b"),
    ("exchangeable", "none", "b"),
    ("ar", "slope", None),
    ("ar2", "none", "b"),
    ("ar3", "above", None),
    ("ma", "intercept", None),
    ("ma2", "above", "b"),
    ("unstructured", "none", None),
    ("banded", "none", "b"),
    ("toeplitz", "above", "b"),
    ("toeplitz_all", "none", None),
    ("exponential", "three", None),
]
CASES = [
    *(("nested", name, seed) for name in NESTED for seed in (1, 2)),
    *(("crossed", name, 3) for name in CROSSED),
    *(("structured", case, 11) for case in STRUCTURED),
]


def ids(case):
    kind, name, seed = case
    return (
        f"{kind}: {name if isinstance(name, str) else '-'.join(map(str, name))} {seed}"
    )


DAILY = {
    *(("nested", name, 1) for name in NESTED),
    *(("crossed", name, 3) for name in CROSSED),
    *(("structured", case, 11) for case in EVERYDAY),
}


def spec_of(case):
    """Data, equations, residuals and fixed part."""
    kind, name, seed = case
    if kind == "nested":
        return nested_data(seed), NESTED[name], None, ["x0", "x1", "z"]
    if kind == "crossed":
        return crossed_data(seed), CROSSED[name], None, ["x0", "x1", "z"]
    structure, effects, by = name
    frame = correlated(seed)
    if (structure, by) == ("unstructured", "b"):  # a variance per time and category
        frame = frame[frame.t < 3].reset_index(drop=True)
    return frame, EFFECTS[effects], residuals_of(structure, by), ["x0", "x1"]


def fit(frame, equations, residuals, fixed, **options):
    model = MixedLinearRegressor(
        equations or None,
        fixed=fixed,
        residuals=residuals,
        **{"method": "reml", **options},
    )
    with warnings.catch_warnings():
        # a variance at its bound is told by a warning; that is what some are here for
        warnings.simplefilter("ignore")
        return model.fit(frame.drop(columns="y"), frame.y)


@cache
def both(case):
    """The fit and the definition at its estimates."""
    frame, equations, residuals, fixed = spec_of(case)
    model = fit(frame, equations, residuals, fixed)
    return model, of_model(model, equations, frame, frame.y)


# ------------------------------------------------------------------------------- tests


@pytest.mark.parametrize(
    "case", [case if case in DAILY else slow(case) for case in CASES], ids=ids
)
def test_the_oracle_is_at_the_same_model(case):
    """Likelihood, coefficients and their unadjusted variances: no df needed."""
    model, oracle = both(case)
    assert model.converged_
    assert_allclose(oracle.log_likelihood, model.log_likelihood_, rtol=1e-9)
    assert_allclose(oracle.beta, [*model.coef_, model.intercept_], rtol=1e-6)
    p = len(oracle.beta)
    ours = model.vcov().to_numpy()[:p, :p]
    assert_allclose(oracle.vcov("satterthwaite"), ours, rtol=1e-6, atol=1e-12)
    assert_allclose(oracle.score * oracle.theta, 0.0, atol=1e-4)


def rows_of(p):
    """Contrasts of one to p rows; the last column is the constant."""
    rng = np.random.default_rng(p)
    return [np.eye(p)[:2], np.eye(p)[: p - 1], rng.normal(size=(2, p)), np.eye(p)]


def every_table():
    """All cases by all methods; every day by the two usual ones and one more in turn."""
    for number, case in enumerate(CASES):
        usual = (*USUAL, OTHERS[number % len(OTHERS)])
        for method in METHODS:
            daily = case in DAILY and method in usual
            yield pytest.param(
                case,
                method,
                id=f"{ids(case)}-{method}",
                marks=() if daily else pytest.mark.slow,
            )


@pytest.mark.daily
@pytest.mark.parametrize(("case", "method"), every_table())
def test_tables_and_tests_are_those_of_the_definition(case, method):
    model, oracle = both(case)
    table = model.coef_table(df=method)
    p = len(table)
    assert [*table.columns] == [
        *("estimate", "std_error", "t", "df", "p_value", "ci_lower", "ci_upper")
    ]
    se, df = np.sqrt(np.diag(oracle.vcov(method))), oracle.df(method, np.eye(p))
    assert_allclose(table["std_error"], se, rtol=TOLERANCE)
    assert_allclose(table["df"], df, rtol=TOLERANCE)
    t = table["estimate"] / table["std_error"]
    assert_allclose(table["t"], t, rtol=1e-12)
    p_value = 2.0 * t_distribution.sf(np.abs(t), table["df"])
    assert_allclose(table["p_value"], p_value, rtol=1e-9)
    half = t_distribution.ppf(0.975, table["df"]) * table["std_error"]
    assert_allclose(table["ci_lower"], table["estimate"] - half, rtol=1e-9)
    assert_allclose(table["ci_upper"], table["estimate"] + half, rtol=1e-9)
    for L in rows_of(p):
        test = model.wald_test(L, df=method)
        F, l, m, scale = oracle.test(method, L)
        assert test.df == l
        assert_allclose(test.df_denom, m, rtol=TOLERANCE)
        assert_allclose([test.f_value, test.scale], [F, scale], rtol=TOLERANCE)
        p_value = f_distribution.sf(test.f_value, l, test.df_denom)
        assert_allclose(test.p_value, p_value, rtol=1e-9)


@pytest.mark.daily
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "case", [CASES[4], ("crossed", "two factors", 3), CASES[-1]], ids=ids
)
def test_values_and_combinations(case, method):
    """Hypothesised values that are not zero; lincom at another level."""
    model, oracle = both(case)
    p = len(model.coef_table())
    L, value = np.eye(p)[:2], np.array([0.3, -0.2])
    test = model.wald_test(L, value, df=method)
    expected = oracle.test(method, L, value)
    found = (test.f_value, test.df, test.df_denom, test.scale)
    assert_allclose(found, expected, rtol=TOLERANCE)
    row = np.array([1.0, -2.0, *np.zeros(p - 3), 0.5])
    found = model.lincom("x0 - 2 * x1 + 0.5 * _cons", 0.9, df=method).iloc[0]
    se = np.sqrt(row @ oracle.vcov(method) @ row)
    df = oracle.df(method, row[None, :])[0]
    estimate = row @ oracle.beta
    expected = [estimate, se, estimate / se, df]
    assert_allclose(
        found[["estimate", "std_error", "t", "df"]].to_numpy(float),
        expected,
        rtol=TOLERANCE,
    )
    half = t_distribution.ppf(0.95, df) * se
    ends = found[["ci_lower", "ci_upper"]].to_numpy(float)
    assert_allclose(ends, [estimate - half, estimate + half], rtol=10 * TOLERANCE)


@pytest.mark.parametrize("method", ["satterthwaite", "kenward-roger"])
def test_the_estimator_s_method_is_the_default(method):
    frame, equations, residuals, fixed = spec_of(CASES[0])
    plain = fit(frame, equations, residuals, fixed)
    own = fit(frame, equations, residuals, fixed, df_method=method)
    pd.testing.assert_frame_equal(own.coef_table(), plain.coef_table(df=method))
    ours, theirs = own.wald_test("x0, x1"), plain.wald_test("x0, x1", df=method)
    assert (ours.f_value, ours.df_denom) == (theirs.f_value, theirs.df_denom)


# ---------------------------------------------------------------------------- boundary


def without_variance(seed: int) -> pd.DataFrame:
    """Means of the levels ``b`` that do not vary, and a slope that does not either."""
    frame = nested_data(seed)
    rng = np.random.default_rng(seed + 100)
    e = rng.normal(size=len(frame))
    inside = e - pd.Series(e).groupby([frame.a, frame.b]).transform("mean")
    frame["y"] = inside + rng.normal(size=6)[frame.a]
    return frame


@cache
def singular(name):
    """Fits at the boundary, and the definition with what is there held."""
    if name == "zero variance":
        frame, equations = without_variance(1), [RandomEffects("a"), RandomEffects("b")]
    elif name == "zero slope":
        frame = without_variance(1)
        frame["y"] -= 0.0
        equations = [RandomEffects("a"), RandomEffects("b", ["x0"])]
    else:  # the slope is a multiple of the intercept
        frame = nested_data(4)
        rng = np.random.default_rng(104)
        u = rng.normal(size=6)[frame.a]
        sign = 1.0 if name == "correlation one" else -1.0
        frame["y"] = u + sign * 0.8 * u * frame.x0 + 0.7 * rng.normal(size=len(frame))
        equations = [RandomEffects("a", ["x0"], covariance="unstructured")]
    fixed = ["x0", "x1", "z"]
    model = fit(frame, equations, None, fixed)
    return model, of_model(model, equations, frame, frame.y), equations


TIED = ("correlation one", "correlation minus one")
SINGULAR = ("zero variance", "zero slope", *TIED)


@pytest.mark.parametrize("name", SINGULAR)
def test_the_oracle_holds_what_is_at_the_boundary(name):
    model, oracle, equations = singular(name)
    assert_allclose(oracle.log_likelihood, model.log_likelihood_, rtol=1e-9)
    everything = 1 + sum(
        q * (q + 1) // 2 if e.covariance == "unstructured" else q
        for e in equations
        for q in [len(e.columns) + 1]
    )
    assert oracle.m < everything
    # the slope along what is free is zero
    assert_allclose(oracle.score * oracle.theta, 0.0, atol=1e-4)


@pytest.mark.daily
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", SINGULAR)
def test_at_the_boundary_the_free_directions_count(name, method):
    """V is linear along them, so that the versions of Kenward and Roger are one
    (lmerTest agrees on Satterthwaite, see tests/reference)."""
    model, oracle, _ = singular(name)
    table = model.coef_table(df=method)
    p = len(table)
    assert_allclose(
        table["std_error"], np.sqrt(np.diag(oracle.vcov(method))), rtol=TOLERANCE
    )
    assert_allclose(table["df"], oracle.df(method, np.eye(p)), rtol=TOLERANCE)
    test = model.wald_test(np.eye(p)[:3], df=method)
    expected = oracle.test(method, np.eye(p)[:3])
    found = (test.f_value, test.df, test.df_denom, test.scale)
    assert_allclose(found, expected, rtol=TOLERANCE)


def test_a_tied_part_is_found():
    """The cases above are what they are called."""
    for name in TIED:
        model, _, equations = singular(name)
        Sigma = next(iter(model.covariances_.values())).to_numpy()
        r = Sigma[0, 1] / np.sqrt(Sigma[0, 0] * Sigma[1, 1])
        assert_allclose(abs(r), 1.0, rtol=1e-9)
        assert np.sign(r) == (1.0 if name == "correlation one" else -1.0)
        assert Tied(np.ones(2), r, [np.eye(2)] * 3).sign == r
        assert len(equations) == 1
