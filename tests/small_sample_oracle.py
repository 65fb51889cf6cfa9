"""Satterthwaite's and Kenward-Roger's methods by their definitions, with dense matrices.

V and its derivatives are formed whole; nothing here knows of groups or of elimination.
A covariance matrix is a sum of ``Linear`` parts (random effects, and residuals that are
linear in their variances and covariances) and ``Scaled`` correlations (autoregressions and
the like), in the natural parameters, on which the second-order term of Kenward and
Roger's first paper depends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

Array = np.ndarray

KENWARD_ROGER = tuple(
    f"kenward-roger{version}{information}"
    for version in ("", "-linear", "-2009")
    for information in ("", "-observed")
)
METHODS = ("satterthwaite", *KENWARD_ROGER)


# ------------------------------------------------------------ V and its derivatives


@dataclass(frozen=True)
class Linear:
    """Sum of theta_k K_k."""

    theta: Array
    K: list[Array]

    def value(self) -> Array:
        return sum(t * K for t, K in zip(self.theta, self.K, strict=True))

    def slopes(self) -> list[Array]:
        return self.K

    def bends(self) -> dict[tuple[int, int], Array]:
        """Second derivatives that are not zero."""
        return {}


@dataclass(frozen=True)
class Scaled:
    """sigma^2 R(shape); R is an analytic function of its parameters.

    Its derivatives are Cauchy's integrals over a circle, right to about 1e-13: no
    step has to be chosen between rounding and truncation.

    Parameters
    ----------
    sigma2 : float
    shape : ndarray
    R : callable
        Of complex parameters, shape (m,) -> (n, n).
    radius : float
        Of the circle: well within the distance to the nearest singularity.
    """

    sigma2: float
    shape: Array
    R: Callable[[Array], Array]
    radius: float = 0.02

    @property
    def theta(self) -> Array:
        return np.append(self.sigma2, self.shape)

    def value(self) -> Array:
        return self.sigma2 * self.R(self.shape.astype(complex)).real

    def _derivative(self, direction: Array, order: int) -> Array:
        points = 16
        total = 0.0
        for k in range(points):
            w = np.exp(2j * np.pi * (k + 0.5) / points)
            total = total + self.R(self.shape + self.radius * w * direction) / w**order
        return total.real / points / self.radius**order * (2 if order == 2 else 1)

    def slopes(self) -> list[Array]:
        own = [self.sigma2 * self._derivative(d, 1) for d in np.eye(len(self.shape))]
        return [self.value() / self.sigma2, *own]

    def bends(self) -> dict[tuple[int, int], Array]:
        axes = np.eye(len(self.shape))
        out = {}
        for i, a in enumerate(axes):
            out[0, i + 1] = self._derivative(a, 1)
            out[i + 1, i + 1] = self.sigma2 * self._derivative(a, 2)
            for j, b in enumerate(axes[:i]):
                both = self._derivative(a + b, 2) - self._derivative(a - b, 2)
                out[j + 1, i + 1] = self.sigma2 * both / 4.0
        return out


@dataclass(frozen=True)
class Tied:
    """Sigma of two effects whose correlation is held at 1 or -1; their variances are free.

    Its tangents are those of the singular matrices, whatever the parameters.
    """

    theta: Array
    sign: float
    K: list[Array]  # of the first variance, the second, the covariance

    def value(self) -> Array:
        v, w = self.theta
        return v * self.K[0] + w * self.K[1] + self.sign * np.sqrt(v * w) * self.K[2]

    def slopes(self) -> list[Array]:
        ratio = self.sign * np.sqrt(self.theta[1] / self.theta[0])
        first = self.K[0] + ratio / 2.0 * self.K[2]
        return [first, self.K[1] + self.K[2] / (2.0 * ratio)]

    def bends(self) -> dict[tuple[int, int], Array]:
        v, w = self.theta
        c = self.sign * np.sqrt(v * w) / 4.0 * self.K[2]
        return {(0, 0): -c / v**2, (0, 1): c / (v * w), (1, 1): -c / w**2}


Part = Linear | Scaled | Tied


def same(codes: Array) -> Array:
    """1 where two rows have the same code."""
    return (codes[:, None] == codes[None, :]).astype(float)


def elements(Z: Array, codes: Array) -> dict[tuple[int, int], Array]:
    """Derivative of Z Sigma Z' in every element of Sigma."""
    inside = same(codes)
    out = {}
    for i in range(Z.shape[1]):
        for j in range(i + 1):
            K = np.outer(Z[:, i], Z[:, j])
            out[j, i] = inside * (K if i == j else K + K.T)
    return out


