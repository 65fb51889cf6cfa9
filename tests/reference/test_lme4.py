"""Every reference fit is reproduced: likelihood, estimates, variances, BLUPs."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

# Relative to the largest element of the quantity.  The likelihood is flat at its
# maximum: an error of 1e-12 in it is one of 1e-6 in the parameters.
LIKELIHOOD = 1e-10
ESTIMATE = 1e-6
VARIANCE = 2e-5


def close(actual, desired, tolerance, natural=0.0):
    """Within ``tolerance`` of the largest element, or of the quantity's natural scale.

    The natural scale is for what is exactly zero at the boundary.
    """
    desired = np.asarray(desired, float)
    scale = max(np.abs(desired).max(initial=0), natural)
    assert_allclose(actual, desired, rtol=0, atol=tolerance * scale)


def test_the_optimum_is_reached(reference):
    model = reference.fitted()
    assert model.converged_
    assert_allclose(model.log_likelihood_, reference.log_likelihood, rtol=LIKELIHOOD)


def test_numbers_of_rows_and_groups(reference):
    model = reference.fitted()
    assert model.results_.n_obs == reference.n_obs
    for equation in reference.equations:
        expected = reference.n_groups[equation["name"]]
        assert model.n_groups_[equation["path"][-1]] == expected


def test_linear_regression_for_comparison(reference):
    model = reference.fitted()
    assert_allclose(
        model.results_.comparison_log_likelihood,
        reference.log_likelihood_linear,
        rtol=LIKELIHOOD,
    )


def test_fixed_effects(reference):
    model = reference.fitted()
    close([*model.coef_, model.intercept_], [*reference.coef.values()], ESTIMATE)


def test_variance_of_fixed_effects(reference):
    p = len(reference.coef)
    close(reference.fitted().vcov().to_numpy()[:p, :p], reference.vcov, VARIANCE)


def test_residual_sd(reference):
    if reference.residuals:
        pytest.skip("several residual parameters")
    assert_allclose(reference.fitted().sigma_, reference.sigma, rtol=VARIANCE)


def test_covariances_of_random_effects(reference):
    model = reference.fitted()
    for equation in reference.equations:
        if terms := equation["terms"]:
            sigma = model.covariances_[equation["name"]].loc[terms, terms]
            close(sigma, equation["cov"], VARIANCE, natural=1e-6 * reference.sigma**2)


def test_blups(reference):
    if not reference.has_rows:
        pytest.skip("the manual's data are not here (XMIXED_DATA)")
    model = reference.fitted()
    for equation in reference.equations:
        if terms := equation["terms"]:
            table = model.random_effects_[equation["name"]]
            rows = reference.sorted_groups(equation, table)
            close(
                table[terms].iloc[rows],
                equation["blup"],
                VARIANCE,
                natural=1e-3 * reference.sigma,
            )


def test_standard_errors_of_blups(reference):
    """Conditional on beta under ML, with the uncertainty of beta under REML."""
    model = reference.fitted()
    known = "known" if reference.method == "ml" else "estimated"
    for equation in reference.equations:
        if terms := equation["terms"]:
            _, table = model.random_effects(equation["name"], return_std=True)
            rows = reference.sorted_groups(equation, table)
            variances = np.array(equation[f"var_beta_{known}"])
            diagonal = np.diagonal(variances, axis1=1, axis2=2)
            close(
                table[terms].iloc[rows],
                np.sqrt(np.maximum(diagonal, 0)),
                VARIANCE,
                natural=reference.sigma,
            )
