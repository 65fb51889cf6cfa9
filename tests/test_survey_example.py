"""Example 12 of the manual: sampling weights, both scalings."""

from __future__ import annotations

import numpy as np
import pytest

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from tests.conftest import manual_data

COLUMNS = ["female", "high_school", "college", "one_for", "both_for", "test_lang"]

#: scaling: log pseudolikelihood, (coefficient, robust s.e.) per row, last _cons
PRINTED = {
    "size": (
        -1443093.9,
        [
            (0.59379, 0.8732886),
            (6.410618, 1.500337),
            (19.39494, 2.121145),
            (-0.9584613, 1.789947),
            (-0.2021101, 2.32633),
            (2.519539, 2.393165),
            (28.10788, 2.435712),
        ],
        [
            (5.890139, 0.7279, 4.623113, 7.50441),
            (14.7898, 0.3793531, 14.06466, 15.55232),
        ],
        187.23,
    ),
    "gk": (
        -7270505.6,
        [
            (-0.3519458, 0.7436334),
            (7.074911, 1.139777),
            (19.27285, 1.286029),
            (-0.9142879, 1.783091),
            (1.214151, 1.611885),
            (2.661866, 1.556491),
            (31.20145, 1.907413),
        ],
        [
            (5.628074, 0.6034248, 4.561384, 6.944213),
            (15.04137, 0.2709432, 14.5196, 15.5819),
        ],
        291.37,
    ),
}


@pytest.fixture(scope="module")
def fits():
    data = manual_data("pisa2000")
    X = data[[*COLUMNS, "id_school", "wnrschbw"]]
    spec = RandomEffects("id_school", weight="wnrschbw")
    out = {}
    for scaling in PRINTED:
        rows = data["w_fstuwt"]
        if scaling == "gk":  # assumes weights that are conditional on the school
            rows = rows / data["wnrschbw"]
        model = MixedLinearRegressor(
            spec, weight_type="sampling", weight_scaling=scaling
        )
        out[scaling] = model.fit(X, data["isei"], sample_weight=rows)
    return out


@pytest.mark.parametrize("scaling", PRINTED)
def test_estimates_and_robust_errors(fits, scaling):
    model = fits[scaling]
    value, coefficients, sds, wald = PRINTED[scaling]
    assert model.log_likelihood_ == pytest.approx(value, abs=0.051)
    table = model.coef_table()
    printed = np.array(coefficients)
    # the manual's search stopped about 5e-6 short of the optimum in the coefficients
    np.testing.assert_allclose(table["estimate"], printed[:, 0], atol=6e-6)
    np.testing.assert_allclose(table["std_error"], printed[:, 1], rtol=1e-6)
    frame = model.results_.variance_frame("sd")
    np.testing.assert_allclose(frame.to_numpy(), np.array(sds), atol=8e-6)
    # the printed Wald statistic is the model-based one; this is the robust one
    assert model.results_.wald_chi2 == pytest.approx(wald, abs=0.005)


@pytest.mark.parametrize(
    ("scaling", "printed"), [("size", 73452.90), ("gk", 321599.34)]
)
def test_the_printed_wald_statistic_is_model_based(fits, scaling, printed):
    r = fits[scaling].results_
    beta, V = r.beta[:-1], r.model_beta_vcov[:-1, :-1]
    assert beta @ np.linalg.solve(V, beta) == pytest.approx(printed, rel=3e-5)


def test_header_counts(fits):
    r = fits["size"].results_
    (group,) = r.groups
    assert (r.n_obs, group.n_groups, group.minimum, group.maximum) == (2069, 148, 1, 28)
    assert r.n_clusters == 148
    assert r.cluster_name == "id_school"
    assert not r.has_lr_test
