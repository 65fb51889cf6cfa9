"""Stand-ins for the manual's data: their shape, and the totals of the pigs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, datasets
from sklearn_xmixed.datasets import _fetch, _standins
from tests.conftest import has_manual_copy, manual_data


@pytest.mark.parametrize(
    "name", ["pig", "childweight", "veneer", "exercise", "pisa2000"]
)
def test_stand_ins_have_the_shape_of_the_manual_data(name):
    table = _fetch._TABLES[name]
    frame = datasets.make_xtmixed_data(name)
    assert len(frame) == table.n_rows
    assert set(frame) == set(table.columns.split())
    pd.testing.assert_frame_equal(frame, datasets.make_xtmixed_data(name))
    assert not frame.equals(datasets.make_xtmixed_data(name, random_state=1))
    if has_manual_copy(name):
        real = manual_data(name)
        assert frame.isna().sum().to_dict() == real[list(frame)].isna().sum().to_dict()
        group = "id_school" if name == "pisa2000" else next(iter(real))
        assert frame[group].nunique() == real[group].nunique()
        labels = {"id", "patient", "id_school"}
        spread = (frame.std() / real[list(frame)].std()).drop(labels, errors="ignore")
        assert spread.between(0.5, 2).all(), spread


def test_stand_ins_are_known_by_name():
    with pytest.raises(ValueError, match=r"'pig', 'childweight', .*; found 'ovary'"):
        datasets.make_xtmixed_data("ovary")


# ------------------------------------------------------------ totals of the pigs

LME4 = json.loads((Path(__file__).parent / "reference" / "lme4.json").read_text())
WEEK = np.arange(1.0, 10.0)


def totals_of(frame):
    """What _standins._PIGS holds, of a table of pigs, in half kilograms."""
    w = 2.0 * frame.pivot(index="id", columns="week", values="weight").to_numpy()
    weight, gain = w.sum(axis=1), w @ (WEEK - 5)
    found = [
        *(weight.sum(), gain.sum()),
        *(weight @ weight, weight @ gain, gain @ gain),
        *((w.sum(axis=0) ** 2).sum(), (w**2).sum()),
    ]
    return dict(zip(_standins._PIGS, found, strict=True))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_draw_of_pigs_has_the_totals(seed):
    found = totals_of(datasets.make_xtmixed_data("pig", random_state=seed))
    assert_allclose(list(found.values()), list(_standins._PIGS.values()), rtol=1e-13)


def test_the_totals_are_those_of_the_manual_s_pigs():
    if not has_manual_copy("pig"):
        pytest.skip("the manual's copy of pig is not here (XMIXED_DATA)")
    assert totals_of(manual_data("pig")) == _standins._PIGS


def test_the_totals_follow_from_the_fit_of_lme4():
    """In balanced data the maximum is known in closed form, and so is the way back.

    The lines of the pigs have the covariance G + sigma^2 (Z'Z)^-1, the residuals the
    sum of squares 48 (9 - 2) sigma^2. What is found are whole numbers.
    """
    (case,) = [c for c in LME4["cases"] if c["id"] == "pig-unstructured-ml"]
    (equation,) = case["equations"]
    Z = np.column_stack([WEEK, np.ones(9)])
    sigma2, coef = case["sigma"] ** 2, [case["coef"]["week"], case["coef"]["_cons"]]
    lines = np.array(equation["cov"]) + sigma2 * np.linalg.inv(Z.T @ Z)
    squares = 48 * (lines + np.outer(coef, coef))  # of the pigs' intercepts and slopes
    to_sums = np.column_stack([np.ones(9), WEEK - 5]).T @ Z
    weight, gain = 2 * 48 * to_sums @ coef
    (weight2, both), (_, gain2) = 4 * to_sums @ squares @ to_sums.T
    every2 = 4 * (48 * 7 * sigma2 + np.trace(Z.T @ Z @ squares))
    found = [weight, gain, weight2, both, gain2, every2]
    known = [v for name, v in _standins._PIGS.items() if name != "weight^2 of weeks"]
    assert_allclose(found, known, rtol=0, atol=1e-3)
    assert_allclose(found, np.round(found), rtol=0, atol=1e-3)


@cache
def sd_of_weeks(total):
    """Example 10's sd(R.week), if the squares of the weeks' weights had this total."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(_standins._PIGS, "weight^2 of weeks", total)
        frame = datasets.make_xtmixed_data("pig")
    effects = [RandomEffects("_all", factor=factor) for factor in ("week", "id")]
    model = MixedLinearRegressor(effects, fixed=["week"]).fit(frame, frame["weight"])
    return np.sqrt(model.variance_components_["estimate"].iloc[0])


def test_the_total_of_the_weeks_follows_from_the_manual_s_example_10():
    known, printed = _standins._PIGS["weight^2 of weeks"], 0.2915259
    # the manual's search ends 1e-6 from the maximum; another whole number is further
    assert abs(sd_of_weeks(known) - printed) < 2e-6
    assert abs(sd_of_weeks(known + 1) - printed) > 2e-5
    assert abs(sd_of_weeks(known - 1) - printed) > 2e-5