def random_effects(Z: Array, codes: Array, Sigma: Array, structure: str) -> Part:
    """Effects of the columns of Z; a variance of zero and a correlation of 1 are held.

    Parameters
    ----------
    Z : ndarray of shape (n, q)
    codes : ndarray of shape (n,)
        Group of each row.
    Sigma : ndarray of shape (q, q)
        At the estimate.
    structure : {"identity", "independent", "exchangeable", "unstructured"}
    """
    K, q = elements(Z, codes), Z.shape[1]
    if structure in ("identity", "exchangeable"):
        diagonal = sum(K[i, i] for i in range(q))
        rest = sum(K[i, j] for i, j in K if i != j)
        variance, covariance = Sigma[0, 0], Sigma[0, -1]
        if variance <= 0:
            return Linear(np.zeros(0), [])
        if structure == "identity" or q == 1:
            return Linear(np.array([variance]), [diagonal])
        r = covariance / variance
        if r > 1 - 1e-7 or r < -1 / (q - 1) + 1e-7:
            return Linear(np.array([variance]), [diagonal + round(r, 6) * rest])
        return Linear(np.array([variance, covariance]), [diagonal, rest])
    free = np.flatnonzero(np.diag(Sigma) > 0)
    places = [
        (i, j)
        for i, j in K
        if i in free and j in free and (i == j or structure == "unstructured")
    ]
    theta = np.array([Sigma[i, j] for i, j in places])
    if structure == "unstructured" and len(free) == 2:
        a, b = free
        r = Sigma[a, b] / np.sqrt(Sigma[a, a] * Sigma[b, b])
        if abs(r) > 1 - 1e-7:
            ordered = [K[a, a], K[b, b], K[a, b]]
            return Tied(np.diag(Sigma)[free], np.sign(r), ordered)
    if structure == "unstructured" and len(free):
        sd = np.sqrt(np.diag(Sigma)[free])
        R = Sigma[np.ix_(free, free)] / np.outer(sd, sd)
        if np.linalg.eigvalsh(R)[0] < 1e-7:
            raise NotImplementedError("three or more effects on the boundary")
    return Linear(theta, [K[place] for place in places])


def exchangeable_levels(
    levels: Array, codes: Array, variance: float, covariance: float
) -> Linear:
    """Effects of a factor's levels that have one covariance within their group."""
    own, group = same(levels), same(codes)
    return Linear(np.array([variance, covariance]), [own, group - own])


def autoregression(phi: Array, longest: int) -> Array:
    """Autocorrelations at lags 0 .. longest, by the Yule-Walker equations."""
    p = len(phi)
    M, right = np.eye(p, dtype=complex), np.zeros(p, dtype=complex)
    for k in range(1, p + 1):  # r_k = sum_j phi_j r_|k-j|
        for j in range(1, p + 1):
            lag = abs(k - j)
            if lag:
                M[k - 1, lag - 1] -= phi[j - 1]
            else:
                right[k - 1] += phi[j - 1]
    r = [1.0, *np.linalg.solve(M, right)]
    while len(r) <= longest:
        r.append(sum(phi[j] * r[-1 - j] for j in range(p)))
    return np.array(r[: longest + 1])


