"""Precision weights and offsets in commands, formulas, translations and every method."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose
from scipy import stats
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict

from sklearn_xmixed import (
    MixedLinearRegressor,
    RandomEffects,
    Residuals,
    compare_residuals,
    from_formula,
    lrtest,
    to_lme4,
    to_nlme,
    to_sas,
    xtmixed,
)
from sklearn_xmixed.exceptions import CommandError
from sklearn_xmixed.inference import Results
from sklearn_xmixed.languages.formula import FormulaError
from sklearn_xmixed.means._marginaleffects import _Predictor
from sklearn_xmixed.resampling import bootstrap, jackknife
from sklearn_xmixed.stata import to_code, to_command
from tests.conftest import slow

REFERENCE = json.loads(
    (Path(__file__).parent / "reference" / "precision_weights.json").read_text()
)
OTHERS = REFERENCE["others"]
DATA = pd.DataFrame(REFERENCE["data"])
DATA = DATA.assign(
    f=np.array(["u", "v", "w"])[DATA["b"]], k=np.array(["no", "yes"])[DATA["h"] % 2]
)
X, Y, W = DATA[["a", "b", "h", "t", "x", "o"]], DATA["y"], DATA["w"]
N = len(X)
PRECISE = {"fixed": ["x", "t"], "weight_type": "precision"}
SLOPE = RandomEffects("a", ["x"], covariance="unstructured")


def fit(effects="a", weight=W, frame=X, **options):
    model = MixedLinearRegressor(effects, **(PRECISE | options))
    return model.fit(frame, Y, weight)


def said(line, **options):
    return xtmixed(line, DATA, show=False, **options)


# -- commands ------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["ml", "reml"])
def test_aw_are_precision_weights_scaled_to_a_mean_of_one(method):
    command = said(f"y x t [aw=w] || a: x, cov(un) {method} offset(o)")
    model = fit(SLOPE, W / W.mean(), method=method, offset="o")
    assert_allclose(command.log_likelihood_, model.log_likelihood_, rtol=1e-12)
    assert_allclose(command.sigma_, model.sigma_, rtol=1e-9)
    assert_allclose(command.predict(DATA), model.predict(X), rtol=1e-9)
    assert command.weight_type == "precision"
    assert command.offset == "o"


def test_the_unit_of_aw_does_not_matter():
    one, other = said("y x t [aw=w] || a:"), said("y x t [aweight = 1000 * w] || a:")
    assert_allclose(one.sigma_, other.sigma_, rtol=1e-9)
    assert_allclose(one.log_likelihood_, other.log_likelihood_, rtol=1e-12)


def test_the_mean_of_aw_is_that_of_the_rows_that_are_used():
    rows = DATA["t"] > 2
    command = said("y x t [aw=w] if t > 2 || a:")
    own = W[rows] / W[rows].mean()
    model = MixedLinearRegressor("a", **PRECISE).fit(X[rows], Y[rows], own)
    assert_allclose(command.sigma_, model.sigma_, rtol=1e-9)
    # later rows have the unit of the fit, whatever their own mean
    white = command.standardized_residuals(DATA, Y)
    scaled = W / W[rows].mean()
    expected = model.standardized_residuals(X, Y, sample_weight=scaled)
    assert_allclose(white, expected, rtol=1e-7, atol=1e-10)
    few = command.standardized_residuals(DATA[:20], Y[:20])
    assert_allclose(few, expected[:20], rtol=1e-7, atol=1e-10)


def test_a_row_without_an_offset_is_left_out_of_a_command():
    lost = DATA.assign(o=DATA["o"].where(DATA.index != 5))
    model = xtmixed("y x || a:, offset(o)", lost, show=False)
    assert model.results_.n_obs == N - 1
    assert np.isnan(model.predict(lost)).nonzero()[0].tolist() == [5]
    with pytest.raises(CommandError, match="no column 'o'"):
        model.predict(lost.drop(columns="o"))


def test_a_command_and_back():
    line = "y x t [aw=w] || a: x, covariance(unstructured) offset(o)"
    assert to_command(said(line)) == f"xtmixed {line}"
    plain = fit(SLOPE, offset="o")
    assert to_command(plain, weight="w") == f"xtmixed {line}"
    array = MixedLinearRegressor("a", fixed=["x"]).fit(X, Y, offset=X["o"])
    with pytest.raises(ValueError, match="was an array"):
        to_command(array)


@pytest.mark.parametrize(
    "line",
    ["y x t [aw=w] || a:, offset(o)", "y c.x#c.t [aw=w/2] if t > 2 || a:, offset(o)"],
)
def test_the_code_of_a_command_is_the_same_fit(line):
    command = said(line)
    here = {"data": DATA}
    exec(to_code(command), here)
    assert_allclose(here["model"].log_likelihood_, command.log_likelihood_, rtol=1e-12)
    assert_allclose(here["model"].sigma_, command.sigma_, rtol=1e-9)
    columns, y, weight = command.design(DATA)
    again = command.to_estimator().fit(columns, y, weight)
    assert_allclose(again.sigma_, command.sigma_, rtol=1e-9)


def test_margins_of_a_command_with_an_offset():
    command = said("y i.b x [aw=w] || a:, offset(o)")
    found = command.margins("margins b, atmeans").table["estimate"]
    rows = pd.DataFrame({"b": [0, 1, 2], "x": X["x"].mean(), "o": X["o"].mean()})
    assert_allclose(found, command.predict(rows, kind="fixed"), rtol=1e-9)
    observed = command.margins("margins").table["estimate"].iloc[0]
    assert_allclose(observed, command.predict(DATA, kind="fixed").mean(), rtol=1e-9)
    with pytest.raises(CommandError, match="offsets of their own"):
        command.margins("margins, over(b)")


# -- formulas ------------------------------------------------------------------------


def test_a_formula_with_an_offset_is_that_of_lme4():
    reference = REFERENCE["fits"]["lmer_formula_offset"]
    for text, options in (
        ("y ~ x + t + offset(o) + (1 | a)", {}),
        ("y ~ x + t + (1 | a)", {"offset": "o"}),
        ("y ~ offset(o / 2) + x + t + (1 | a) + offset( o/2 )", {}),
    ):
        model = from_formula(
            text, DATA, method="reml", weight_type="precision", sample_weight="w",
            **options,
        )  # fmt: skip
        assert model.fixed_names_ == ["x", "t"]
        assert_allclose(model.log_likelihood_, reference["log_likelihood"], rtol=1e-9)
        assert_allclose(model.predict(DATA)[:5], reference["fitted"], rtol=1e-5)


def test_what_stands_in_an_offset_is_arithmetic():
    model = from_formula("y ~ t + offset(x * o + log(w)) + (1 | a)", DATA)
    known = X["x"] * X["o"] + np.log(W)
    plain = MixedLinearRegressor("a", fixed=["t"]).fit(X, Y, offset=known)
    assert_allclose(model.log_likelihood_, plain.log_likelihood_, rtol=1e-12)
    assert model.offset == "offset(x * o + log(w))"
    new = DATA.tail(7).assign(x=2.0, a=99)
    expected = plain.predict(X.tail(7).assign(a=99)) + 2.0 * new["o"] + np.log(new["w"])
    model.set_params(unseen="zero"), plain.set_params(unseen="zero")
    assert_allclose(model.predict(new), expected, rtol=1e-9)
    for copy in (clone(model).fit(DATA), pickle.loads(pickle.dumps(model))):
        assert copy.log_likelihood_ == model.log_likelihood_
        assert_allclose(copy.predict(DATA), model.predict(DATA))
    assert_allclose(model.get_residuals(DATA, Y), Y - model.predict(DATA), rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("y ~ x - offset(o) + (1 | a)", "cannot be taken away"),
        ("y ~ x:offset(o) + (1 | a)", "stands alone"),
        ("y ~ x + (offset(o) | a)", "stands alone"),
        ("y ~ x + offset( ) + (1 | a)", "Nothing stands in the parentheses"),
        ("y ~ x + offset(f) + (1 | a)", "makes 3 columns|makes 2 columns|number"),
        ("y ~ x + offset(nowhere) + (1 | a)", "nowhere"),
        ("y ~ x + offset(__import__('os')) + (1 | a)", "not allowed in a formula"),
        ("y ~ x + offset(o.values) + (1 | a)", "may not look inside an object"),
    ],
)
def test_what_is_wrong_with_an_offset_of_a_formula(text, problem):
    with pytest.raises(FormulaError, match=problem):
        from_formula(text, DATA)


def test_an_offset_is_said_once():
    with pytest.raises(FormulaError, match="said twice"):
        from_formula("y ~ x + offset(o) + (1 | a)", DATA, offset="o")
    with pytest.raises(ValueError, match="two offsets"):
        from_formula("y ~ x + offset(o) + (1 | a)", DATA).fit(DATA, offset=X["o"])
    with pytest.raises(ValueError, match="formulas have already"):
        from_formula("y ~ x", DATA, functions={"offset": np.abs})
    model = from_formula("y ~ x + (1 | a)", DATA).fit(DATA, offset=X["o"])
    shifted = from_formula("y ~ x + offset(o) + (1 | a)", DATA)
    assert model.log_likelihood_ == shifted.log_likelihood_


def test_a_missing_offset_is_a_missing_value():
    lost = DATA.assign(o=DATA["o"].where(DATA.index != 5))
    text = "y ~ x + offset(o) + (1 | a)"
    with pytest.raises(ValueError, match="finite"):
        from_formula(text, lost)
    assert from_formula(text, lost, missing="drop").results_.n_obs == N - 1


# -- translations --------------------------------------------------------------------


def test_translations_are_what_r_was_run_with():
    formula = from_formula(
        "y ~ x + offset(o) + offset(log(w)) + (1 | a)", DATA,
        weight_type="precision", sample_weight="w",
    )  # fmt: skip
    none = RandomEffects("a", intercept=False)
    uneven = Residuals("ar", time="t", variance="b")
    models = [
        (to_lme4, fit(SLOPE, method="reml", offset="o")),
        (to_lme4, formula),
        (to_lme4, fit(none, offset="o")),
        (to_nlme, fit(method="reml", offset="o")),
        (to_nlme, fit(none, residuals=uneven)),
    ]
    for (translate, model), case in zip(models, OTHERS["translations"], strict=True):
        code = translate(model).code
        assert code[code.index("fit <- ") :] == case["code"]
        assert_allclose(case["log_likelihood"], model.log_likelihood_, rtol=1e-8)


def test_sas_has_a_statement_for_weights_and_none_for_offsets():
    code = to_sas(fit(method="reml", offset="o")).code
    assert code.startswith("data data;\n  set data;\n  y_net = y - o;\nrun;\n")
    assert "  weight w;\n  model y_net = x t / solution cl;" in code


def test_names_of_weights_in_translations():
    command = said("y x [aw=w] || a:")
    found = to_lme4(command)
    assert ", weights = w, REML = FALSE)" in found.code
    assert any(f"over {1.0 / W.mean():.6g}" in note for note in found.notes)
    assert "weights = exact" in to_lme4(fit(), weight="exact").code
    array = MixedLinearRegressor("a", fixed=["x"]).fit(X, Y, offset=X["o"])
    for translate in (to_lme4, to_nlme, to_sas):
        assert "was an array" in translate(array).reason


# -- marginal means ------------------------------------------------------------------


@pytest.mark.parametrize("way", ["equal", "proportional"])
def test_marginal_means_are_those_of_emmeans(way):
    """The offset at its mean; precision weights count no rows."""
    model = from_formula(
        "y ~ x + f + k + offset(o) + (1 | a)", DATA, weight_type="precision",
        sample_weight="w",
    )  # fmt: skip
    means = model.marginal_means("f", weights=way)
    assert_allclose(means.table["estimate"], OTHERS["means"][way]["mean"], rtol=1e-5)
    assert_allclose(means.table["std_error"], OTHERS["means"][way]["se"], rtol=1e-5)


def test_contrasts_and_slopes_have_no_offset():
    text = "y ~ x + f + (1 | a)"
    plain = from_formula(text, DATA.assign(y=Y - X["o"] - 3.0))
    model = from_formula(text, DATA.assign(o=X["o"] + 3.0), offset="o")
    one, other = plain.marginal_means("f"), model.marginal_means("f")
    shift = X["o"].mean() + 3.0
    assert_allclose(other.table["estimate"], one.table["estimate"] + shift)
    assert_allclose(
        other.pairs().table["estimate"], one.pairs().table["estimate"], atol=1e-12
    )
    total = {"total": [1.0, 1.0, 1.0]}
    assert_allclose(
        other.contrasts(total).table["estimate"],
        one.contrasts(total).table["estimate"] + 3.0 * shift,
    )
    assert_allclose(
        model.marginal_trends([], "x").table["estimate"],
        plain.marginal_trends([], "x").table["estimate"],
    )
    # the joint test of the means is of the means
    for name in ("pairwise", {"u": [1.0, 0.0, 0.0]}):
        test = other.contrasts(name).joint_test()
        assert test["p_value"].iloc[0] >= 0.0


def test_covariates_of_a_plain_estimator_are_at_their_means():
    model = fit(offset="o")
    found = model.marginal_means([]).table["estimate"].iloc[0]
    beta = model.results_.beta
    expected = X["x"].mean() * beta[0] + X["t"].mean() * beta[1] + beta[2]
    assert_allclose(found, expected + X["o"].mean(), rtol=1e-9)


# -- scikit-learn --------------------------------------------------------------------


def test_grid_search_takes_the_weights_along():
    with sklearn.config_context(enable_metadata_routing=True):
        model = MixedLinearRegressor(offset="o", unseen="zero", **PRECISE)
        model.set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        grid = {"random_effects": [None, "a"], "method": ["ml", "reml"]}
        search = GridSearchCV(model, grid, cv=GroupKFold(3))
        search.fit(X, Y, sample_weight=W, groups=X["a"])
        assert search.best_estimator_.results_.specification.offset == "o"
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        own = clone(search.best_estimator_).fit(X, Y, W)
        assert own.log_likelihood_ == search.best_estimator_.log_likelihood_


def test_cross_validated_predictions_add_the_offset():
    model = MixedLinearRegressor("a", offset="o", fixed=["x"], unseen="zero")
    found = cross_val_predict(model, X, Y, cv=GroupKFold(4), groups=X["a"])
    shifted = clone(model).set_params(offset=None)
    other = cross_val_predict(shifted, X, Y - X["o"], cv=GroupKFold(4), groups=X["a"])
    assert_allclose(found, other + X["o"], rtol=1e-9)


def test_score_weighs_rows_as_it_always_does():
    model = fit(offset="o")
    left = Y - model.predict(X)
    centred = Y - np.average(Y, weights=W)
    expected = 1 - (W * left**2).sum() / (W * centred**2).sum()
    assert_allclose(model.score(X, Y, W), expected)


# -- V in full -----------------------------------------------------------------------


def dense(model, effects_variance=True):
    V = model.marginal_covariance(X, sample_weight=W).to_numpy()
    D = np.column_stack([X["x"], X["t"], np.ones(N)])
    return V, D


def test_random_effects_and_their_errors_are_those_of_V_in_full():
    model = fit("a", method="reml", offset="o")
    V, D = dense(model)
    inverse = np.linalg.inv(V)
    P = inverse - inverse @ D @ np.linalg.solve(D.T @ inverse @ D, D.T @ inverse)
    d = model.covariances_["a"].iloc[0, 0]
    Z = (X["a"].to_numpy()[:, None] == np.unique(X["a"])).astype(float)
    blup = d * Z.T @ P @ (Y - X["o"])
    variance = d - d**2 * np.einsum("ng,nm,mg->g", Z, P, Z)
    mean, std = model.random_effects("a", return_std=True)
    assert_allclose(mean["_cons"], blup, rtol=1e-6)
    assert_allclose(std["_cons"], np.sqrt(variance), rtol=1e-6)
    # and the errors of predicted means
    _, std = model.predict(X, return_std=True)
    cov = d * Z @ Z.T
    bread = np.linalg.inv(D.T @ inverse @ D)
    K = D - cov @ inverse @ D
    expected = K @ bread @ K.T + cov - cov @ inverse @ cov
    assert_allclose(std, np.sqrt(np.diagonal(expected)), rtol=1e-6)


def test_intervals_of_new_rows_take_their_weights():
    model = fit(method="reml", offset="o")
    rows = model.prediction_interval(X, sample_weight=W)
    _, std = model.predict(X, return_std=True)
    assert_allclose(rows["std"] ** 2 - std**2, model.sigma_**2 / W, rtol=1e-6)
    alone = model.prediction_interval(X)
    assert_allclose(alone["std"] ** 2 - std**2, model.sigma_**2, rtol=1e-6)


@pytest.mark.parametrize(
    "effects", ["a", ["a", "b"], [RandomEffects("_all", factor="h"), "a"]]
)
def test_groups_left_out_are_those_of_fits_without_them(effects):
    model = fit(effects, tol=1e-12)
    found = model.influence(X, Y, sample_weight=W, level="a")
    keep = (X["a"] != 3).to_numpy()
    V, D = dense(model)
    inverse = np.linalg.inv(V[np.ix_(keep, keep)])
    beta = np.linalg.solve(D[keep].T @ inverse @ D[keep], D[keep].T @ inverse @ Y[keep])
    assert_allclose(found.coef.loc[3], beta, rtol=1e-6, atol=1e-9)
    again = clone(model).fit(X[keep], Y[keep], W[keep])
    row = found.refit([3]).loc[3]
    assert_allclose(row["", "log_likelihood"], again.log_likelihood_, rtol=1e-9)
    if effects == "a":  # a step of Newton's method comes near to that
        components = again.results_.variance_frame("variance")["estimate"]
        assert_allclose(found.variance_components.loc[3], components, rtol=0.05)
        assert_allclose(
            found.coef_one_step.loc[3], again.results_.beta, rtol=0.02, atol=0.005
        )
    z = found.rows["studentized"]
    assert np.isfinite(z).all()
    with pytest.raises(ValueError, match="not the data that the model"):
        model.influence(X, Y)


# -- tests of variances --------------------------------------------------------------


def test_exact_distributions_are_those_of_whitened_rows():
    """Of rows multiplied by the roots of the weights, which is the same model."""
    root = np.sqrt(W)
    frame = pd.DataFrame({"a": X["a"], "r": root, "x": root * X["x"]})
    y = root * (Y - X["o"])
    for method in ("ml", "reml"):
        larger = fit(fixed=["x"], method=method, offset="o")
        smaller = fit(None, fixed=["x"], method=method, offset="o")
        found = lrtest(
            larger, smaller, X, Y, sample_weight=W, method="exact", random_state=0
        )
        plain = MixedLinearRegressor(
            RandomEffects("a", ["r"], intercept=False),
            fixed=["r", "x"], fit_intercept=False, method=method,
        )  # fmt: skip
        pair = plain.fit(frame, y), clone(plain).set_params(random_effects=None)
        other = lrtest(
            pair[0], pair[1].fit(frame, y), frame, y, method="exact", random_state=0
        )
        assert_allclose(found.chi2, other.chi2, rtol=1e-6)
        assert found.p_value == other.p_value


@pytest.mark.slow
def test_bootstrap_of_the_statistic_is_near_the_exact_distribution():
    weak = Y - 0.93 * MixedLinearRegressor("a", fixed=["x"]).fit(X, Y).predict(X)
    larger = MixedLinearRegressor("a", **PRECISE, offset="o").fit(X, weak, W)
    smaller = MixedLinearRegressor(**PRECISE, offset="o").fit(X, weak, W)
    ways = [
        lrtest(
            larger, smaller, X, weak, sample_weight=W, method=method, random_state=0,
            n_resamples=n,
        ).p_value
        for method, n in (("exact", 20000), ("bootstrap", 200))
    ]  # fmt: skip
    error = np.sqrt(ways[0] * (1 - ways[0]) / 200)
    assert abs(ways[0] - ways[1]) < 4 * error + 0.01


# -- resampling ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["parametric", slow("residual"), "cluster"])
def test_bootstraps_of_every_kind(kind):
    model = MixedLinearRegressor("a", **PRECISE, offset="o")
    found = bootstrap(
        model, X, Y, sample_weight=W, n_resamples=60, kind=kind, random_state=1
    )
    own = np.sqrt(np.diagonal(fit(offset="o").results_.beta_vcov))
    ratio = found.std_error.iloc[:3].to_numpy() / own
    assert (0.5 < ratio).all()
    assert (ratio < 2.0).all()


def test_the_jackknife_leaves_groups_out_with_their_weights():
    model = MixedLinearRegressor("a", **PRECISE, offset="o")
    found = jackknife(model, X, Y, sample_weight=W)
    keep = X["a"] != 5
    one = clone(model).fit(X[keep], Y[keep], W[keep])
    assert_allclose(found.replicates.iloc[4, :3], one.results_.beta, rtol=1e-7)


def test_resampling_refuses_an_offset_that_was_an_array():
    model = MixedLinearRegressor("a", fixed=["x"]).fit(X, Y, offset=X["o"])
    for call in (
        lambda: bootstrap(model, X, Y, n_resamples=3),
        lambda: jackknife(model, X, Y),
        lambda: model.forecast(X),
        lambda: model.prediction_interval(X),
        lambda: model.confint("x", method="profile", X=X, y=Y),
        lambda: model.diagnose(X, Y),
    ):
        with pytest.raises(ValueError, match="was an array passed to fit"):
            call()


def test_comparing_structures_and_profiles():
    table = compare_residuals(
        MixedLinearRegressor("a", **PRECISE),
        {"plain": Residuals(), "ar": Residuals("ar", time="t")},
        X, Y, sample_weight=W,
    )  # fmt: skip
    assert_allclose(table.loc["plain", "log_likelihood"], fit().log_likelihood_)
    model = fit(offset="o")
    low, high = model.confint(
        "x", method="profile", X=X, y=Y, sample_weight=W
    ).iloc[0][["ci_lower", "ci_upper"]]  # fmt: skip
    bound = model.log_likelihood_ - stats.chi2.ppf(0.95, 1) / 2
    for end in (low, high):
        held = MixedLinearRegressor("a", fixed=["t"], weight_type="precision")
        held.fit(X, Y - X["o"] - end * X["x"], W)
        assert_allclose(held.log_likelihood_, bound, atol=1e-4)


# -- what is kept --------------------------------------------------------------------


def test_results_are_saved_and_read():
    results = fit(offset="o").results_
    again = Results.from_dict(json.loads(json.dumps(results.to_dict())))
    assert again.specification.offset == "o"
    assert again.specification.weight_type == "precision"
    assert_allclose(again.beta, results.beta)


def test_lazy_tables_take_the_weights_and_predict_with_an_offset():
    polars = pytest.importorskip("polars")
    table = polars.from_pandas(X.assign(y=Y, w=W, row=np.arange(N))).lazy()
    lazily = MixedLinearRegressor("a", **PRECISE).fit(table, "y", sample_weight="w")
    assert_allclose(lazily.log_likelihood_, fit().log_likelihood_, rtol=1e-10)
    assert_allclose(lazily.results_.beta, fit().results_.beta, rtol=1e-7)
    model = fit(offset="o")
    found = model.predict(table).sort("row").collect()["prediction"].to_numpy()
    assert_allclose(found, model.predict(X), rtol=1e-9)
    assert_allclose(model.score(table, "y"), model.score(X, Y))
    with pytest.raises(ValueError, match="two offsets"):
        model.predict(table, offset="o")
    with pytest.raises(TypeError, match="the offset must be the name of one of its"):
        fit().predict(table, offset=np.ones(N))


def test_products_alone_take_the_weights_too():
    effects = [RandomEffects("_all", factor="h"), "a"]
    exact = fit(effects, crossed="exact")
    iterative = fit(effects, crossed="iterative", n_probes=400, random_state=0)
    assert_allclose(iterative.log_likelihood_, exact.log_likelihood_, rtol=5e-3)
    assert_allclose(iterative.results_.beta, exact.results_.beta, rtol=0.05, atol=0.02)


def test_drawings_take_the_weights():
    pytest.importorskip("matplotlib")
    from sklearn_xmixed.plotting import GroupCurvesDisplay, QQDisplay, ResidualsDisplay

    model = fit(offset="o")
    drawn = ResidualsDisplay.from_estimator(model, X, Y, sample_weight=W)
    white = model.standardized_residuals(X, Y, sample_weight=W)
    assert_allclose(drawn.residuals, white)
    z = QQDisplay.from_estimator(model, X, Y, sample_weight=W).values.iloc[:, 0]
    expected = model.influence(X, Y, sample_weight=W).rows["studentized"]
    assert_allclose(np.sort(z), np.sort(expected))
    array = MixedLinearRegressor("a", fixed=["x"]).fit(X, Y, offset=X["o"])
    with pytest.raises(ValueError, match="was an array"):
        GroupCurvesDisplay.from_estimator(array, X, Y, x="x")


def test_resampling_a_command_keeps_the_unit_of_its_weights():
    command = said("y x t [aw=w] || a:, offset(o)")
    own = W / W.mean()
    plain = MixedLinearRegressor("a", **PRECISE, offset="o")
    for one in (command, clone(command)):  # fitted and not
        found = bootstrap(one, DATA, Y, n_resamples=4, random_state=2)
        other = bootstrap(plain, X, Y, sample_weight=own, n_resamples=4, random_state=2)
        assert_allclose(found.replicates, other.replicates, rtol=1e-5, atol=1e-6)
    rows = command.influence(DATA, Y).rows
    expected = fit(weight=own, offset="o").influence(X, Y, sample_weight=own).rows
    assert_allclose(rows["studentized"], expected["studentized"], rtol=1e-6)


def test_new_rows_of_a_command_have_the_average_weight_unless_it_is_there():
    command = said("y x t [aw=w] || a:, reml")
    _, std = command.predict(DATA, return_std=True)
    without = command.prediction_interval(DATA.drop(columns="w"))
    assert_allclose(without["std"] ** 2 - std**2, command.sigma_**2, rtol=1e-6)
    found = command.prediction_interval(DATA)
    expected = command.sigma_**2 / (W / W.mean())
    assert_allclose(found["std"] ** 2 - std**2, expected, rtol=1e-6)
    with pytest.raises(ValueError, match="pass sample_weight="):
        command.standardized_residuals(DATA.drop(columns="w"), Y)


def test_fits_with_and_without_precision_weights_are_not_nested():
    smaller = MixedLinearRegressor(fixed=["x"]).fit(X, Y)
    with pytest.raises(ValueError, match="larger model alone has precision weights"):
        lrtest(fit(), smaller)


def test_the_offset_is_that_of_the_fit_whatever_is_set_later():
    model = fit(offset="o")
    before = model.predict(X)
    model.set_params(offset=None)
    assert_allclose(model.predict(X), before)


def test_expectation_maximisation_alone_takes_the_weights():
    em = fit(em_only=True, em_iter=2000, em_tol=1e-14)
    assert_allclose(em.log_likelihood_, fit().log_likelihood_, rtol=1e-8)


def test_the_model_of_marginaleffects_adds_the_offset():
    """What its class asks for; the package itself need not be there."""
    model = from_formula("y ~ x + t + offset(o) + (1 | a)", DATA)
    part = model._fixed_part(None)
    beta = np.append(part.beta, 1.0)
    for kind, own in (("fixed", True), ("blup", True)):
        rows = _Predictor(model, part, kind, {}, own).columns(DATA)
        assert_allclose(rows @ beta, model.predict(DATA, kind=kind), rtol=1e-9)
    mean = _Predictor(model, part, "fixed", {}, False).columns(DATA)
    assert_allclose(mean[:, -1], X["o"].mean(), rtol=1e-12)


def test_a_diagnosis_looks_at_weighted_rows():
    model = fit(offset="o")
    cook = model.influence(X, Y, sample_weight=W).group_table["cooks_distance"]
    told = str(model.diagnose(X, Y, sample_weight=W))
    assert f"Cook's distance 14 ({cook[14]:.2f})" in told
    with pytest.raises(ValueError, match="not the data"):
        model.diagnose(X, Y)


def test_an_offset_before_fit():
    with pytest.raises(NotFittedError):
        MixedLinearRegressor("a", offset="o").predict(X, offset=X["o"])
