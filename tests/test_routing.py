"""What becomes of ``groups`` in scikit-learn's tools, metadata routing off and on.

Labels in X reach everything.  Labels by ``groups=`` reach what scikit-learn hands
them to, and the rest predicts from the fixed part without a word: that is asserted
here, because the documentation says so.
"""

from __future__ import annotations

import pickle
from functools import cache

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor, StackingRegressor, VotingRegressor
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    validation_curve,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.metadata_routing import MetadataRequest, get_routing_for_object

from sklearn_xmixed import MixedLinearRegressor
from sklearn_xmixed.datasets import make_multilevel
from tests.conftest import before

LEVELS = ["school", "class"]
FEATURES = ["x1", "x2"]
CV = KFold(4, shuffle=True, random_state=0)
METHODS = {"method": ["ml", "reml"]}


@cache
def simulated() -> pd.DataFrame:
    return make_multilevel(
        (8, 3),
        8,
        covariances=2.0,
        level_names=LEVELS,
        reuse_labels=True,
        random_state=0,
    ).frame


frame = simulated()
X, F, G = frame[LEVELS + FEATURES], frame[FEATURES], frame[LEVELS]
y, school = frame["y"], frame["school"].to_numpy()


def model(**parameters) -> MixedLinearRegressor:
    return MixedLinearRegressor(LEVELS, lr_test=False, **parameters)


def by_hand(kind: str, cv=CV) -> np.ndarray:
    """Scores of every fold, with ("blup") or without ("fixed") random effects."""
    scores = []
    for train, test in cv.split(F, y, school if cv is not CV else None):
        fitted = model().fit(F.iloc[train], y.iloc[train], groups=G.iloc[train])
        found = fitted.predict(F.iloc[test], groups=G.iloc[test], kind=kind)
        scores.append(r2_score(y.iloc[test], found))
    return np.array(scores)


@cache
def conditional() -> np.ndarray:
    return by_hand("blup")


@cache
def marginal() -> np.ndarray:
    return by_hand("fixed")


@pytest.fixture(params=[False, True], ids=["routing off", "routing on"])
def routing(request):
    with sklearn.config_context(enable_metadata_routing=request.param):
        yield request.param


@pytest.fixture
def routing_on():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture
def pipeline():
    scaler = StandardScaler().set_output(transform="pandas")
    return Pipeline([("scale", scaler), ("est", model())])


def test_the_two_kinds_of_score_differ():
    assert conditional().mean() > marginal().mean() + 0.3


# ---------------------------------------------------------- labels in X


def test_labels_in_X_reach_every_scorer(routing):
    for scoring in (None, "r2", lambda est, X, y: r2_score(y, est.predict(X))):
        scores = cross_val_score(model(), X, y, cv=CV, scoring=scoring)
        assert_allclose(scores, conditional(), rtol=1e-6)


def test_labels_in_X_reach_predict(routing):
    found = cross_val_predict(model(), X, y, cv=CV)
    for (_, test), right in zip(CV.split(X), conditional(), strict=True):
        assert_allclose(r2_score(y.iloc[test], found[test]), right, rtol=1e-6)
    search = GridSearchCV(model(), METHODS, cv=CV).fit(X, y)
    assert_allclose(search.score(X, y), r2_score(y, search.predict(X)))
    assert search.best_score_ > marginal().mean() + 0.3


def test_labels_in_X_in_ensembles(routing):
    flat = MixedLinearRegressor(fixed=FEATURES)
    for ensemble in (
        VotingRegressor([("mixed", model()), ("flat", flat)]),
        StackingRegressor([("mixed", model()), ("flat", flat)], cv=CV),
        TransformedTargetRegressor(model(), func=np.arcsinh, inverse_func=np.sinh),
    ):
        assert ensemble.fit(X, y).score(X, y) > r2_score(y, flat.fit(X, y).predict(X))


def test_labels_have_an_importance(routing):
    importance = permutation_importance(
        model().fit(X, y), X, y, n_repeats=3, random_state=0
    ).importances_mean
    assert importance.shape == (4,)
    assert importance[0] > 0.2


def test_group_k_fold_shares_the_key(routing):
    """New schools in every fold: the score is that of the fixed part."""
    given = {"params": {"groups": school}} if routing else {"groups": school}
    scores = cross_val_score(model(), X, y, cv=GroupKFold(4), **given)
    assert_allclose(scores, by_hand("fixed", GroupKFold(4)), rtol=1e-6)


