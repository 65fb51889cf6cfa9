"""Forms of X, y and weights that say the same; inputs stay as they were.

Frequency weights are one of these forms: k rows that are equal.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from sklearn_xmixed.datasets import make_multilevel

LEVELS = ["school", "class"]
data = make_multilevel(
    (9, 3), 6, covariances=1.0, level_names=LEVELS, reuse_labels=True, random_state=0
).frame
FEATURES = ["x1", "x2"]
SLOPES = [RandomEffects("school", ["x1"], covariance="unstructured"), "class"]
SPECIFICATIONS = {"none": None, "levels": LEVELS, "slopes": SLOPES}


def frozen(array) -> np.ndarray:
    array = np.array(array)
    array.setflags(write=False)
    return array


def fit(X, y, weights=None, **parameters) -> MixedLinearRegressor:
    groups = data["school"].to_numpy()
    return MixedLinearRegressor("g", **parameters).fit(X, y, weights, groups=groups)


A = frozen(data[FEATURES].round(2))
y = frozen(data["y"])

ARRAYS = {
    "read-only": lambda A: A,
    "Fortran": np.asfortranarray,
    "strided": lambda A: np.repeat(A, 2, axis=1)[:, ::2],
    "reversed": lambda A: np.ascontiguousarray(A[::-1])[::-1],
    "list": lambda A: A.tolist(),
    "objects": lambda A: A.astype(object),
    "big-endian": lambda A: A.astype(">f8"),
    "float128": lambda A: A.astype(np.longdouble),
    "frame": lambda A: pd.DataFrame(A, columns=FEATURES),
    "nullable": lambda A: pd.DataFrame(A, columns=FEATURES).convert_dtypes(),
    "arrow dtypes": lambda A: pd.DataFrame(A, columns=FEATURES).convert_dtypes(
        dtype_backend="pyarrow"
    ),
    "polars": lambda A: pl.DataFrame(A, schema=FEATURES),
    "pyarrow": lambda A: pa.table(dict(zip(FEATURES, A.T, strict=True))),
}


@pytest.mark.parametrize("form", ARRAYS)
def test_forms_of_X(form):
    given = ARRAYS[form](A)
    model, right = fit(given, y), fit(A, y)
    assert_allclose(model.coef_, right.coef_, rtol=1e-10)
    groups = data["school"].to_numpy()
    found = model.predict(given, groups=groups)
    assert found.dtype == np.float64
    assert_allclose(found, right.predict(A, groups=groups), rtol=1e-9)


def test_float32_is_computed_in_double():
    narrow = A.astype(np.float32)
    right = fit(narrow.astype(float), y)
    assert_allclose(fit(narrow, y).coef_, right.coef_, rtol=1e-12)


@pytest.mark.parametrize(
    "dtype", [np.int8, np.uint8, np.int64, bool, "Int64", "boolean"]
)
def test_integers_and_booleans(dtype):
    numbers = np.arange(len(y)) % 2
    right = pd.DataFrame({"x1": data["x1"], "more": numbers.astype(float)})
    given = right.assign(more=pd.array(numbers.astype(bool)).astype(dtype))
    assert_allclose(fit(given, y).coef_, fit(right, y).coef_, rtol=1e-10)
    spec = RandomEffects("school", ["more"])
    labels = data[["school"]]
    one = MixedLinearRegressor(spec).fit(given, y, groups=labels)
    two = MixedLinearRegressor(spec).fit(right, y, groups=labels)
    assert_allclose(one.log_likelihood_, two.log_likelihood_, rtol=1e-10)


RESPONSES = {
    "list": lambda y: y.tolist(),
    "Series": lambda y: pd.Series(y, index=range(7, 7 + len(y))),
    "nullable": lambda y: pd.Series(y, dtype="Float64"),
    "arrow dtype": lambda y: pd.Series(y, dtype="float64[pyarrow]"),
    "objects": lambda y: y.astype(object),
    "text": lambda y: y.astype(str),
    "polars": lambda y: pl.Series("y", y),
    "chunks": lambda y: pa.chunked_array([y]),
}


@pytest.mark.parametrize("form", RESPONSES)
def test_forms_of_y(form):
    assert_allclose(fit(A, RESPONSES[form](y)).coef_, fit(A, y).coef_, rtol=1e-10)


@pytest.mark.parametrize("kind", [np.int64, bool, np.float32])
def test_types_of_y(kind):
    given = (10 * y - np.median(10 * y)).clip(0).astype(kind)
    assert_allclose(fit(A, given).coef_, fit(A, given.astype(float)).coef_, rtol=1e-10)


def test_missing_values_of_nullable_types():
    frame = pd.DataFrame(A, columns=FEATURES).astype("Float64").assign(q=A[:, 1] + 0.5)
    holes = frame.astype({"q": "Float64"})
    holes.loc[3, "x1"] = pd.NA
    holes.loc[5, "q"] = pd.NA
    target = pd.Series(y, dtype="Float64")
    target[8] = pd.NA
    spec = RandomEffects("school", ["q"])
    model = MixedLinearRegressor(spec, fixed=["x1"], missing="drop")
    model.fit(holes, target, groups=data[["school"]])
    assert model.results_.n_obs == len(y) - 3
    with pytest.raises(ValueError, match="NaN"):
        model.set_params(missing="raise").fit(holes, y, groups=data[["school"]])


def test_memory_maps(tmp_path):
    np.save(tmp_path / "X.npy", A)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert_allclose(fit(mapped, y).coef_, fit(A, y).coef_, rtol=1e-12)


def test_sparse_and_complex_are_refused():
    from scipy.sparse import csr_array

    with pytest.raises(TypeError, match="dense data is required"):
        fit(csr_array(A), y)
    with pytest.raises(ValueError, match="Complex data not supported"):
        fit(A + 1j, y)


@pytest.mark.parametrize("missing", ["raise", "drop"])
@pytest.mark.parametrize("spec", [LEVELS, SLOPES], ids=["levels", "slopes"])
@pytest.mark.parametrize("labels", ["in X", "by groups"])
def test_inputs_stay_as_they_were(missing, spec, labels):
    X = data[[*LEVELS, *FEATURES]].copy() if labels == "in X" else data[FEATURES].copy()
    groups = None if labels == "in X" else data[LEVELS].copy()
    target, weights = data["y"].copy(), np.arange(len(data)) % 3 * 1.0
    inputs = [X, target, groups, weights]
    before = [None if thing is None else thing.copy() for thing in inputs]
    model = MixedLinearRegressor(spec, missing=missing)
    model.fit(X, target, weights, groups=groups)
    model.predict(X, groups=groups, return_std=True)
    model.score(X, target, weights, groups=groups)
    for thing, copy in zip(inputs[:3], before[:3], strict=True):
        assert thing is None or thing.equals(copy)
    np.testing.assert_array_equal(weights, before[3])


# ------------------------------------------------------- frequency weights


def equal_fits(one, two):
    assert_allclose(one.log_likelihood_, two.log_likelihood_, rtol=1e-9)
    assert_allclose(one.coef_, two.coef_, rtol=1e-6)
    assert_allclose(one.vcov(), two.vcov(), rtol=1e-4, atol=1e-9)
    assert_allclose(
        one.variance_components_, two.variance_components_, rtol=1e-4, atol=1e-9
    )
    assert_allclose(one.coef_table(), two.coef_table(), rtol=1e-5, atol=1e-300)
    for name in ("n_obs", "n_params", "wald_df", "lr_df", "lr_kind", "method"):
        assert getattr(one.results_, name) == getattr(two.results_, name)
    for name in ("wald_chi2", "lr_chi2", "lr_p", "aic", "bic"):
        assert_allclose(getattr(one.results_, name), getattr(two.results_, name), 1e-5)
    assert one.n_groups_ == two.n_groups_
    assert one.results_.groups == two.results_.groups
    for name, table in one.random_effects_.items():
        pd.testing.assert_frame_equal(table, two.random_effects_[name], rtol=1e-4)


@pytest.mark.parametrize("spec", SPECIFICATIONS)
@pytest.mark.parametrize("by_groups", [False, True])
def test_frequency_weights_are_repeated_rows(spec, by_groups):
    """One school and a few classes have no weight: they are not there."""
    spec = SPECIFICATIONS[spec]
    X = data[FEATURES] if spec is None else data[[*LEVELS, *FEATURES]]
    weights = np.random.default_rng(1).integers(0, 4, len(data))
    weights[(data["school"] == 3) | ((data["school"] < 2) & (data["class"] == 1))] = 0
    rows = np.repeat(np.arange(len(data)), weights)
    target = data["y"]
    model, right = MixedLinearRegressor(spec), MixedLinearRegressor(spec)
    if by_groups:
        model.fit(X[FEATURES], target, weights, groups=data[LEVELS])
        right.fit(
            X[FEATURES].iloc[rows], target.iloc[rows], groups=data[LEVELS].iloc[rows]
        )
    else:
        model.fit(X, target, weights)
        right.fit(X.iloc[rows], target.iloc[rows])
    equal_fits(model, right)
    if spec is not None:
        assert model.n_groups_ == {"school": 8, "class": 22}


def test_weights_of_one_change_nothing():
    X, target = data[[*LEVELS, *FEATURES]], data["y"]
    plain = MixedLinearRegressor(SLOPES).fit(X, target)
    for ones in (1.0, [1] * len(target), pd.Series(1, index=target.index[::-1])):
        equal_fits(MixedLinearRegressor(SLOPES).fit(X, target, ones), plain)


def test_rows_without_weight_may_hold_anything():
    """All but missing values; labels of their own are no groups."""
    X, target = data[[*LEVELS, *FEATURES]].copy(), data["y"].copy()
    weights = np.ones(len(X))
    weights[:4] = 0
    X.loc[:3, FEATURES] = 1e9
    X.loc[:3, "school"] = [70, 71, 72, 73]
    target[:4] = -1e9
    model = MixedLinearRegressor(LEVELS).fit(X, target, weights)
    equal_fits(model, MixedLinearRegressor(LEVELS).fit(X[4:], target[4:]))
    assert 70 not in model.random_effects_["school"].index
