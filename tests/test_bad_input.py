"""Input that is wrong, degenerate or of absurd size, and what is said about it.

A message says what was found, what is allowed and what to do.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from sklearn_xmixed.datasets import make_multilevel
from tests.conftest import before


@cache
def simulated() -> tuple[pd.DataFrame, pd.Series]:
    X, y = make_multilevel(
        [12],
        9,
        intercept=1.0,
        covariances=[{"x1": 0.5, "_cons": 1.0}],
        level_names=["g"],
        return_X_y=True,
        random_state=0,
    )
    return X[["x1", "x2", "g"]], y


@pytest.fixture
def X():
    return simulated()[0].copy()


@pytest.fixture
def y():
    return simulated()[1].copy()


def in_order(*parts) -> str:
    """The parts of a message, one after the other."""
    return "(?s)" + ".*".join(re.escape(part) for part in parts)


def refused(kind, *parts):
    return pytest.raises(kind, match=in_order(*parts))


# -------------------------------------------------------------- parameters

OUT_OF_RANGE = {
    "method": (["REML", None, 3, np.array(["ml", "reml"])], "one of 'ml', 'reml'"),
    "vce": (["hc0", None], "one of 'oim'"),
    "weight_type": (["pweight"], "one of 'frequency', 'sampling'"),
    "weight_scaling": (["none", 1], "one of None, 'size', 'effective', 'gk'"),
    "parameterization": (["log"], "one of 'matsqrt', 'matlog'"),
    "solver": (["cg", None], "one of 'newton', 'lbfgs'"),
    "df_method": (["kr", "asymptotic", 1], "one of None, 'residual'"),
    "missing": (["ignore", None], "one of 'raise', 'drop'"),
    "unseen": (["skip", None], "one of 'zero', 'nan', 'raise'"),
    "em_iter": ([-1, 1.5, None, "20"], "an integer"),
    "max_iter": ([-1, 2.5, None, np.inf], "an integer"),
    "em_tol": ([-1e-3, np.nan, None, "small"], "a number that is at least 0"),
    "tol": ([-1e-3, np.nan, None, "small"], "a number that is at least 0"),
    "verbose": (["loud", None, -1, 1.5], "an integer"),
    "residuals": (["ar", 3, Residuals], "None or a Residuals object"),
    "em_only": (["yes", None, 2], "bool"),
    "std_errors": (["no", None], "bool"),
    "lr_test": (["no", None], "bool"),
    "fit_intercept": (["yes", None], "bool"),
}


@pytest.mark.parametrize("name", OUT_OF_RANGE)
def test_parameters_out_of_range(name, X, y):
    values, allowed = OUT_OF_RANGE[name]
    for value in values:
        model = MixedLinearRegressor("g", **{name: value})
        shown = repr(value).splitlines()[0]
        with refused((ValueError, TypeError), f"'{name}'", allowed, shown):
            model.fit(X, y)


def test_numpy_scalars_are_parameters(X, y):
    model = MixedLinearRegressor(
        "g",
        em_iter=np.int64(5),
        max_iter=np.int32(50),
        tol=np.float32(1e-6),
        lr_test=np.bool_(False),
        method=np.str_("reml"),
    )
    assert model.fit(X, y).converged_


def test_em_only_needs_iterations(X, y):
    with refused(ValueError, "em_only", "em_iter", "0"):
        MixedLinearRegressor("g", em_only=True, em_iter=0).fit(X, y)


@pytest.mark.parametrize(
    ("random_effects", "parts"),
    [
        (3, ["None, the name of", "got 3"]),
        ({"g": []}, ["None, the name of", "got {'g': []}"]),
        (RandomEffects, ["None, the name of", "RandomEffects"]),
        ([3], ["a name or a RandomEffects object", "got 3"]),
        ("", ["must be the name of a variable", "''"]),
        (RandomEffects(3), ["must be the name of a variable", "got 3"]),
        (RandomEffects("g", "x1"), ["list of names", "the string 'x1'", "['x1']"]),
        (RandomEffects("g", 3), ["columns", "'g'", "list of names", "3"]),
        (RandomEffects("g", ["x1", "x1"]), ["'g' names a column twice"]),
        (RandomEffects("g", covariance="ar"), ["exchangeable", "'unst", "got 'ar'"]),
        (RandomEffects("g", name="a__b"), ["'a__b'", "'__'"]),
        (RandomEffects("g", name=3), ["name", "3"]),
        (["g", "x1", "g"], ["'g' are not consecutive", "['g', 'x1', 'g']"]),
        (["g", "_all"], ["'_all'", "must come before", "['g', '_all']"]),
        (
            [RandomEffects("g", ["x1"], name="a"), RandomEffects("g", name="a")],
            ["Two equations are named 'a'"],
        ),
    ],
)
def test_specifications_that_make_no_sense(random_effects, parts, X, y):
    with refused((TypeError, ValueError), *parts):
        MixedLinearRegressor(random_effects).fit(X, y)


@pytest.mark.parametrize(
    ("parameters", "parts"),
    [
        ({"fixed": "x1"}, ["list of column names", "the string 'x1'", "fixed=['x1']"]),
        ({"fixed": 3}, ["fixed", "list of column names", "3"]),
        ({"fixed": ["x1", "z"]}, ["unknown columns ['z']", "['x1', 'x2', 'g']"]),
        ({"random_effects": "h"}, ["['h']", "['x1', 'x2', 'g']", "pass groups="]),
        (
            {"random_effects": RandomEffects("g", ["z"])},
            ["'z' is no column of X or groups", "['x1', 'x2', 'g']"],
        ),
        (
            {"random_effects": RandomEffects("g", weight="w")},
            ["'w'", "['x1', 'x2', 'g']"],
        ),
        ({"vce": "cluster"}, ["vce='cluster' needs cluster="]),
        ({"vce": "cluster", "cluster": "c"}, ["'c'", "['x1', 'x2', 'g']"]),
        ({"vce": "robust", "method": "reml"}, ["vce='robust'", "Use method='ml'"]),
        ({"weight_scaling": "size"}, ["'size'", "weight_type='sampling'"]),
    ],
)
def test_unknown_names_and_contradictions(parameters, parts, X, y):
    with refused((TypeError, ValueError), *parts):
        MixedLinearRegressor(**{"random_effects": "g", **parameters}).fit(X, y)


# -------------------------------------------------------------------- data


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["x1", "z", "y"])
def test_missing_and_infinite_numbers(value, where, X, y):
    """In the fixed part, in a random coefficient outside it, in y."""
    frame = X.assign(z=X["x2"] + 1.0, y=y)
    frame.loc[3, where] = value
    spec = RandomEffects("g", ["z"])
    model = MixedLinearRegressor(spec, fixed=["x1"])
    word = "NaN" if np.isnan(value) else "infinity"
    name = {"x1": "X", "z": "column 'z'", "y": "y"}[where]
    with refused(ValueError, f"Input {name} contains {word}"):
        model.fit(frame.drop(columns="y"), frame["y"])
    model.set_params(missing="drop")
    if np.isnan(value):
        rest = frame.drop(index=3)
        right = MixedLinearRegressor(spec, fixed=["x1"]).fit(rest, rest["y"])
        found = model.fit(frame.drop(columns="y"), frame["y"])
        assert found.results_.n_obs == len(X) - 1
        assert_allclose(found.coef_, right.coef_, rtol=1e-12)
    else:
        with refused(ValueError, "infinity"):
            model.fit(frame.drop(columns="y"), frame["y"])


def test_predict_a_row_with_missing_values(X, y):
    frame = X.assign(z=X["x2"] + 1.0)
    model = MixedLinearRegressor(
        RandomEffects("g", ["z"]), fixed=["x1"], missing="drop"
    ).fit(frame, y)
    right = model.predict(frame)
    for name in ("x1", "z"):
        holes = frame.copy()
        holes.loc[[2, 5], name] = np.nan
        mean, std = model.predict(holes, return_std=True)
        assert_array_equal(np.flatnonzero(np.isnan(mean)), [2, 5])
        assert_array_equal(np.isnan(std), np.isnan(mean))
        assert_allclose(mean[[0, 1, 3, 4]], right[[0, 1, 3, 4]])
    with refused(ValueError, "NaN"):
        model.set_params(missing="raise").predict(frame.assign(x1=np.nan))


def test_nothing_left_after_dropping(X, y):
    model = MixedLinearRegressor("g", missing="drop")
    with refused(ValueError, "No rows are left", "missing"):
        model.fit(X.assign(x1=np.nan), y)


@pytest.mark.parametrize(
    ("weights", "parts"),
    [
        (0.0, ["weight", "zero"]),
        (-1.0, ["Negative", "sample_weight"]),
        ([1.0, 2.0], ["sample_weight", "(2,)", "(108,)"]),
        (np.r_[np.nan, np.ones(107)], ["sample_weight contains NaN"]),
        (np.r_[np.inf, np.ones(107)], ["sample_weight contains infinity"]),
        # scikit-learn 1.7 says which number of dimensions it found
        (
            np.ones((108, 2)),
            ["1D array"] if before("scikit-learn", "1.7") else ["1D array", "2D"],
        ),
        (np.array(["a"] * 108), ["could not convert", "'a'"]),
    ],
)
@pytest.mark.parametrize("spec", [None, "g"])
def test_sample_weights(weights, parts, spec, X, y):
    weights = np.full(len(y), weights) if np.isscalar(weights) else weights
    with refused(ValueError, *parts):
        MixedLinearRegressor(spec).fit(X, y, weights)


def test_weights_under_reml(X, y):
    parts = ["not supported", "method='reml'", "Use method='ml'"]
    with refused(ValueError, *parts):
        MixedLinearRegressor("g", method="reml").fit(X, y, np.ones(len(y)))
    MixedLinearRegressor(method="reml").fit(X, y, np.ones(len(y)))


@pytest.mark.parametrize("spec", [None, "g"])
def test_shapes(spec, X, y):
    model = MixedLinearRegressor(spec)
    with refused(ValueError, "inconsistent numbers of samples", "[108, 5]"):
        model.fit(X, y[:5])
    with refused(ValueError, "requires y to be passed", "None"):
        model.fit(X, None)
    with refused(ValueError, "dim 3", "<= 2"):
        model.fit(X, np.ones((len(y), 2, 2)))
    with refused(ValueError, "0 sample(s)", "minimum of 1"):
        model.fit(X[:0], y[:0])
    column = model.fit(X, y.to_frame())  # one of several responses
    assert column.predict(X).shape == (len(y), 1)


def test_text_in_the_fixed_part(X, y):
    given = X.assign(colour="red")
    with refused(ValueError, "'red'", "['x1', 'x2', 'colour']", "OneHotEncoder"):
        MixedLinearRegressor("g").fit(given, y)
    MixedLinearRegressor("g", fixed=["x1", "x2"]).fit(given, y)


def test_a_label_is_no_covariate_where_nothing_groups_by_it(X, y):
    named = X.assign(g=X["g"].astype(str) + "!")
    with refused(ValueError, "'g'", "RandomEffects('id', intercept=False)"):
        MixedLinearRegressor().fit(named, y)
    without = MixedLinearRegressor(RandomEffects("g", intercept=False)).fit(named, y)
    plain = MixedLinearRegressor().fit(X.drop(columns="g"), y)
    assert without.log_likelihood_ == pytest.approx(plain.log_likelihood_, rel=1e-12)


def test_text_in_y_is_not_blamed_on_X(X, y):
    with pytest.raises(ValueError, match="'red'") as caught:
        MixedLinearRegressor("g").fit(X, np.full(len(y), "red"))
    assert "fixed part" not in str(caught.value)


def test_predict_with_other_columns(X, y):
    model = MixedLinearRegressor("g").fit(X, y)
    for other, parts in [
        (X.drop(columns="x2"), ["missing", "x2"]),
        (X.rename(columns={"x2": "z"}), ["unseen", "z", "missing", "x2"]),
        (X[["x2", "x1", "g"]], ["same order"]),
        (X.assign(z=1.0), ["unseen", "z"]),
    ]:
        with refused(ValueError, *parts):
            model.predict(other)


def test_predict_an_array_after_a_frame(X, y):
    """Columns are taken by position, with scikit-learn's warning, labels too."""
    for spec in (None, "g"):
        model = MixedLinearRegressor(spec).fit(X, y)
        with pytest.warns(UserWarning, match="does not have valid feature names"):
            found = model.predict(X.to_numpy())
        assert_allclose(found, model.predict(X))
    model = MixedLinearRegressor("g").fit(X[["x1", "x2"]].to_numpy(), y, groups=X["g"])
    with pytest.warns(UserWarning, match="fitted without feature names"):
        found = model.predict(X[["x1", "x2"]], groups=X["g"])
    assert_allclose(found, MixedLinearRegressor("g").fit(X, y).predict(X))


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ({"kind": "random"}, ["'blup', 'fixed' or None", "'random'"]),
        ({"level": "h"}, ["one of ['g']", "'h'"]),
        ({"level": "g", "kind": "fixed"}, ["kind='fixed'"]),
    ],
)
def test_predict_arguments(arguments, parts, X, y):
    with refused(ValueError, *parts):
        MixedLinearRegressor("g").fit(X, y).predict(X, **arguments)


def test_table_arguments(X, y):
    model = MixedLinearRegressor("g").fit(X, y)
    for level in (0, 1, 95, "95%", None):
        with refused((ValueError, TypeError), "confidence_level", repr(level)):
            model.coef_table(level)
    with refused(ValueError, "one of ['g']", "'h'"):
        model.random_effects("h")