def test_parallel(routing):
    scores = cross_val_score(model(), X, y, cv=CV, n_jobs=2)
    assert_allclose(scores, conditional(), rtol=1e-6)
    scores = cross_val_score(model(), F, y, cv=CV, n_jobs=2, params={"groups": G})
    assert_allclose(scores, conditional() if routing else marginal(), rtol=1e-6)


# ----------------------------------------------------- labels by groups=


def test_estimator_itself(routing):
    fitted = model().fit(F, y, groups=G)
    found = fitted.predict(F, groups=G)
    assert_allclose(found, model().fit(X, y).predict(X), rtol=1e-9)
    assert fitted.score(F, y, groups=G) == r2_score(y, found)
    assert fitted.score(F, y) == r2_score(y, fitted.predict(F))


def test_pipeline(routing, pipeline):
    if routing:
        pipeline.fit(F, y, groups=G)
        with pytest.raises(TypeError, match="est__groups"):
            clone(pipeline).fit(F, y, est__groups=G)
    else:
        pipeline.fit(F, y, est__groups=G)
        with pytest.raises(ValueError, match="stepname__parameter"):
            clone(pipeline).fit(F, y, groups=G)
    right = model().fit(X, y).predict(X)
    assert_allclose(pipeline.predict(F, groups=G), right, rtol=1e-6)
    without = pipeline.score(F, y)
    assert without == r2_score(y, pipeline.predict(F))
    # off: accepted and ignored
    expected = r2_score(y, right) if routing else without
    assert_allclose(pipeline.score(F, y, groups=G), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "labels",
    [G, G.set_axis(range(5, 5 + len(G))), G.to_numpy(), [*map(tuple, G.to_numpy())]],
    ids=["frame", "another index", "array", "tuples"],
)
def test_cross_val_score_with_params(routing, labels):
    """Off: only fit gets the labels."""
    scores = cross_val_score(model(), F, y, cv=CV, params={"groups": labels})
    assert_allclose(scores, conditional() if routing else marginal(), rtol=1e-6)


def test_cross_validate(routing):
    out = cross_validate(
        model(), F, y, cv=CV, params={"groups": G}, return_train_score=True
    )
    expected = conditional() if routing else marginal()
    assert_allclose(out["test_score"], expected, rtol=1e-6)
    assert out["train_score"].mean() > expected.mean() - 0.1


def test_groups_argument_of_cross_val_score(routing):
    """It is the splitter's; without labels our fit says what is missing."""
    if routing:
        with pytest.raises(ValueError, match="`params`"):
            cross_val_score(model(), F, y, cv=CV, groups=school)
    else:
        with pytest.raises(ValueError, match="No labels for the levels"):
            cross_val_score(model(), F, y, cv=GroupKFold(4), groups=school)


@pytest.mark.parametrize("scoring", ["r2", lambda est, X, y: est.score(X, y)])
def test_scorers_predict_without_labels(routing, scoring):
    scores = cross_val_score(
        model(), F, y, cv=CV, params={"groups": G}, scoring=scoring
    )
    assert_allclose(scores, marginal(), rtol=1e-6)


def test_cross_val_predict_predicts_without_labels(routing):
    found = cross_val_predict(model(), F, y, cv=CV, params={"groups": G})
    train, test = next(CV.split(F))
    fitted = model().fit(F.iloc[train], y.iloc[train], groups=G.iloc[train])
    assert_allclose(found[test], fitted.predict(F.iloc[test]))


def test_permutation_importance_predicts_without_labels(routing):
    fitted = model().fit(F, y, groups=G)
    found = permutation_importance(fitted, F, y, n_repeats=2, random_state=0)
    assert found.importances.shape == (2, 2)


class WithGroups:
    """A scorer that passes ``groups`` to predict, by public means alone."""

    def get_metadata_routing(self):
        request = MetadataRequest(owner=self)
        request.score.add_request(param="groups", alias=True)
        return request

    def __call__(self, estimator, X, y, groups=None):
        return -mean_squared_error(y, estimator.predict(X, groups=groups))


def test_scorer_that_passes_groups_on(routing_on):
    kwargs = {"cv": CV, "params": {"groups": G}}
    scores = cross_val_score(model(), F, y, scoring=WithGroups(), **kwargs)
    right = cross_val_score(model(), X, y, cv=CV, scoring="neg_mean_squared_error")
    assert_allclose(scores, right, rtol=1e-6)


