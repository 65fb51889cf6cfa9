"""Likelihood-ratio tests of two fits."""

import warnings
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import sklearn_xmixed
from sklearn_xmixed import MixedLinearRegressor, RandomEffects, lrtest
from sklearn_xmixed.datasets import load_productivity, load_sleepstudy
from sklearn_xmixed.inference import LikelihoodRatio
from tests.conftest import manual_data

BOUNDARY = "assumes the null hypothesis is not on the boundary"


@cache
def manual_frame(name):
    frame = manual_data(name)
    if name == "childweight":
        girl, age = frame["girl"], frame["age"]
        frame = frame.assign(
            boy=1 - girl, boyXage=(1 - girl) * age, girlXage=girl * age, age2=age**2
        )
    return frame


INPUTS = ["private", "emp", "hwy", "water", "other", "unemp"]
GENDER = ["girl", "boyXage", "girlXage", "age2"]
# the names under which the manual stores its estimates
MODELS = {
    "randint": ("pig", "weight", ["week"], "id"),
    "randslope": ("pig", "weight", ["week"], RandomEffects("id", ["week"])),
    "unstructured": (
        "pig",
        "weight",
        ["week"],
        RandomEffects("id", ["week"], covariance="unstructured"),
    ),
    "nested": ("productivity", "gsp", INPUTS, ["region", "state"]),
    "prodc": (
        "productivity",
        "gsp",
        INPUTS,
        [RandomEffects("region", ["hwy", "unemp"]), "state"],
    ),
    "blocks": (
        "productivity",
        "gsp",
        INPUTS,
        [
            RandomEffects("region", ["hwy", "unemp"], covariance="identity"),
            "region",
            "state",
        ],
    ),
    "homoskedastic": ("childweight", "weight", GENDER, RandomEffects("id", ["age"])),
    "heteroskedastic": (
        "childweight",
        "weight",
        GENDER,
        [
            RandomEffects("id", ["boy", "boyXage"], intercept=False),
            RandomEffects("id", ["girl", "girlXage"], intercept=False),
        ],
    ),
}


@cache
def manual_fit(name):
    data, response, fixed, effects = MODELS[name]
    frame = manual_frame(data)
    return MixedLinearRegressor(effects, fixed=fixed).fit(frame, frame[response])


@pytest.mark.parametrize(
    ("first", "second", "statistic", "df", "p", "kind", "note"),
    [
        # example 2; the manual's p is that of chi2(1), 0.0000 either way
        ("randslope", "randint", "291.78", 1, "0.0000", "chibar2(01)", False),
        # example 3: a covariance is not on the boundary, so there is no note
        ("unstructured", "randslope", "0.15", 1, "0.6959", "chi2", False),
        # examples 5 and 6: equality of variances, no boundary though the note is there
        ("blocks", "prodc", "0.00", 1, "0.9784", "chi2", True),
        ("homoskedastic", "heteroskedastic", "8.47", 2, "0.0145", "chi2", True),
    ],
)
def test_the_manual_s_tests(first, second, statistic, df, p, kind, note):
    test = lrtest(manual_fit(first), manual_fit(second))
    assert isinstance(test, LikelihoodRatio)
    assert f"{test.chi2:.2f}" == statistic
    assert (test.df, test.kind) == (df, kind)
    assert f"{test.p_value:.4f}" == p
    assert (BOUNDARY in test.note) == note
    assert lrtest(manual_fit(second), manual_fit(first)) == test


def test_two_more_variances():
    """Left to the interested reader in example 5."""
    test = lrtest(manual_fit("prodc"), manual_fit("nested"))
    assert test.chi2 == pytest.approx(2 * (1447.6787 - 1430.5017), abs=2e-4)
    assert (test.df, test.kind) == (2, "chi2")
    assert BOUNDARY in test.note


# ------------------------------------------------------- without the manual


@cache
def sleepstudy(effects, **parameters):
    specs = {
        "none": None,
        "constant": "subject",
        "slope": RandomEffects("subject", ["days"], intercept=False),
        "independent": RandomEffects("subject", ["days"]),
        "identity": RandomEffects("subject", ["days"], covariance="identity"),
        "exchangeable": RandomEffects("subject", ["days"], covariance="exchangeable"),
        "unstructured": RandomEffects("subject", ["days"], covariance="unstructured"),
        "blocks": [RandomEffects("subject", ["days"], intercept=False), "subject"],
    }
    X, y = load_sleepstudy(return_X_y=True)
    fixed = parameters.pop("fixed", ("days",))
    model = MixedLinearRegressor(specs[effects], fixed=list(fixed), **parameters)
    return model.fit(X, y)


