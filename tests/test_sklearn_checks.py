"""scikit-learn's own checks, without expected failures but for a fault of an old one."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_estimator,
    parametrize_with_checks,
)
from sklearn.utils.validation import check_is_fitted

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from sklearn_xmixed.datasets import make_multilevel
from sklearn_xmixed.design._clusters import CORRECTED
from sklearn_xmixed.exceptions import ExactFitWarning

# The checks call fit(X, y) alone: linear regression, or the one level that needs no
# labels.  Their data have exact fits (p > n, a single row), which we warn about.
EVERYDAY = [
    MixedLinearRegressor(),
    MixedLinearRegressor(RandomEffects("_all"), lr_test=False),
    MixedLinearRegressor(categorical="treatment"),  # it goes another way with columns
]
INSTANCES = [
    MixedLinearRegressor(fit_intercept=False),
    MixedLinearRegressor(method="reml"),
    MixedLinearRegressor(parameterization="matlog"),
    MixedLinearRegressor(solver="lbfgs"),
    MixedLinearRegressor(em_only=True),
    MixedLinearRegressor(missing="drop"),
    MixedLinearRegressor(unseen="raise", residuals=Residuals()),
    MixedLinearRegressor(lr_test=False, std_errors=False),
    MixedLinearRegressor(vce="robust"),
    MixedLinearRegressor(weight_type="sampling"),
    MixedLinearRegressor(weight_type="precision"),
    MixedLinearRegressor(weight_type="precision", method="reml"),
    MixedLinearRegressor(RandomEffects("_all"), lr_test=False, categorical="treatment"),
]

# every value of every parameter that the checks' data allow, alone and with the one
# level that needs no labels
VARIED = {
    "method": ["ml", "reml"],
    "fit_intercept": [True, False],
    "vce": ["oim", "robust", *CORRECTED],
    "weight_type": ["frequency", "sampling", "precision"],
    "parameterization": ["matsqrt", "matlog"],
    "em_iter": [0, 20],
    "em_only": [False, True],
    "solver": ["newton", "lbfgs"],
    "std_errors": [True, False],
    "lr_test": [True, False],
    "missing": ["raise", "drop"],
    "unseen": ["zero", "nan", "raise"],
    "categorical": ["raise", "treatment"],
    "verbose": [0],
    "df_method": [None, "residual", "containment", "satterthwaite"],
    "crossed": ["auto", "exact", "iterative"],
    "residuals": [
        Residuals(),
        Residuals("exchangeable"),  # the others need a time
    ],
}
MANY = [
    MixedLinearRegressor(effects, **{name: value}, **extra)
    for effects, extra in (
        (None, {}),
        (RandomEffects("_all"), {"lr_test": False}),
        (RandomEffects("_all", intercept=False), {"lr_test": False}),
    )
    for name, values in VARIED.items()
    for value in values
    if name not in extra
    # residuals are correlated within groups
    and not (
        effects is None and name == "residuals" and value.structure != "independent"
    )
    # one cluster has no robust errors
    and not (effects is not None and value in ("robust", "sampling", *CORRECTED))
]


WEIGHTED = (
    "check_sample_weights_pandas_series",
    "check_sample_weights_not_an_array",
    "check_sample_weights_list",
    "check_sample_weights_shape",
    "check_sample_weights_not_overwritten",
    "check_sample_weight_equivalence_on_dense_data",
)


POSITIVE = "check_positive_only_tag_during_fit"


def faults_of_checks(estimator):
    """A check that fails by itself in old releases, where columns are categories."""
    source = inspect.getsource(getattr(estimator_checks, POSITIVE))
    if "X -= X.mean()\n" in source and estimator.categorical != "raise":
        return {POSITIVE: "subtracts a float from integers"}
    return {}


def without_weights(estimator):
    """Models in which weights of rows have no meaning, and are refused in words."""
    residuals = estimator.get_params(deep=False)["residuals"]
    correlated = residuals is not None and residuals.structure != "independent"
    effects = estimator.get_params(deep=False)["random_effects"]
    random = effects is not None and effects.intercept
    if correlated or (random and (estimator.method == "reml" or estimator.em_only)):
        return dict.fromkeys(WEIGHTED, "weights of rows are not defined")
    return {}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn_xmixed.exceptions.MixedModelWarning")
@pytest.mark.filterwarnings("ignore:Can't check dok sparse matrix")
@pytest.mark.parametrize("estimator", MANY, ids=repr)
def test_checks_of_every_parameter(estimator):
    """All checks in one test: six thousand take long to collect, every day too."""
    known = without_weights(estimator) | faults_of_checks(estimator)
    found = check_estimator(
        estimator, expected_failed_checks=known, on_skip=None, on_fail=None
    )
    assert len(found) > 50
    failed = [
        f"{one['check_name']}: {one['exception']!r}"
        for one in found
        if one["status"] == "failed"
    ]
    assert not failed, failed
    passed = {one["check_name"] for one in found if one["status"] == "passed"}
    assert not passed & {*known}  # or they need not be excepted


@pytest.mark.filterwarnings("ignore::sklearn_xmixed.exceptions.MixedModelWarning")
@pytest.mark.filterwarnings("ignore:Can't check dok sparse matrix")
@parametrize_with_checks(EVERYDAY, expected_failed_checks=faults_of_checks)
def test_common_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn_xmixed.exceptions.MixedModelWarning")
@pytest.mark.filterwarnings("ignore:Can't check dok sparse matrix")
@parametrize_with_checks(INSTANCES, expected_failed_checks=faults_of_checks)
def test_common_checks_of_other_parameters(estimator, check):
    check(estimator)


def test_column_names_are_remembered():
    """A check that scikit-learn keeps for its own estimators."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExactFitWarning)
        check_dataframe_column_names_consistency(
            "MixedLinearRegressor", MixedLinearRegressor()
        )


