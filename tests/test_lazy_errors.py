"""Standard errors of predictions of lazy tables: those of the same rows in memory."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from tests.test_lazy_tables import DATA, FIXED, MODELS, collected, in_memory, lazy


def new_rows() -> pd.DataFrame:
    """With labels that were not seen, at the top and below."""
    new = DATA.iloc[:200].drop(columns="w")
    new.loc[:9, ["school", "class"]] = 99
    new.loc[10:19, "name"] = "none"
    new.loc[20:29, "class"] = 99
    return new


NEW = new_rows()


def assert_as_in_memory(model, engine, new=NEW, **kwargs):
    table = lazy(new.assign(row=np.arange(len(new))), engine)
    out = collected(model.predict(table, return_std=True, **kwargs)).sort_values("row")
    assert list(out.columns) == [*new.columns, "row", "prediction", "std_error"]
    mean, std = model.predict(new.drop(columns="y"), return_std=True, **kwargs)
    np.testing.assert_allclose(out["prediction"].to_numpy(float), mean, rtol=1e-9)
    np.testing.assert_allclose(out["std_error"].to_numpy(float), std, rtol=1e-8)


@pytest.mark.daily
@pytest.mark.parametrize(("engine", "method"), [("duckdb", "ml"), ("polars", "reml")])
@pytest.mark.parametrize("spec", MODELS.values(), ids=MODELS)
@pytest.mark.filterwarnings("ignore:The model is not identified")
def test_as_in_memory(spec, method, engine):
    model = in_memory(MixedLinearRegressor(spec, method=method, fixed=FIXED))
    assert_as_in_memory(model, engine)
    assert_as_in_memory(model, engine, kind="fixed")
    if isinstance(spec, list):
        assert_as_in_memory(model, engine, level=model._fitted._names_used()[0])


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_labels_that_are_not_there(engine):
    """No labels of the lower level, and of none: the prior variance, the fixed part."""
    spec = ["school", RandomEffects("class", ["year"], covariance="unstructured")]
    model = MixedLinearRegressor(spec, fixed=FIXED)
    model.fit(DATA[FIXED], DATA["y"], groups=DATA[["school", "class"]])
    for known in (["school"], []):
        new = NEW[[*FIXED, *known, "y"]]
        out = collected(model.predict(lazy(new, engine), return_std=True))
        groups = new[known] if known else None
        mean, std = model.predict(new[FIXED], groups=groups, return_std=True)
        found = out.sort_values("y")
        order = np.argsort(new["y"].to_numpy())
        np.testing.assert_allclose(found["prediction"], mean[order], rtol=1e-9)
        np.testing.assert_allclose(found["std_error"], std[order], rtol=1e-8)


@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_unseen_and_missing(engine):
    model = in_memory(
        MixedLinearRegressor("school", fixed=FIXED, unseen="nan", missing="drop")
    )
    new = NEW.copy()
    new.loc[50, "x"] = np.nan
    assert_as_in_memory(model, engine, new=new)


def test_robust_errors_of_the_fixed_part():
    model = in_memory(MixedLinearRegressor("school", fixed=["x", "b"], vce="robust"))
    assert_as_in_memory(model, "duckdb", kind="fixed")
    assert_as_in_memory(model, "polars")


def test_structured_residuals():
    data = DATA.drop(columns="w").assign(time=np.arange(len(DATA)))
    model = MixedLinearRegressor(
        "school", fixed=["x", "b"], residuals=Residuals("ar", time="time")
    )
    model = model.fit(data.drop(columns="y"), data["y"])
    assert_as_in_memory(model, "duckdb", new=data.iloc[:100])


def test_what_is_refused():
    factor = RandomEffects("_all", factor="school")
    model = in_memory(MixedLinearRegressor(factor, fixed=["x"]))
    with pytest.raises(NotImplementedError, match="set kind='fixed'"):
        model.predict(lazy(NEW, "duckdb"), return_std=True)
    assert_as_in_memory(model, "duckdb", kind="fixed")
    table = lazy(NEW.assign(std_error=1.0), "polars")
    with pytest.raises(ValueError, match="X has a column 'std_error'"):
        model.predict(table, return_std=True, kind="fixed")