def nested(*effects):
    X, y = load_productivity(return_X_y=True)
    return MixedLinearRegressor(list(effects), fixed=["hwy", "emp"]).fit(X, y)


@pytest.mark.parametrize(
    ("larger", "smaller", "df", "kind", "note"),
    [
        ("constant", "none", 1, "chibar2(01)", False),
        ("independent", "constant", 1, "chibar2(01)", False),
        ("independent", "slope", 1, "chibar2(01)", False),
        # the same model, its variances in two equations
        ("blocks", "constant", 1, "chibar2(01)", False),
        ("blocks", "slope", 1, "chibar2(01)", False),
        # a variance with its covariance
        ("unstructured", "constant", 2, "chi2", True),
        ("independent", "none", 2, "chi2", True),
        # equal variances; covariances
        ("independent", "identity", 1, "chi2", True),
        ("exchangeable", "identity", 1, "chi2", False),
        ("unstructured", "independent", 1, "chi2", False),
        ("unstructured", "blocks", 1, "chi2", False),
    ],
)
def test_reference_distribution(larger, smaller, df, kind, note):
    more, fewer = sleepstudy(larger), sleepstudy(smaller)
    test = lrtest(more, fewer)
    assert (test.df, test.kind, bool(test.note)) == (df, kind, note)
    statistic = 2 * (more.log_likelihood_ - fewer.log_likelihood_)
    assert test.chi2 == pytest.approx(statistic, rel=1e-12)
    share = 0.5 if kind != "chi2" else 1.0
    assert test.p_value == pytest.approx(share * chi2.sf(statistic, df), rel=1e-10)


def test_agrees_with_the_test_against_linear_regression():
    results = sleepstudy("constant").results_
    test = lrtest(sleepstudy("constant"), sleepstudy("none"))
    assert (test.df, test.kind) == (results.lr_df, results.lr_kind)
    assert test.chi2 == pytest.approx(results.lr_chi2, rel=1e-10)
    assert test.p_value == pytest.approx(results.lr_p, rel=1e-10)


def test_one_more_level_is_one_variance():
    test = lrtest(nested("region", "state"), nested("state"))
    assert (test.df, test.kind, test.note) == (1, "chibar2(01)", "")


def test_a_variance_of_zero_has_p_one():
    rng = np.random.default_rng(3)
    errors = rng.normal(size=(12, 5))
    errors -= errors.mean(axis=1, keepdims=True)
    X = pd.DataFrame({"g": np.repeat(np.arange(12), 5), "x": rng.normal(size=60)})
    models = [
        MixedLinearRegressor(effects, fixed=[]).fit(X, errors.ravel())
        for effects in ("g", None)
    ]
    test = lrtest(*models)
    assert test.chi2 == pytest.approx(0.0, abs=1e-9)
    assert (test.p_value, test.kind) == (1.0, "chibar2(01)")


def test_fixed_effects():
    for effects in ("constant", "none"):
        test = lrtest(sleepstudy(effects), sleepstudy(effects, fixed=()))
        assert (test.df, test.kind, test.note) == (1, "chi2", "")
    # a variance and a coefficient at once
    test = lrtest(sleepstudy("constant"), sleepstudy("none", fixed=()))
    assert (test.df, test.kind) == (2, "chi2")
    assert BOUNDARY in test.note
    # a variance more, a coefficient less: not one variance alone
    test = lrtest(sleepstudy("unstructured", fixed=()), sleepstudy("constant"))
    assert (test.df, test.kind) == (1, "chi2")


def test_reml():
    test = lrtest(
        sleepstudy("unstructured", method="reml"), sleepstudy("slope", method="reml")
    )
    assert (test.df, test.kind) == (2, "chi2")
    with pytest.raises(ValueError, match=r"larger model has \['days'\].*method='ml'"):
        lrtest(
            sleepstudy("constant", method="reml"),
            sleepstudy("constant", method="reml", fixed=()),
        )


