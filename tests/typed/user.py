"""What a user writes who runs `mypy --strict`; tests/test_typing.py checks and runs it.

``assert_type`` fails where a signature says less than what is returned.
"""

from typing import assert_type

import numpy as np
import pandas as pd

from sklearn_xmixed import (
    MixedEffectsEncoder,
    MixedLinearRegressor,
    RandomEffects,
    Residuals,
    bootstrap,
    by,
    compare_fits,
    from_formula,
    lrtest,
    power,
    to_lme4,
    xtmixed,
)
from sklearn_xmixed.datasets import load_sleepstudy
from sklearn_xmixed.diagnostics import Diagnosis, Influence
from sklearn_xmixed.exceptions import NotConvergedWarning
from sklearn_xmixed.formula import FormulaRegressor
from sklearn_xmixed.inference import LikelihoodRatio, Results, WaldFTest, WaldTest
from sklearn_xmixed.means import Contrasts, MarginalMeans
from sklearn_xmixed.planning import PowerResult
from sklearn_xmixed.reporting import Summary
from sklearn_xmixed.resampling import BootstrapResult, FitsByCategory
from sklearn_xmixed.stata import CommandRegressor, to_code
from sklearn_xmixed.translation import Translation

X: pd.DataFrame
X, y = load_sleepstudy(return_X_y=True)
frame = X.assign(reaction=y, late=np.where(X["days"] > 4, "late", "early"))


def fitted() -> MixedLinearRegressor:
    effects = RandomEffects("subject", ["days"], covariance="unstructured")
    model = MixedLinearRegressor(effects, fixed=["days"], method="reml")
    return assert_type(model.fit(X, y), MixedLinearRegressor)


def predictions(model: MixedLinearRegressor) -> float:
    mean = assert_type(model.predict(X), np.ndarray)
    mean, std = assert_type(
        model.predict(X, return_std=True), tuple[np.ndarray, np.ndarray]
    )
    assert_type(model.prediction_interval(X, 0.9), pd.DataFrame)
    assert_type(model.get_residuals(X, y), np.ndarray)
    assert mean.shape == std.shape
    return assert_type(model.score(X, y), float)


def estimates(model: MixedLinearRegressor) -> list[str]:
    assert_type(model.results_, Results)
    assert_type(model.coef_, np.ndarray)
    assert_type(model.intercept_, float)
    assert_type(model.log_likelihood_, float)
    assert_type(model.converged_, bool)
    assert_type(model.variance_components_, pd.DataFrame)
    assert_type(model.random_effects_["subject"], pd.DataFrame)
    assert_type(model.covariances_, dict[str, pd.DataFrame])
    assert_type(model.recovariance(), dict[str, pd.DataFrame])
    assert_type(model.recovariance("subject"), pd.DataFrame)
    assert_type(model.coef_table(df="satterthwaite"), pd.DataFrame)
    assert_type(model.confint(), pd.DataFrame)
    assert_type(model.summary(), Summary)
    assert_type(model.wald_test("days = 10"), WaldTest | WaldFTest)
    assert_type(model.lincom("_cons + 9*days"), pd.DataFrame)
    assert_type(model.anova(), pd.DataFrame)
    assert_type(model.diagnose(X, y), Diagnosis)
    assert_type(model.influence(X, y), Influence)
    return assert_type(model.fixed_names_, list[str])


def means() -> pd.DataFrame:
    model = assert_type(
        from_formula("reaction ~ late + (1 | subject)", frame), FormulaRegressor
    )
    assert_type(to_lme4(model), Translation)
    found = assert_type(model.marginal_means("late"), MarginalMeans)
    differences = assert_type(found.contrasts("pairwise"), Contrasts)
    return assert_type(differences.table, pd.DataFrame)


def command() -> str:
    text = "reaction days || subject: days, cov(un)"
    model = assert_type(xtmixed(text, frame, show=False), CommandRegressor)
    assert_type(model.fit(frame), CommandRegressor)
    return assert_type(to_code(model), str)


def comparisons(model: MixedLinearRegressor) -> float:
    smaller = MixedLinearRegressor("subject", fixed=["days"], method="reml").fit(X, y)
    found = assert_type(lrtest(model, smaller), LikelihoodRatio)
    assert_type(compare_fits(model, smaller), pd.DataFrame)
    draws = bootstrap(model, X, y, n_resamples=10, random_state=1)
    assert_type(draws, BootstrapResult)
    assert_type(by(smaller, frame, y, by="late"), FitsByCategory)
    return assert_type(found.p_value, float)


def study(model: MixedLinearRegressor) -> float:
    found = power(model, X, effect={"days": 5.0}, n_sims=20, random_state=1)
    assert_type(found, PowerResult)
    return float(np.min(found.power))


def encoded() -> MixedEffectsEncoder:
    encoder = MixedEffectsEncoder(["subject"], target_type="continuous")
    assert_type(encoder.fit_transform(X, y), np.ndarray)
    assert_type(encoder.transform(X), np.ndarray)
    return assert_type(encoder.fit(X, y), MixedEffectsEncoder)


def batches() -> MixedLinearRegressor:
    model = MixedLinearRegressor("subject", residuals=Residuals())
    return assert_type(model.partial_fit(X, y), MixedLinearRegressor)


def main() -> None:
    model = fitted()
    assert estimates(model) == ["days"]
    assert predictions(model) > 0.5
    assert len(means()) == 1
    assert "MixedLinearRegressor" in command()
    assert 0.0 <= comparisons(model) <= 1.0
    assert 0.0 <= study(model) <= 1.0
    assert encoded().transform(X).shape == (180, 1)
    assert batches().converged_
    assert issubclass(NotConvergedWarning, Warning)


if __name__ == "__main__":
    main()
