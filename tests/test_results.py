"""The saved results: the manual's list, tables, JSON and back."""

import json
import math
import pickle
import re
import warnings
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals, xtmixed
from sklearn_xmixed.datasets import load_productivity, load_sleepstudy
from sklearn_xmixed.inference import Results
from sklearn_xmixed.reporting import Summary

PAGE = Path(__file__).resolve().parents[1] / "docs" / "results.md"

SAVED = """
N k k_f k_r k_rs k_rc k_res N_clust nrgroups ar_p ma_q res_order df_m ll chi2 p ll_c
chi2_c df_c p_c rank rc converged cmd cmdline depvar wtype wexp fweightk pweightk
ivars title redim vartypes revars resopt rstructure rstructlab rbyvar rglabels
pwscale timevar chi2type clustvar vce vcetype method opt optmetric emonly ml_method
technique properties estat_cmd predict asbalanced asobserved b N_g g_min g_avg g_max
tmap V V_modelbased sample
""".split()


@cache
def sleepstudy(**parameters):
    X, y = load_sleepstudy(return_X_y=True)
    effects = RandomEffects("subject", ["days"], covariance="unstructured")
    return MixedLinearRegressor(effects, **parameters).fit(X, y)


def zero_variance():
    rng = np.random.default_rng(0)
    errors = rng.normal(size=(10, 4))
    errors -= errors.mean(axis=1, keepdims=True)
    X = pd.DataFrame({"g": np.repeat(np.arange(10), 4), "x": rng.normal(size=40)})
    return MixedLinearRegressor("g", fixed=["x"]).fit(X, errors.ravel())


def iterative():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.integers(0, 30, 400), "b": rng.integers(0, 25, 400)})
    y = rng.normal(size=30)[X["a"]] + rng.normal(size=25)[X["b"]] + rng.normal(size=400)
    both = [RandomEffects("_all", factor=name) for name in ("a", "b")]
    model = MixedLinearRegressor(both, fixed=[], crossed="iterative")
    return model.fit(X, y)


def factor_model():
    X, y = load_productivity(return_X_y=True)
    X = X.assign(even=X["year"] % 2)
    return MixedLinearRegressor(
        RandomEffects("region", factor="state", covariance="exchangeable"),
        fixed=["private", "even"],
    ).fit(X, y)


def weighted():
    X, y = load_sleepstudy(return_X_y=True)
    X = X.assign(w=X["subject"].astype("category").cat.codes % 3 + 1.0)
    return MixedLinearRegressor(
        RandomEffects("subject", weight="w"),
        fixed=["days"],
        weight_type="sampling",
        weight_scaling="size",
    ).fit(X, y, np.where(X["days"] > 4, 2.0, 1.0))


def by_category():
    X, y = load_sleepstudy(return_X_y=True)
    X = X.assign(half=np.where(X["days"] > 4, "late", "early"))
    return MixedLinearRegressor(
        "subject", fixed=["days"], residuals=Residuals("independent", by="half")
    ).fit(X, y)


def nothing_fixed():
    X, y = load_sleepstudy(return_X_y=True)
    return MixedLinearRegressor("subject", fixed=[], fit_intercept=False).fit(X, y)


MODELS = {
    "slopes": sleepstudy,
    "linear": lambda: MixedLinearRegressor().fit(
        [[1.0], [2.0], [4.0]], [1.0, 3.0, 2.0]
    ),
    "zero variance": zero_variance,
    "empty equation": lambda: MixedLinearRegressor(
        RandomEffects("subject", intercept=False)
    ).fit(*load_sleepstudy(return_X_y=True)),
    "factor": factor_model,
    "iterative": iterative,
    "weighted": weighted,
    "by": by_category,
    "nothing fixed": nothing_fixed,
}


@cache
def fitted(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MODELS[name]()


# ------------------------------------------------------------ the manual's list


def rows_of_the_page():
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in PAGE.read_text().splitlines()
        if line.startswith("| `e(")
    ]