def moving_average(theta: Array, longest: int) -> Array:
    """Autocorrelations at lags 0 .. longest of e_t + theta_1 e_(t-1) + ..."""
    weights = np.append(1.0, theta)
    r = np.zeros(longest + 1, dtype=complex)
    for lag in range(min(longest, len(theta)) + 1):
        r[lag] = np.sum(weights[lag:] * weights[: len(weights) - lag])
    return r / r[0]


def correlated(
    structure: str, sigma2: float, shape: Array, codes: Array, time: Array, rows: Array
) -> Scaled:
    """Residuals whose correlation is a function of the distance in time.

    Parameters
    ----------
    structure : {"ar", "ma", "exponential"}
    sigma2 : float
        Variance of a residual, not of an innovation.
    shape : ndarray
        rho; or phi_1, phi_2, ...; or theta_1, theta_2, ...
    codes, time : ndarray of shape (n,)
    rows : ndarray of bool, shape (n,)
        Those of the category whose parameters these are.
    """
    inside = same(codes) * np.outer(rows, rows)
    lags = np.abs(time[:, None] - time[None, :]) * inside
    if structure == "exponential":
        radius = min(0.02, shape[0] / 4.0)
        return Scaled(sigma2, shape, lambda x: inside * x[0] ** lags, radius)
    function = {"ar": autoregression, "ma": moving_average}[structure]
    lags = lags.astype(int)
    longest = max(int(lags.max()), len(shape))
    return Scaled(sigma2, shape, lambda x: inside * function(x, longest)[lags])


# ------------------------------------------------------------------------ the methods


