"""Kenward-Roger and Satterthwaite for variances that differ: dense, in SAS's parameters.

Every covariance matrix is written out here as a function of variances and correlations;
its derivatives are Cauchy's integrals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from tests.small_sample_oracle import SmallSample, same
from tests.test_residuals import residuals_of
from tests.test_robust_residuals import correlated


@dataclass(frozen=True)
class Curve:
    """V as an analytic function of its natural parameters."""

    theta: np.ndarray
    V: object
    radius: float = 0.02

    def value(self):
        return self.V(self.theta.astype(complex)).real

    def _derivative(self, direction, order):
        points, total = 16, 0.0
        for k in range(points):
            w = np.exp(2j * np.pi * (k + 0.5) / points)
            total = total + self.V(self.theta + self.radius * w * direction) / w**order
        return total.real / points / self.radius**order * (2 if order == 2 else 1)

    def slopes(self):
        return [self._derivative(d, 1) for d in np.eye(len(self.theta))]

    def bends(self):
        axes, out = np.eye(len(self.theta)), {}
        for i, a in enumerate(axes):
            out[i, i] = self._derivative(a, 2)
            for j, b in enumerate(axes[:i]):
                both = self._derivative(a + b, 2) - self._derivative(a - b, 2)
                out[j, i] = both / 4.0
        return out


def parts_of(name, found, frame):
    """V of the rows from the parameters that are reported."""
    inside = same(frame.g.to_numpy())
    lag = np.abs(frame.t.to_numpy()[:, None] - frame.t.to_numpy())
    place = frame[["s", "x1"]].to_numpy()
    d = np.sqrt(((place[:, None] - place) ** 2).sum(axis=-1))
    key = "v" if name.endswith("_v") else "t"
    codes = np.unique(frame[key], return_inverse=True)[1]
    theta = np.array(list(found.values()))
    kinds = [k.startswith("var(") for k in found]
    var, rest = np.flatnonzero(kinds), np.flatnonzero(~np.array(kinds))
    first, last = (
        np.minimum(*np.ix_(frame.t, frame.t)),
        np.maximum(*np.ix_(frame.t, frame.t)),
    )
    if name == "arma":  # phi and gamma
        phi, theta1 = theta[rest]
        top = (1 + phi * theta1) * (phi + theta1)
        theta[rest[1]] = top / (1 + 2 * phi * theta1 + theta1**2)

    def R(x):
        r = x[rest]
        if name == "exchangeable_t":
            return np.where(np.eye(len(frame)) > 0, 1.0, r[0])
        if name == "ar_t":
            return r[0] ** lag
        if name == "toeplitz_t":
            return np.append(np.append(1.0, r), np.zeros(9))[lag]
        if name.startswith("antedependence"):
            out = np.ones(lag.shape, dtype=complex)
            for k in range(len(r)):
                out = np.where((first <= k) & (k < last), out * r[k], out)
            return out
        if name == "arma":
            return np.where(lag == 0, 1.0, r[1] * r[0] ** np.maximum(lag - 1, 0))
        if name == "gaussian_places":
            return np.exp(-((d / r[0]) ** 2))
        if name == "exponential_places":
            return r[0] ** d
        return np.eye(len(frame))

    def V(x):
        if name == "independent_x":
            v = x[var[0]] * np.exp(2 * x[rest[0]] * np.log(frame.x.to_numpy()))
        else:
            v = x[var][codes] if len(var) > 1 else np.full(len(frame), x[var[0]])
        sd = np.sqrt(v)
        return inside * R(x) * sd[:, None] * sd

    return [Curve(theta, V)]


METHODS = (
    "satterthwaite",
    "kenward-roger",
    "kenward-roger-observed",
    "kenward-roger-linear",
    "kenward-roger-2009",
)
NAMES = [
    "independent_v",
    "independent_x",
    "exchangeable_t",
    "ar_t",
    "toeplitz_t",
    "antedependence",
    "antedependence_t",
    "arma",
    "gaussian_places",
    "exponential_places",
]


QUICK = ("independent_x", "ar_t", "gaussian_places")


@pytest.mark.parametrize(
    "name",
    [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in NAMES],
)
def test_small_samples_are_those_of_the_definition(name):
    frame = correlated(11)
    model = MixedLinearRegressor(
        RandomEffects("g", intercept=False),
        fixed=["x0", "x1"],
        method="reml",
        residuals=residuals_of(name),
    ).fit(frame.drop(columns="y"), frame.y)
    assert model.converged_
    found = model.residual_parameters_
    X = np.column_stack([frame[["x0", "x1"]], np.ones(len(frame))])
    dense = SmallSample(X, frame.y.to_numpy(), parts_of(name, found, frame))
    assert_allclose(dense.log_likelihood, model.log_likelihood_, rtol=1e-9)
    for method in METHODS:
        table = model.coef_table(df=method)
        assert_allclose(table["df"], dense.df(method, np.eye(3)), rtol=1e-5)
        errors = np.sqrt(np.diag(dense.vcov(method)))
        assert_allclose(table["std_error"], errors, rtol=1e-6)