def test_it_is_a_regressor():
    assert is_regressor(MixedLinearRegressor())
    for method in ("predict_proba", "decision_function", "transform"):
        assert not hasattr(MixedLinearRegressor(), method)


@pytest.mark.parametrize(
    ("parameters", "allow_nan", "string"),
    [
        ({}, False, False),
        ({"missing": "drop"}, True, False),
        ({"random_effects": "g"}, False, True),
    ],
)
def test_tags_follow_the_parameters(parameters, allow_nan, string):
    tags = get_tags(MixedLinearRegressor(**parameters)).input_tags
    assert (tags.allow_nan, tags.string) == (allow_nan, string)
    assert not tags.sparse


def test_positional_arguments():
    """sample_weight stays third, what is ours is keyword-only."""
    fit = inspect.signature(MixedLinearRegressor.fit).parameters
    assert list(fit)[:4] == ["self", "X", "y", "sample_weight"]
    assert fit["groups"].kind is inspect.Parameter.KEYWORD_ONLY
    own = inspect.signature(MixedLinearRegressor.__init__).parameters
    kinds = {name: p.kind for name, p in own.items()}
    del kinds["self"], kinds["random_effects"]
    assert set(kinds.values()) == {inspect.Parameter.KEYWORD_ONLY}


def test_constructor_checks_nothing():
    strange = {"random_effects": object(), "method": "nonsense", "em_iter": "many"}
    model = MixedLinearRegressor(**strange)
    assert model.get_params()["method"] == "nonsense"
    model.set_params(method=3, tol=None)
    assert model.get_params()["tol"] is None


@pytest.fixture
def nested():
    return make_multilevel((8, 3), 5, random_state=0, return_X_y=True)


@pytest.mark.parametrize("use", ["predict", "score", "coef_table", "vcov", "summary"])
def test_unfitted(use, nested):
    X, y = nested
    arguments = {"predict": (X,), "score": (X, y)}.get(use, ())
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(MixedLinearRegressor("level3"), use)(*arguments)


@pytest.mark.parametrize(
    "name",
    [n for n in dir(MixedLinearRegressor) if n.endswith("_") and n[0] != "_"],
)
def test_unfitted_attributes(name):
    model = MixedLinearRegressor("g")
    assert not hasattr(model, name)
    with pytest.raises(AttributeError, match="fit"):
        getattr(model, name)


def test_check_is_fitted(nested):
    model = MixedLinearRegressor(["level3", "level2"])
    with pytest.raises(NotFittedError):
        check_is_fitted(model)
    assert model.fit(*nested) is model
    check_is_fitted(model)
    with pytest.raises(NotFittedError):
        check_is_fitted(clone(model))


def test_fit_forgets_the_last_fit(nested):
    X, y = nested
    model = MixedLinearRegressor("level3").fit(X.drop(columns="level2"), y)
    model.set_params(random_effects=None).fit(X[["x1"]].to_numpy(), y)
    assert not hasattr(model, "feature_names_in_")
    assert model.n_features_in_ == 1
    assert model.random_effects_ == {}
    assert model.n_groups_ == {}
    fresh = MixedLinearRegressor().fit(X[["x1"]].to_numpy(), y)
    np.testing.assert_array_equal(model.coef_, fresh.coef_)


def test_fit_is_reproducible(nested):
    X, y = nested
    first, second = (MixedLinearRegressor(["level3", "level2"]).fit(X, y) for _ in "ab")
    np.testing.assert_array_equal(first.predict(X), second.predict(X))
    pd.testing.assert_frame_equal(
        first.variance_components_, second.variance_components_
    )


@pytest.mark.parametrize("return_std", [False, True])
def test_predictions_depend_on_their_own_row_alone(nested, return_std):
    """The checks of subsets and orders, with labels."""
    X, y = nested
    effects = [RandomEffects("level3", ["x1"], covariance="unstructured"), "level2"]
    model = MixedLinearRegressor(effects).fit(X, y)
    together = np.transpose(model.predict(X, return_std=return_std))
    rows = [model.predict(X[i : i + 1], return_std=return_std) for i in range(12)]
    alone = np.reshape(rows, (12, -1) if return_std else 12)
    np.testing.assert_allclose(alone, together[:12], rtol=1e-12)
    order = np.random.default_rng(0).permutation(len(X))
    shuffled = np.transpose(model.predict(X.iloc[order], return_std=return_std))
    np.testing.assert_allclose(shuffled, together[order], rtol=1e-12)


def test_fit_does_not_depend_on_the_order_of_rows(nested):
    X, y = nested
    model = MixedLinearRegressor(["level3", "level2"]).fit(X, y)
    order = np.random.default_rng(0).permutation(len(X))
    other = MixedLinearRegressor(["level3", "level2"]).fit(X.iloc[order], y.iloc[order])
    np.testing.assert_allclose(other.log_likelihood_, model.log_likelihood_, rtol=1e-12)
    np.testing.assert_allclose(other.predict(X), model.predict(X), rtol=1e-8)
    for name, table in model.random_effects_.items():
        assert other.random_effects_[name].index.equals(table.index)