def test_every_item_of_the_manual_has_a_row():
    assert [re.findall(r"\w+", row[0])[1] for row in rows_of_the_page()] == SAVED


@pytest.mark.parametrize("row", rows_of_the_page(), ids=lambda row: row[0].strip("`"))
def test_every_row_names_something_that_is_there(row):
    model = fitted("slopes")
    names = re.findall(r"`([\w.]+)`", row[1])
    assert names or row[0] in ("`e(asbalanced)`", "`e(asobserved)`")
    for name in names:
        thing = model if name.startswith("model.") else model.results_
        for part in name.removeprefix("model.").split("."):
            thing = getattr(thing, part)


def test_values_behind_the_names():
    results = fitted("slopes").results_
    assert (results.n_obs, results.n_params, results.n_fixed) == (180, 6, 2)
    assert (results.n_random, results.n_sd, results.n_corr) == (3, 2, 1)
    assert (results.n_residual, results.rank, results.return_code) == (1, 6, 0)
    assert results.title == "Mixed-effects ML regression"
    assert results.specification.n_rows == 180
    assert results.specification.optimization == "newton"
    assert list(results.params.index) == list(results.vcov.index)
    assert results.params.iloc[:2].tolist() == results.beta.tolist()
    assert results.model_vcov.to_numpy().tolist() == results.beta_vcov.tolist()
    assert fitted("linear").results_.specification.optimization == "closed form"
    assert (
        sleepstudy(em_only=True, em_iter=5000).results_.specification.optimization
        == "em"
    )


def test_weights_and_residuals_are_described():
    spec = fitted("weighted").results_.specification
    assert (spec.weight_type, spec.weight_name) == ("sampling", "sample_weight")
    assert spec.level_weights == {"subject": "w"}
    assert spec.weight_scaling == "size"
    results = fitted("weighted").results_
    assert not np.allclose(results.model_vcov, results.beta_vcov)
    spec = fitted("by").results_.specification
    assert spec.residual_by == "half"
    assert spec.residual_categories == ("early", "late")
    assert spec.weight_type == ""


def test_the_command_is_kept():
    X, y = load_sleepstudy(return_X_y=True)
    fit = xtmixed(
        "reaction days || subject:,\n  reml", X.assign(reaction=y), show=False
    )
    assert fit.results_.specification.command.endswith(
        "reaction days || subject:, reml"
    )
    assert fitted("slopes").results_.specification.command == ""


@pytest.mark.parametrize(
    ("structure", "given", "order"),
    [
        ("ar", None, 1),
        ("ar", 2, 2),
        ("ma", 2, 2),
        ("toeplitz", 3, 3),
        ("exponential", None, None),
    ],
)
def test_order_of_the_residuals(structure, given, order):
    X, y = load_sleepstudy(return_X_y=True)
    residuals = Residuals(structure, order=given, time="days")
    model = MixedLinearRegressor("subject", fixed=["days"], residuals=residuals)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec = model.fit(X, y).results_.specification
    assert (spec.residual_structure, spec.residual_order) == (structure, order)
    assert (spec.residual_time, spec.residual_times) == ("days", ())


def test_times_of_unstructured_residuals():
    X, y = load_sleepstudy(return_X_y=True)
    some = X["days"].isin([0, 2, 9])
    model = MixedLinearRegressor(
        RandomEffects("subject", intercept=False),
        fixed=["days"],
        residuals=Residuals("unstructured", time="days"),
    ).fit(X[some], y[some])
    assert model.results_.specification.residual_times == (0.0, 2.0, 9.0)


def test_rows_that_were_used():
    X, y = load_sleepstudy(return_X_y=True)
    gone = np.arange(len(y)) % 7 == 3
    model = MixedLinearRegressor("subject", fixed=["days"], missing="drop")
    model.fit(X, np.where(gone, np.nan, y))
    assert (model.sample_ == ~gone).all()
    assert model.results_.specification.n_dropped == gone.sum()
    assert fitted("slopes").sample_.shape == (180,)
    assert fitted("slopes").sample_.all()