def test_grid_search(routing):
    search = GridSearchCV(model(), METHODS, cv=CV, error_score="raise")
    if not routing:  # the splitter's alone
        with (
            pytest.warns(UserWarning, match="groups parameter is ignored"),
            pytest.raises(ValueError, match="No labels for the levels"),
        ):
            search.fit(F, y, groups=G)
        return
    search.fit(F, y, groups=G)
    assert_allclose(
        search.cv_results_["mean_test_score"][0], conditional().mean(), rtol=1e-6
    )
    with pytest.raises(TypeError, match="groups"):
        search.predict(F, groups=G)
    found = search.best_estimator_.predict(F, groups=G)
    assert_allclose(search.score(F, y, groups=G), r2_score(y, found))


def test_curves(routing):
    expected = (conditional() if routing else marginal()).mean()
    given = {"cv": CV, "params": {"groups": G}}
    *_, scores = learning_curve(model(), F, y, train_sizes=[0.8, 1.0], **given)
    assert_allclose(scores[-1].mean(), expected, rtol=1e-6)
    _, scores = validation_curve(
        model(), F, y, param_name="method", param_range=["ml"], **given
    )
    assert_allclose(scores.mean(), expected, rtol=1e-6)


def test_meta_estimators(routing_on):
    """Routing on: fit and predict of these pass groups on, and these do not."""
    right = model().fit(X, y).predict(X)
    target = TransformedTargetRegressor(model()).fit(F, y, groups=G)
    assert_allclose(target.predict(F, groups=G), right, rtol=1e-6)
    bag = BaggingRegressor(model(), n_estimators=3, random_state=0)
    bag.fit(F, y, groups=G)
    if before("scikit-learn", "1.7"):  # passes them to fit alone
        with pytest.raises(TypeError, match="groups"):
            bag.predict(F, groups=G)
    else:
        assert r2_score(y, bag.predict(F, groups=G)) > 0.7
    vote = VotingRegressor([("a", model()), ("b", LinearRegression())])
    vote.fit(F, y, groups=G)
    with pytest.raises(TypeError, match="groups"):
        vote.predict(F, groups=G)
    with pytest.raises(TypeError, match="groups"):
        StackingRegressor([("a", model())]).fit(F, y, groups=G)


# --------------------------------------------------------------- requests


def test_default_requests():
    requests = get_routing_for_object(model())
    assert requests.fit.requests == {
        "groups": True,
        "sample_weight": None,
        "offset": None,
    }
    assert requests.predict.requests == {"groups": True, "offset": None}
    assert requests.score.requests == {
        "groups": True,
        "sample_weight": None,
        "offset": None,
    }


def test_set_requests(routing):
    if not routing:
        with pytest.raises(RuntimeError, match="enable_metadata_routing"):
            model().set_fit_request(groups="levels")
        return
    asked = model().set_fit_request(groups="levels").set_predict_request(groups=False)
    for same in (asked, clone(asked), pickle.loads(pickle.dumps(asked))):
        requests = get_routing_for_object(same)
        assert requests.fit.requests["groups"] == "levels"
        assert requests.predict.requests["groups"] is False


def test_labels_and_folds_under_two_names(routing_on):
    """GroupKFold wants a 1-D array called groups: one of the two takes an alias."""
    expected = by_hand("fixed", GroupKFold(4))
    splitter = GroupKFold(4).set_split_request(groups="fold")
    params = {"groups": G, "fold": school}
    scores = cross_val_score(model(), F, y, cv=splitter, params=params)
    assert_allclose(scores, expected, rtol=1e-6)
    renamed = model().set_fit_request(groups="levels")
    renamed.set_score_request(groups="levels")
    params = {"groups": school, "levels": G}
    scores = cross_val_score(renamed, F, y, cv=GroupKFold(4), params=params)
    assert_allclose(scores, expected, rtol=1e-6)


def test_sample_weight_must_be_decided(routing_on):
    weights = np.arange(len(y)) % 3
    given = {"cv": CV, "params": {"groups": G, "sample_weight": weights}}
    with pytest.raises(UnsetMetadataPassedError, match="set_fit_request"):
        cross_val_score(model(), F, y, **given)
    decided = model().set_fit_request(sample_weight=True)
    decided.set_score_request(sample_weight=True)
    scores = cross_val_score(decided, F, y, **given)
    train, test = next(CV.split(F))
    fitted = model().fit(X.iloc[train], y.iloc[train], weights[train])
    right = fitted.score(X.iloc[test], y.iloc[test], weights[test])
    assert_allclose(scores[0], right, rtol=1e-6)
