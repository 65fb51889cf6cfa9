"""Copies, representations and files of specifications and fitted models."""

from __future__ import annotations

import copy
import io
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from sklearn_xmixed.datasets import make_multilevel
from sklearn_xmixed.likelihood import NestedPosterior
from tests.conftest import before

LEVELS = ["school", "class"]
SPECIFICATIONS = {
    "equation": RandomEffects("g", ["x"], covariance="unstructured", name="slope"),
    "residuals": Residuals("ar", order=2, time="t"),
    "none": MixedLinearRegressor(),
    "name": MixedLinearRegressor("school", method="reml"),
    "names": MixedLinearRegressor(LEVELS, fixed=["x1"]),
    "one": MixedLinearRegressor(RandomEffects("school", ["x1"])),
    "list": MixedLinearRegressor(
        [RandomEffects("school", ["x1"], covariance="unstructured"), "class"],
        residuals=Residuals(),
        tol=1e-8,
    ),
    "tuple": MixedLinearRegressor((RandomEffects("school"), RandomEffects("class"))),
}

data = make_multilevel((8, 3), 5, level_names=LEVELS, random_state=0)
X, y = data.data, data.target


@pytest.fixture(params=SPECIFICATIONS)
def specification(request):
    return clone(SPECIFICATIONS[request.param])


@pytest.fixture(scope="module")
def fitted():
    return clone(SPECIFICATIONS["list"]).fit(X, y)


def through_pickle(thing):
    return pickle.loads(pickle.dumps(thing))


def through_joblib(thing):
    file = io.BytesIO()
    joblib.dump(thing, file)
    file.seek(0)
    return joblib.load(file)


COPIES = [clone, copy.deepcopy, through_pickle, through_joblib]


# --------------------------------------------------------- specifications


@pytest.mark.parametrize("duplicate", COPIES)
def test_copies_of_specifications(duplicate, specification):
    again = duplicate(specification)
    assert again is not specification
    assert repr(again) == repr(specification)
    assert joblib.hash(again) == joblib.hash(specification)
    assert again.get_params().keys() == specification.get_params().keys()


def test_hash_tells_specifications_apart():
    hashes = {joblib.hash(s) for s in SPECIFICATIONS.values()}
    assert len(hashes) == len(SPECIFICATIONS)


def test_parameters_are_kept_as_they_were_given():
    equations = [RandomEffects("school"), RandomEffects("class")]
    model = MixedLinearRegressor(equations)
    assert model.random_effects is equations
    assert model.get_params(deep=False)["random_effects"] is equations
    model.fit(X, y)
    assert model.get_params(deep=False)["random_effects"] is equations
    assert model.random_effects == equations
    assert vars(equations[0]) == vars(RandomEffects("school"))


def test_clone_does_not_share_equations():
    model = clone(SPECIFICATIONS["one"])
    again = clone(model)
    again.set_params(random_effects__covariance="identity")
    assert model.get_params()["random_effects__covariance"] is None


@pytest.mark.parametrize("kind", [list, tuple])
def test_nested_parameters(kind):
    equations = [RandomEffects("school"), RandomEffects("class")]
    model = MixedLinearRegressor(kind(equations))
    names = [k for k in model.get_params() if k.startswith("random_effects__class__")]
    assert len(names) == len(RandomEffects("class").get_params())
    model.set_params(
        method="reml",
        random_effects__school__columns=["x1"],
        random_effects__school__covariance="unstructured",
        random_effects__class=RandomEffects("class", ["x2"]),
    )
    equations = model.get_params()["random_effects"]
    assert isinstance(equations, kind)
    assert equations[0].covariance == "unstructured"
    assert equations[1].columns == ["x2"]
    assert model.method == "reml"
    # the name follows the specification
    model.set_params(random_effects__class__name="slope")
    model.set_params(random_effects__slope__covariance="identity")
    assert model.get_params()["random_effects__slope__covariance"] == "identity"


def test_nested_parameters_of_one_equation_and_of_residuals():
    model = MixedLinearRegressor(RandomEffects("school"), residuals=Residuals())
    model.set_params(
        random_effects__covariance="identity", residuals__structure="exchangeable"
    )
    assert model.get_params()["random_effects"].covariance == "identity"
    assert model.residuals.structure == "exchangeable"


def test_two_equations_of_one_level_have_two_names():
    model = MixedLinearRegressor([RandomEffects("g", ["x"]), RandomEffects("g")])
    params = model.get_params()
    assert params["random_effects__g__columns"] == ["x"]
    assert params["random_effects__g_2__columns"] == ()


def test_a_list_and_its_items_in_one_call():
    model = MixedLinearRegressor().set_params(
        random_effects=[RandomEffects("school"), RandomEffects("class")],
        random_effects__class__covariance="identity",
    )
    assert model.get_params()["random_effects__class__covariance"] == "identity"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"random_effects__pupil__columns": []}, r"no equation 'pupil'.*\['school'"),
        ({"random_effects__school__columnz": []}, r"Invalid parameter 'columnz'"),
        ({"methode": "ml"}, r"Invalid parameter 'methode'"),
    ],
)
def test_unknown_parameters(parameters, message):
    model = MixedLinearRegressor([RandomEffects("school"), RandomEffects("class")])
    with pytest.raises(ValueError, match=message):
        model.set_params(**parameters)