def test_rank_counts_what_is_estimated():
    results = fitted("zero variance").results_
    assert results.boundary == (("g", "sd(_cons)"),)
    assert results.rank == results.n_params - 1
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor("subject").fit(X.assign(twice=2 * X["days"]), y)
    assert model.results_.rank == model.results_.n_params


# ------------------------------------------------------------------ and back


def same(a, b):
    """Equal in type and, to the last bit, in value."""
    assert type(a) is type(b) or {type(a), type(b)} == {float, np.float64}
    if is_dataclass(a):
        for f in fields(a):
            same(getattr(a, f.name), getattr(b, f.name))
    elif isinstance(a, np.ndarray):
        assert a.shape == b.shape
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert a == b or (math.isnan(a) and math.isnan(b))


@pytest.mark.parametrize("name", MODELS)
def test_json_and_back(name):
    results = fitted(name).results_
    text = json.dumps(results.to_dict(), allow_nan=False)
    again = Results.from_dict(json.loads(text))
    same(results, again)
    assert again.to_dict() == results.to_dict()
    assert str(Summary(again)) == str(Summary(results))
    pd.testing.assert_frame_equal(again.vcov, results.vcov)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("metric", ["sd", "variance", "estimation"])
def test_one_tidy_frame(name, metric):
    results = fitted(name).results_
    frame = results.to_frame(metric=metric, confidence_level=0.9)
    assert frame.index.names == ["equation", "term"]
    assert frame.index.is_unique
    fixed, random = results.fixed_table(0.9), results.variance_frame(metric, 0.9)
    k = len(fixed)
    np.testing.assert_array_equal(frame[:k], fixed)
    np.testing.assert_array_equal(frame[k:][random.columns], random)
    assert frame[k:][["z", "p_value"]].isna().all().all()


def test_results_survive_a_pickle():
    results = fitted("slopes").results_
    assert pickle.loads(pickle.dumps(results)).to_dict() == results.to_dict()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("format"), "made by to_dict"),
        (lambda d: d.update(format=99), "format 99, this version reads format 1"),
        (lambda d: d.pop("beta"), "missing \\['beta'\\]"),
        (lambda d: d.update(more=1), "unknown \\['more'\\]"),
        (lambda d: d.update(n_fixed="two"), "n_fixed should be int, got 'two'"),
        (lambda d: d.update(beta=[1, "x"]), "Results.beta should be Vector"),
        (lambda d: d["groups"][0].pop("name"), "GroupSummary was not written"),
        (lambda d: d.update(groups=[3]), "GroupSummary is read from a dict, got 3"),
    ],
)
def test_bad_input_is_explained(change, message):
    data = fitted("slopes").results_.to_dict()
    change(data)
    with pytest.raises(ValueError, match=message):
        Results.from_dict(data)


def test_other_things_are_no_results():
    with pytest.raises(ValueError, match="got list"):
        Results.from_dict([1])


def test_levels_of_confidence_are_checked():
    results = fitted("slopes").results_
    for call in (results.fixed_table, results.to_frame):
        with pytest.raises(ValueError, match=r"got 95. Write 0.95 for 95 %"):
            call(confidence_level=95)
    with pytest.raises(ValueError, match="between 0 and 1"):
        results.variance_frame("sd", 1.0)


def test_frames_can_be_changed_without_harm():
    model = fitted("slopes")
    test = model.wald_test("days").chi2
    for frame in (model.vcov(), model.results_.vcov, model.results_.params.to_frame()):
        frame.iloc[0, 0] = 0.0
    assert model.wald_test("days").chi2 == test


def test_factors_are_told_from_levels():
    (equation,) = fitted("factor").results_.equations
    assert (equation.group, equation.factor, equation.effects) == (
        "region",
        "state",
        ("R.state",),
    )
    assert fitted("slopes").results_.equations[0].factor == ""