class SmallSample:
    """A model at given variances.

    Parameters
    ----------
    X : ndarray of shape (n, p)
    y : ndarray of shape (n,)
    parts : list of parts
        Of V, which is their sum.
    """

    def __init__(self, X: Array, y: Array, parts: list[Part]):
        # columns of any size are inverted as if they had length one
        self.size = np.sqrt(np.sum(X**2, axis=0))
        self.X, self.y = X / self.size, y
        self.V = sum(part.value() for part in parts if len(part.theta))
        self.theta = np.concatenate([part.theta for part in parts])
        self.dV: list[Array] = []
        self.ddV: dict[tuple[int, int], Array] = {}
        for part in parts:
            at = len(self.dV)
            self.dV += part.slopes() if len(part.theta) else []
            for (i, j), second in part.bends().items():
                self.ddV[at + i, at + j] = self.ddV[at + j, at + i] = second

    @property
    def m(self) -> int:
        return len(self.dV)

    @cached_property
    def inverse(self) -> Array:
        inverse = np.linalg.inv(self.V)
        return (inverse + inverse.T) / 2.0

    @cached_property
    def Phi(self) -> Array:
        return np.linalg.inv(self.X.T @ self.inverse @ self.X)

    @cached_property
    def G(self) -> Array:
        """V^-1 - V^-1 X Phi X' V^-1."""
        ViX = self.inverse @ self.X
        return self.inverse - ViX @ self.Phi @ ViX.T

    @cached_property
    def beta(self) -> Array:
        return self.Phi @ self.X.T @ self.inverse @ self.y / self.size

    @cached_property
    def log_likelihood(self) -> float:
        """Restricted, in the user's columns."""
        n, p = self.X.shape
        value = (n - p) * np.log(2.0 * np.pi) + np.linalg.slogdet(self.V)[1]
        value += self.y @ self.G @ self.y - np.linalg.slogdet(self.Phi)[1]
        return -0.5 * (value + 2.0 * np.sum(np.log(self.size)))

    @cached_property
    def score(self) -> Array:
        Gy = self.G @ self.y
        return np.array([(Gy @ K @ Gy - np.sum(self.G * K)) / 2.0 for K in self.dV])

    # -- P_i, Q_ij, R_ij

    @cached_property
    def P(self) -> list[Array]:
        ViX = self.inverse @ self.X
        return [-ViX.T @ K @ ViX for K in self.dV]

    @cached_property
    def Q(self) -> Array:
        KX = np.stack([K @ self.inverse @ self.X for K in self.dV])
        return np.einsum("iab,ac,jcd->ijbd", KX, self.inverse, KX, optimize=True)

    @cached_property
    def R(self) -> dict[tuple[int, int], Array]:
        ViX = self.inverse @ self.X
        return {place: ViX.T @ K @ ViX for place, K in self.ddV.items()}

    # -- information about theta

    @cached_property
    def expected(self) -> Array:
        H = np.stack([self.inverse @ K for K in self.dV])
        full = np.einsum("iab,jba->ij", H, H, optimize=True) / 2.0
        PhiP = np.stack([self.Phi @ P for P in self.P])
        full -= np.einsum("ab,ijba->ij", self.Phi, self.Q)
        return full + np.einsum("iab,jba->ij", PhiP, PhiP) / 2.0

    @cached_property
    def observed(self) -> Array:
        """Minus the second derivatives of the restricted log likelihood."""
        H = np.stack([self.G @ K for K in self.dV])
        Gy = self.G @ self.y
        KGy = np.stack([K @ Gy for K in self.dV])
        out = KGy @ self.G @ KGy.T - np.einsum("iab,jba->ij", H, H, optimize=True) / 2.0
        for (i, j), K in self.ddV.items():
            out[i, j] += (np.sum(self.G * K) - Gy @ K @ Gy) / 2.0
        return out

    def W(self, method: str) -> Array:
        """Covariance matrix of the estimate of theta."""
        observed = method == "satterthwaite" or method.endswith("-observed")
        information = self.observed if observed else self.expected
        scale = np.sqrt(np.diag(self.expected))
        return np.linalg.inv(information / np.outer(scale, scale)) / np.outer(
            scale, scale
        )

    def bias(self, W: Array) -> Array:
        """Second-order bias of the REML estimate of theta, zero where V is linear."""
        b = np.zeros(self.m)
        for (k, l), K in self.ddV.items():
            GKG = self.G @ K @ self.G
            b += W[k, l] * np.array([np.sum(GKG * Vj) for Vj in self.dV])
        return -W @ b / 4.0

    # -- covariance matrices, degrees of freedom

    def _vcov(self, method: str) -> Array:
        if method == "satterthwaite":
            return self.Phi
        W, inner = self.W(method), np.zeros_like(self.Phi)
        for i in range(self.m):
            for j in range(self.m):
                PPP = self.P[i] @ self.Phi @ self.P[j]
                inner += 2.0 * W[i, j] * (self.Q[i, j] - PPP)
        if "-linear" not in method:
            for (i, j), R in self.R.items():
                inner -= W[i, j] * R / 2.0
        if "-2009" in method:
            for b, P in zip(self.bias(W), self.P, strict=True):
                inner += b * P
        return self.Phi + self.Phi @ inner @ self.Phi

    def vcov(self, method: str) -> Array:
        """Covariance matrix of beta, adjusted where the method does so."""
        return self._vcov(method) / np.outer(self.size, self.size)

    def df(self, method: str, L: Array) -> Array:
        """Degrees of freedom of each row of L."""
        return np.array([self.test(method, row[None, :])[2] for row in L])

    def test(
        self, method: str, L: Array, value: Array | float = 0.0
    ) -> tuple[float, int, float, float]:
        """F, its two degrees of freedom, and its scale, of L beta = value."""
        difference = L @ self.beta - value
        L = L / self.size
        if method == "satterthwaite":
            return self._fai_cornelius(L, difference)
        l = len(L)
        m, scale = self._kenward_roger(self.W(method), L)
        wald = difference @ np.linalg.solve(L @ self._vcov(method) @ L.T, difference)
        return scale * wald / l, l, m, scale

    def _fai_cornelius(
        self, L: Array, difference: Array
    ) -> tuple[float, int, float, float]:
        """One df per eigenvector, joined so that the means of F agree."""
        d, U = np.linalg.eigh(L @ self.Phi @ L.T)
        rows, A = U.T @ L @ self.Phi, self.W("satterthwaite")
        nu = []
        for variance, row in zip(d, rows, strict=True):
            g = np.array([-row @ P @ row for P in self.P])
            nu.append(2.0 * variance**2 / (g @ A @ g))
        l, F = len(L), float(np.mean((U.T @ difference) ** 2 / d))
        nu = np.array(nu)
        if np.ptp(nu) < 1e-8:
            return F, l, float(np.mean(nu)), 1.0
        if (nu <= 2).any():
            return F, l, 2.0, 1.0
        E = np.sum(nu / (nu - 2.0))
        return F, l, float(2.0 * E / (E - l)), 1.0

    def _kenward_roger(self, W: Array, L: Array) -> tuple[float, float]:
        """Denominator degrees of freedom and scale of F, section 2 of the 1997 paper."""
        l, Phi = len(L), self.Phi
        Theta = L.T @ np.linalg.solve(L @ Phi @ L.T, L)
        T = np.stack([Theta @ Phi @ P @ Phi for P in self.P])
        trace = np.einsum("iaa->i", T)
        A1 = trace @ W @ trace
        A2 = np.sum(W * np.einsum("iab,jba->ij", T, T))
        B = (A1 + 6.0 * A2) / (2.0 * l)
        g = ((l + 1) * A1 - (l + 4) * A2) / ((l + 2) * A2)
        h = 3.0 * l + 2.0 * (1.0 - g)
        c1, c2, c3 = g / h, (l - g) / h, (l + 2.0 - g) / h
        top, middle, bottom = 1 + c1 * B, 1 - c2 * B, 1 - c3 * B
        top = 0.0 if abs(top) < 1e-10 else top
        # both vanish together where the design is balanced and df is 2
        both = abs(1 - A2 / l) < 1e-14 and abs(middle) < 1e-14
        ratio = 1.0 if both else (1 - A2 / l) / middle
        rho = ratio**2 * top / bottom / l
        m = 4.0 + (l + 2.0) / (l * rho - 1.0)
        scale = 1.0 if abs(m - 2.0) < 1e-2 else m * (1 - A2 / l) / (m - 2.0)
        return float(m), float(scale)