def test_results_will_do():
    more, fewer = sleepstudy("unstructured"), sleepstudy("constant")
    assert lrtest(more.results_, fewer.results_) == lrtest(more, fewer)
    assert lrtest(more, fewer.results_) == lrtest(more, fewer)


def test_public_names():
    assert "lrtest" in sklearn_xmixed.__all__
    assert sklearn_xmixed.lrtest is sklearn_xmixed.inference.lrtest


# ------------------------------------------------------------------ refusals


def test_not_fitted():
    fitted = sleepstudy("constant")
    with pytest.raises(NotFittedError, match="smaller model, a MixedLinearRegressor"):
        lrtest(fitted, clone(fitted))
    with pytest.raises(NotFittedError, match="larger model"):
        lrtest(clone(fitted), fitted)
    with pytest.raises(TypeError, match=r"takes fitted MixedLinearRegressor.*got 3.0"):
        lrtest(fitted, 3.0)


def test_equal_numbers_of_parameters():
    with pytest.raises(ValueError, match=r"Both models have 4 parameters.*aic_"):
        lrtest(sleepstudy("constant"), sleepstudy("slope"))


def test_different_methods():
    with pytest.raises(ValueError, match=r"REML \(larger model\) and ML \(smaller"):
        lrtest(sleepstudy("unstructured", method="reml"), sleepstudy("constant"))


def test_pseudolikelihoods():
    robust, model = sleepstudy("unstructured", vce="robust"), sleepstudy("constant")
    with pytest.raises(ValueError, match="larger model has a pseudolikelihood"):
        lrtest(robust, model)
    robust = sleepstudy("constant", vce="robust")
    with pytest.raises(ValueError, match=r"smaller model has .* with vce='oim'"):
        lrtest(sleepstudy("unstructured"), robust)


def test_different_observations():
    X, y = load_sleepstudy(return_X_y=True)
    fewer = MixedLinearRegressor("subject").fit(X[:150], y[:150])
    with pytest.raises(ValueError, match=r"180 observations .larger.* and 150 "):
        lrtest(sleepstudy("unstructured"), fewer)


@pytest.mark.parametrize("effects", ["subject", None])
def test_different_responses_of_the_same_size(effects):
    X, y = load_sleepstudy(return_X_y=True)
    other = MixedLinearRegressor(effects, fixed=["days"]).fit(X, np.log(y))
    with pytest.raises(ValueError, match="different rows or responses: linear"):
        lrtest(sleepstudy("unstructured"), other)
    # where linear regression does not tell, names do
    other = MixedLinearRegressor(effects, fixed=[]).fit(X, np.log(y).rename("log"))
    with pytest.raises(ValueError, match=r"'reaction' \(larger model\) and 'log'"):
        lrtest(sleepstudy("unstructured"), other)


def test_a_renamed_response_is_the_same_response():
    X, y = load_sleepstudy(return_X_y=True)
    for response in (y.to_numpy(), y.rename("time")):
        renamed = MixedLinearRegressor("subject").fit(X, response)
        assert lrtest(sleepstudy("unstructured"), renamed).df == 2
    unnamed = MixedLinearRegressor("subject", fixed=[], lr_test=False)
    assert lrtest(sleepstudy("constant"), unnamed.fit(X, y.to_numpy())).df == 1


def test_the_smaller_model_cannot_be_more_likely():
    more, fewer = sleepstudy("unstructured"), sleepstudy("constant")
    worse = replace(more.results_, log_likelihood=fewer.log_likelihood_ - 0.01)
    with pytest.raises(ValueError, match="with 4 parameters has a larger log likel"):
        lrtest(worse, fewer)
    # what rounding explains is no objection
    equal = replace(more.results_, log_likelihood=fewer.log_likelihood_ - 1e-8)
    assert lrtest(equal, fewer).chi2 == 0.0


def test_a_note_says_what_did_not_converge():
    X, y = load_sleepstudy(return_X_y=True)
    effects = RandomEffects("subject", ["days"], covariance="unstructured")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stopped = MixedLinearRegressor(effects, em_only=True, em_iter=2).fit(X, y)
    test = lrtest(stopped, sleepstudy("constant"))
    assert "The larger model did not converge" in test.note
    assert test.note.startswith("Note: The reported degrees of freedom")
    both = lrtest(stopped, replace(sleepstudy("none").results_, converged=False))
    assert "The larger and the smaller model did not converge" in both.note