# --------------------------------------------------------- representations


def test_repr_shows_what_was_changed():
    assert repr(MixedLinearRegressor()) == "MixedLinearRegressor()"
    assert repr(Residuals()) == "Residuals()"
    assert repr(RandomEffects("g")) == "RandomEffects(group='g')"
    model = MixedLinearRegressor(["g"], method="reml")
    assert repr(model) == "MixedLinearRegressor(method='reml', random_effects=['g'])"


def test_representations(specification):
    html = specification._repr_html_()
    assert type(specification).__name__ in html
    assert repr(specification)


def test_representations_of_a_fitted_model(fitted):
    assert repr(fitted) == repr(clone(fitted))
    html = fitted._repr_html_()
    assert "MixedLinearRegressor" in html
    if before("scikit-learn", "1.9"):  # shows parameters alone
        return
    for name in ("coef_", "log_likelihood_", "variance_components_", "n_groups_"):
        assert name in html


@pytest.mark.parametrize("look", [dir, repr, lambda m: m._repr_html_(), vars])
def test_looking_at_a_model_computes_nothing(look, monkeypatch):
    model = clone(SPECIFICATIONS["list"]).fit(X, y)

    def forbidden(*args, **kwargs):
        raise RuntimeError("the random effects were computed")

    monkeypatch.setattr(NestedPosterior, "floors", property(forbidden))
    look(model)
    with pytest.raises(RuntimeError, match="were computed"):  # so it would be seen
        list(model.random_effects_.values())


def test_tab_completion(fitted):
    names = dir(fitted)
    assert {"coef_", "summary", "random_effects_", "predict", "vcov"} <= set(names)
    before = set(dir(MixedLinearRegressor()))
    assert "coef_" not in before or not hasattr(MixedLinearRegressor(), "coef_")


# ----------------------------------------------------------- fitted models


@pytest.mark.parametrize("duplicate", COPIES[1:])
def test_copies_of_fitted_models(duplicate, fitted):
    again = duplicate(fitted)
    assert_array_equal(again.predict(X), fitted.predict(X))
    std = [model.predict(X, return_std=True)[1] for model in (again, fitted)]
    assert_array_equal(*std)
    pd.testing.assert_frame_equal(again.vcov(), fitted.vcov())
    pd.testing.assert_frame_equal(
        again.variance_components_, fitted.variance_components_
    )
    for name, table in fitted.random_effects_.items():
        pd.testing.assert_frame_equal(again.random_effects_[name], table)
    assert str(again.summary()) == str(fitted.summary())
    assert not hasattr(clone(again), "coef_")


@pytest.mark.parametrize(
    "spec", ["g", RandomEffects("g", ["v0", "v1"], covariance="unstructured")]
)
@pytest.mark.parametrize("used", [False, True])
def test_pickle_holds_no_rows(spec, used):
    """20,000 rows of 10 columns are 1.6 MB."""
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(50), 400)
    names = [f"v{j}" for j in range(10)]
    frame = pd.DataFrame(rng.normal(size=(20_000, 10)), columns=names)
    target = frame.sum(axis=1) + rng.normal(size=50)[g] + rng.normal(size=20_000)
    model = MixedLinearRegressor(spec).fit(frame.assign(g=g), target)
    if used:
        model.predict(frame.assign(g=g), return_std=True)
        assert model.random_effects_["g"].shape[0] == 50
        str(model.summary())
    assert len(pickle.dumps(model)) < 100_000


def test_fitted_model_keeps_nothing_of_the_callers():
    frame, target = X.copy(), y.copy()
    model = clone(SPECIFICATIONS["list"]).fit(frame, target)
    right = model.predict(X)
    frame.loc[:, :] = 0
    target[:] = 0
    assert_array_equal(model.predict(X), right)


def test_what_a_model_returns_is_the_callers():
    """Changing a result does not change the model."""
    model = clone(SPECIFICATIONS["list"]).fit(X, y)
    right = model.predict(X)
    coef, names = model.coef_.copy(), model.fixed_names_.copy()
    for table in (model.variance_components_, *model.random_effects_.values()):
        table.iloc[:, :] = -1.0
    model.fixed_names_.clear()
    try:
        model.coef_[:] = -1.0
    except ValueError:  # read-only would do
        pass
    assert_array_equal(model.coef_, coef)
    assert model.fixed_names_ == names
    assert (model.variance_components_["estimate"] >= 0).any()
    assert_array_equal(model.predict(X), right)
    assert str(model.summary())


def test_changed_specification_waits_for_the_next_fit():
    model = clone(SPECIFICATIONS["names"]).fit(X, y)
    right = model.predict(X)
    model.set_params(random_effects="school", method="reml")
    assert_array_equal(model.predict(X), right)
    assert model.results_.method == "ML"
    assert model.fit(X, y).results_.method == "REML"
