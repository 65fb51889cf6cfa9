"""What scikit-learn's meta-estimators hand on: the table of docs/guide/pipelines.md."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFE, RFECV, SequentialFeatureSelector
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    cross_val_predict,
    learning_curve,
)
from sklearn.multioutput import MultiOutputRegressor

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from sklearn_xmixed.datasets import make_multilevel

data = make_multilevel((10, 3), 6, level_names=["school", "class"], random_state=0)
y = data.target
NUMBERS = data.data[["x1", "x2", "school"]]
TEXTS = NUMBERS.assign(school=[f"s{label}" for label in NUMBERS["school"]])
NOISE = np.random.default_rng(0).normal(size=len(y))
COVARIATES = NUMBERS[["x1", "x2"]].assign(noise=NOISE)

BY_NAME = MixedLinearRegressor("school")
BY_POSITION = MixedLinearRegressor("x2")  # of an array the columns are x0, x1, x2
ROWS = KFold(3, shuffle=True, random_state=0)
GRID = {"method": ["ml", "reml"]}


def logged(model):
    return TransformedTargetRegressor(model, func=np.exp, inverse_func=np.log)


# frames arrive as they are
FRAMES = {
    "search": lambda X: GridSearchCV(BY_NAME, GRID, cv=ROWS).fit(X, y).predict(X),
    "halving": lambda X: (
        HalvingGridSearchCV(BY_NAME, GRID, cv=3, random_state=0).fit(X, y).predict(X)
    ),
    "stacking": lambda X: StackingRegressor([("a", BY_NAME)]).fit(X, y).predict(X),
    "voting": lambda X: VotingRegressor([("a", BY_NAME)]).fit(X, y).predict(X),
    "target": lambda X: logged(BY_NAME).fit(X, y / 10).predict(X),
    "outputs": lambda X: (
        MultiOutputRegressor(BY_NAME).fit(X, np.column_stack([y, y])).predict(X)
    ),
    "predictions": lambda X: cross_val_predict(BY_NAME, X, y, cv=ROWS, n_jobs=2),
    "curve": lambda X: learning_curve(BY_NAME, X, y, cv=ROWS, random_state=0)[2],
    "importance": lambda X: (
        permutation_importance(
            BY_NAME.fit(X, y), X, y, n_repeats=2, random_state=0
        ).importances
    ),
    "dependence": lambda X: partial_dependence(
        BY_NAME.fit(X, y), X, ["x1"], kind="average"
    )["average"],
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames_with_labels_as_text(name):
    """The same numbers as with labels that are numbers."""
    found, same = FRAMES[name](TEXTS), FRAMES[name](NUMBERS)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, same, rtol=1e-6, atol=1e-8)


ARRAYS = {
    "bagging": lambda model: BaggingRegressor(model, n_estimators=3, random_state=0),
    "boosting": lambda model: AdaBoostRegressor(model, n_estimators=3, random_state=0),
}


@pytest.mark.parametrize("X", [NUMBERS, TEXTS], ids=["numbers", "texts"])
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_take_labels_by_position(name, X):
    assert ARRAYS[name](BY_POSITION).fit(X, y).score(X, y) > 0.6


@pytest.mark.parametrize("name", ARRAYS)
def test_the_message_names_the_position_and_the_page(name):
    with pytest.raises(ValueError, match=r"RandomEffects\('x0'\).*pipelines"):
        ARRAYS[name](BY_NAME).fit(NUMBERS, y)


@pytest.fixture
def routed():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.parametrize(
    "labels", [NUMBERS["school"], TEXTS["school"]], ids=["numbers", "texts"]
)
@pytest.mark.parametrize(
    "selector",
    [
        RFE(BY_NAME, n_features_to_select=2),
        RFECV(BY_NAME, cv=KFold(3)),
        SequentialFeatureSelector(BY_NAME, n_features_to_select=2, cv=KFold(3)),
    ],
    ids=lambda selector: type(selector).__name__,
)
def test_selectors_take_labels_beside_the_covariates(selector, labels, routed):
    selector.fit(COVARIATES, y, groups=labels)
    assert selector.get_support().tolist() == [True, True, False]


@pytest.mark.parametrize(
    "selector",
    [
        RFE(BY_NAME, n_features_to_select=2),
        SequentialFeatureSelector(BY_NAME, n_features_to_select=2, cv=3),
    ],
    ids=lambda selector: type(selector).__name__,
)
def test_selectors_take_no_labels_among_the_covariates(selector):
    with pytest.raises(ValueError, match="No labels for the levels"):
        selector.fit(NUMBERS, y)
    with pytest.raises(ValueError, match="could not convert string"):
        selector.fit(TEXTS, y)


def test_the_equation_may_be_longer():
    model = MixedLinearRegressor(RandomEffects("x2", ["x0"]))
    bag = ARRAYS["bagging"](model).fit(TEXTS, y)
    assert bag.estimators_[0].fixed_names_ == ["x0", "x1"]