# ------------------------------------------------------------------------ a fitted model


def numbered(columns: list[Array]) -> Array:
    """Codes of the combinations of labels."""
    keys = list(zip(*[[str(x) for x in column] for column in columns], strict=True))
    place = {key: k for k, key in enumerate(dict.fromkeys(keys))}
    return np.array([place[key] for key in keys])


def paths(equations, frame) -> list[Array]:
    """Group of each row by equation: labels count within the levels above."""
    n, above, out = len(frame), [], []
    for equation in equations:
        if equation.group != "_all" and equation.group not in above:
            above.append(equation.group)
        names = [*above[: above.index(equation.group) + 1]] if above else []
        names = [] if equation.group == "_all" else names
        names += [equation.factor] if equation.factor else []
        columns = [frame[name].to_numpy() for name in names]
        out.append(numbered(columns) if columns else np.zeros(n, dtype=int))
    return out


def _effects_of(model, equations, frame) -> list[Part]:
    out = []
    found = model.covariances_
    codes = [
        (equation, code)
        for equation, code in zip(equations, paths(equations, frame), strict=True)
        if equation.intercept or len(equation.columns)
    ]
    for (equation, code), Sigma in zip(codes, found.values(), strict=True):
        Z = [frame[c].to_numpy(float) for c in equation.columns]
        Z += [np.ones(len(frame))] if equation.intercept else []
        structure = equation.covariance
        if structure is None:
            structure = "independent"
        Sigma = np.asarray(Sigma, float)
        if (
            equation.factor
            and structure == "exchangeable"
            and not len(equation.columns)
        ):
            names = [] if equation.group == "_all" else [equation.group]
            group = [frame[name].to_numpy() for name in names]
            group = numbered(group) if group else np.zeros(len(frame), dtype=int)
            out.append(exchangeable_levels(code, group, Sigma[0, 0], Sigma[0, 1]))
            continue
        Sigma = Sigma[: len(Z), : len(Z)]
        out.append(random_effects(np.column_stack(Z), code, Sigma, structure))
    return out


