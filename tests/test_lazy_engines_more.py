"""Dask and Ibis: standard errors of predictions, robust errors, weights, factors."""

from __future__ import annotations

import numpy as np
import pytest

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from tests.test_lazy_engines import ENGINES, EXACT, ROWS
from tests.test_lazy_tables import CLASS, DATA, assert_same, in_memory

# warnings of engines about one another are no business of ours
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default::DeprecationWarning"),
    # what a test itself reads
    pytest.mark.filterwarnings("ignore:pandas only supports SQLAlchemy"),
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas"),
]
ROWS_USED = DATA.iloc[:600].assign(p=0.5 + DATA["x"] ** 2, s=1.0 + DATA["school"] % 3)
every_engine = pytest.mark.parametrize("engine", ENGINES)


@every_engine
@pytest.mark.parametrize(
    ("spec", "params"),
    [
        (["school", CLASS], {"vce": "robust"}),
        ("school", {"weight_type": "sampling"}),
        ("school", {"weight_type": "precision", "method": "reml"}),
        ([RandomEffects("_all", factor="school"), "class"], {}),
        (
            RandomEffects("school", ["x"], weight="s"),
            {"weight_type": "sampling", "weight_scaling": "effective", "offset": "p"},
        ),
        (["school", CLASS], {"vce": "CR2", "method": "reml"}),
    ],
    ids=["robust", "sampling", "precision", "factors", "groups", "corrected"],
)
def test_as_in_memory(engine, spec, params):
    weight = "p" if "weight_type" in params else None
    model = MixedLinearRegressor(spec, **EXACT, **params)
    model.fit(ENGINES[engine](ROWS_USED), "y", weight)
    expected = in_memory(
        MixedLinearRegressor(spec, **EXACT, **params), ROWS_USED, weight
    )
    assert_same(model, expected)


@every_engine
def test_standard_errors_of_predictions(engine):
    """In the order of ``row``, because a lazy table has none."""
    model = in_memory(MixedLinearRegressor(["school", CLASS], **EXACT))
    new = DATA.iloc[:100].assign(row=np.arange(100))
    new.loc[:9, ["school", "class"]] = 99  # not seen
    answer = model.predict(ENGINES[engine](new), return_std=True)
    out = getattr(answer, ROWS[engine])().sort_values("row")
    mean, std = model.predict(new.drop(columns=["y", "w", "row"]), return_std=True)
    np.testing.assert_allclose(out["prediction"].to_numpy(float), mean, rtol=1e-9)
    np.testing.assert_allclose(out["std_error"].to_numpy(float), std, rtol=1e-8)
