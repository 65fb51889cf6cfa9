"""Structured residuals of lazy tables: the same numbers as in memory, by patterns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from sklearn_xmixed.residuals import Exponential, Power
from sklearn_xmixed.tables import _whole_groups

duckdb = pytest.importorskip("duckdb")
pl = pytest.importorskip("polars")

pytestmark = [
    pytest.mark.filterwarnings("default::DeprecationWarning"),
]

NOBODY = RandomEffects("patient", intercept=False)
EFFECTS = {
    "none": NOBODY,
    "intercept": RandomEffects("patient"),
    "slope": RandomEffects("patient", ["t"], covariance="unstructured"),
    "beside": RandomEffects("patient", ["t2"], intercept=False),
}
FIXED = ["x", "t", "year"]


def make_data(n: int = 250) -> pd.DataFrame:
    """Up to five visits of every patient, a fifth of them missing, in any order."""
    rng = np.random.default_rng(11)
    patient, t = (a.ravel() for a in np.mgrid[0:n, 0:5])
    data = pd.DataFrame({"patient": patient, "t": t})
    data["name"] = [f"p{p:04d}" for p in patient]
    data["arm"] = np.where(patient % 3 == 0, "new", "old")
    data["visit"] = ["week " + "abcde"[k] for k in t]
    data["s"], data["t2"], data["year"] = 0.7 * t + 0.1, 1.0 * (t >= 2), 2000.0 + t**2
    data["dose"] = 1.0 + t
    data["x"] = rng.normal(size=len(data))
    e = (
        rng.normal(size=(n, 5))
        @ np.linalg.cholesky(0.6 ** abs(np.subtract.outer(*[np.arange(5)] * 2))).T
    )
    u = rng.normal(size=(n, 2)) * [0.8, 0.2]
    data["y"] = 3.0 + 0.5 * data.x - 0.2 * t + u[patient, 0] + u[patient, 1] * t
    data["y"] += e.ravel() * (1.0 + 0.1 * t)
    return data[rng.random(len(data)) > 0.2].sample(frac=1.0, random_state=1)


DATA = make_data()


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(_whole_groups, "BATCH_ROWS", 250)


def lazy(data, engine: str = "duckdb"):
    if engine == "polars":
        return pl.from_pandas(data).lazy()
    if engine == "dask":
        frames = pytest.importorskip("dask.dataframe")
        return frames.from_pandas(data, npartitions=3)
    return duckdb.connect().from_df(data)


def model_of(residuals, effects=NOBODY, **params) -> MixedLinearRegressor:
    params = {"fixed": FIXED, "method": "reml", "tol": 1e-20, **params}
    return MixedLinearRegressor(effects, residuals=residuals, **params)


def both(residuals, effects=NOBODY, engine="duckdb", data=DATA, **params):
    """Fits to the table, and to its rows in memory."""
    model = model_of(residuals, effects, **params)
    there = model_of(residuals, effects, **params).fit(lazy(data, engine), "y")
    return there, model.fit(data.drop(columns="y"), data["y"])


def assert_same(one, other, rtol=1e-8):
    a, b = one.results_, other.results_
    assert a.log_likelihood == pytest.approx(b.log_likelihood, rel=rtol)
    for name in ("beta", "beta_vcov", "alpha", "alpha_vcov"):
        assert_allclose(getattr(a, name), getattr(b, name), rtol=rtol, atol=rtol)
    numbers = ("n_obs", "n_params", "groups", "lr_df", "residual_label", "parameters")
    for name in numbers:
        assert getattr(a, name) == getattr(b, name), name
    for name in ("aic", "bic", "lr_chi2", "wald_chi2"):
        assert getattr(a, name) == pytest.approx(getattr(b, name), rel=rtol), name
    assert a.converged
    assert b.converged


STRUCTURES = {
    "unstructured": Residuals("unstructured", time="t"),
    "unstructured, names": Residuals("unstructured", time="visit"),
    "ar": Residuals("ar", time="t"),
    "ar 2": Residuals("ar", order=2, time="t"),
    "ma": Residuals("ma", time="t"),
    "arma": Residuals("arma", time="t"),
    "toeplitz": Residuals("toeplitz", time="t"),
    "banded": Residuals("banded", order=1, time="t"),
    "antedependence": Residuals("antedependence", time="t"),
    "exchangeable": Residuals("exchangeable"),
    "exponential": Residuals("exponential", time="s"),
    "gaussian": Residuals("gaussian", time="s"),
    "by arm": Residuals("ar", time="t", by="arm"),
    "unstructured by arm": Residuals("unstructured", time="t", by="arm"),
    "independent by visit": Residuals("independent", by="visit"),
    "independent, variances": Residuals("independent", variance="visit"),
    "power": Residuals("ar", time="t", variance=Power("dose")),
    "exponential of t": Residuals("exchangeable", variance=Exponential("t")),
    "variances by visit": Residuals("exchangeable", variance="visit"),
}


@pytest.mark.parametrize("method", ["ml", "reml"])
@pytest.mark.parametrize("residuals", STRUCTURES.values(), ids=STRUCTURES)
def test_structures(residuals, method):
    assert_same(*both(residuals, method=method))