def _residual_of(
    spec, values: dict[str, float], codes: Array, time: Array, rows: Array
) -> Part:
    """Residuals of one category, from the estimates as they are reported."""
    sigma2 = values.get("var(e)", 0.0)
    shape = np.array([v for k, v in values.items() if "(" not in k])
    if spec.structure in ("ar", "ma", "exponential"):
        return correlated(spec.structure, sigma2, shape, codes, time, rows)
    n = len(codes)
    inside = same(codes) * np.outer(rows, rows)
    own = np.diag(rows.astype(float))
    if spec.structure == "independent":
        return Linear(np.array([sigma2]), [own])
    if spec.structure == "exchangeable":
        return Linear(np.array([sigma2, values["cov(e)"]]), [own, inside - own])
    if spec.structure == "toeplitz":
        lags = np.abs(time[:, None] - time[None, :])
        K = [inside * (lags == int(name[3:])) for name in values if name[:3] == "rho"]
        return Linear(sigma2 * np.append(1.0, shape), [own, *K])
    theta, K = [], []  # unstructured, banded: var(e0), cov(e0,e1)
    for name, value in values.items():
        times = [float(t.strip().lstrip("e")) for t in name[4:-1].split(",")]
        a, b = (np.flatnonzero((time == t) & rows) for t in (times[0], times[-1]))
        where = np.zeros((n, n))
        where[np.ix_(a, b)] = where[np.ix_(b, a)] = 1.0
        theta.append(value)
        K.append(where * inside)
    return Linear(np.array(theta), K)


def _residuals_of(model, equations, frame) -> list[Part]:
    spec, n = model.residuals, len(frame)
    values = {
        str(k): float(v) for k, v in model.residual_parameters_.items() if v is not None
    }
    if spec is None or (spec.structure == "independent" and spec.by is None):
        return [Linear(np.array([model.sigma_**2]), [np.eye(n)])]
    codes = paths(equations, frame)[-1] if equations else np.arange(n)
    time = np.zeros(n) if spec.time is None else frame[spec.time].to_numpy(float)
    if spec.by is None:
        return [_residual_of(spec, values, codes, time, np.ones(n, dtype=bool))]
    out = []
    for category in dict.fromkeys(name.split(": ")[0] for name in values):
        own = {
            name.split(": ")[1]: value
            for name, value in values.items()
            if name.split(": ")[0] == category
        }
        rows = (frame[spec.by].astype(str) == category).to_numpy()
        out.append(_residual_of(spec, own, codes, time, rows))
    return out


def of_model(model, equations, frame, y) -> SmallSample:
    """The definition at a fit's estimates.

    Parameters
    ----------
    model : MixedLinearRegressor
        Fitted by restricted maximum likelihood, without weights; ``fixed`` is a list.
    equations : list of RandomEffects
    frame : DataFrame
    y : array of shape (n,)
    """
    X = [frame[name].to_numpy(float) for name in model.fixed]
    X += [np.ones(len(frame))] if model.fit_intercept else []
    parts = _effects_of(model, equations, frame)
    parts += _residuals_of(model, equations, frame)
    return SmallSample(np.column_stack(X), np.asarray(y, float), parts)
