"""Size of 5 % tests in small samples: which method keeps it, and for whom.

``python -m tests.test_small_sample_simulation [REPLICATES]`` prints the tables of
docs/small_samples_simulation.md.  An interval misses the truth exactly where the test of
the truth rejects, so that the coverage of intervals is 1 minus these numbers.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.special import chdtrc, ndtr, stdtr

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from sklearn_xmixed.design._clusters import Clusters
from sklearn_xmixed.fitted._saved_variances import robust_reference
from sklearn_xmixed.inference.small_samples import METHODS
from sklearn_xmixed.likelihood.structured import _kind

GROUPS = (8, 12, 20)
LARGE = ("REML", "ML", "ML, robust")
ROBUST = ("CR1", "CR2", "CR3")
ROWS = (*LARGE, *METHODS, *ROBUST)
QUIET = RandomEffects("g", intercept=False)


# ----------------------------------------------------------------------------- designs


@dataclass(frozen=True)
class Design:
    """Data of which the tested coefficients are zero, and the model fitted to them.

    ``draw`` gives rows that are sorted by the groups ``g``, numbered from 0.
    """

    title: str
    draw: Callable[[np.random.Generator, int], pd.DataFrame]
    fixed: Sequence[str]
    tested: Sequence[str]
    joint: Sequence[str]
    effects: RandomEffects = field(default_factory=lambda: RandomEffects("g"))
    residuals: Residuals | None = None

    def rows(self, columns: Sequence[str]) -> np.ndarray:
        """Rows of the coefficients, the constant last."""
        names = [*self.fixed, "_cons"]
        return np.eye(len(names))[[names.index(c) for c in columns]]


def treated(groups: int) -> np.ndarray:
    """Every other group."""
    return np.arange(groups) % 2.0


def slopes(rng: np.random.Generator, groups: int) -> pd.DataFrame:
    """15 rows a group; slopes in time vary as much as intercepts do."""
    size = 15
    g, time = (
        np.repeat(np.arange(groups), size),
        np.tile(np.linspace(0, 1, size), groups),
    )
    u = rng.normal(size=(groups, 2)) @ np.linalg.cholesky([[1.0, 0.3], [0.3, 1.0]]).T
    y = u[g, 0] + u[g, 1] * time + rng.normal(size=len(g))
    return pd.DataFrame({"g": g, "time": time, "treatment": treated(groups)[g], "y": y})


def intercepts(rng: np.random.Generator, groups: int) -> pd.DataFrame:
    """3 to 30 rows a group, intraclass correlation 0.2, covariates between and within."""
    sizes = np.resize([3, 30, 4, 6, 10, 3, 20, 5], groups)
    g = np.repeat(np.arange(groups), sizes)
    z, u = rng.normal(size=(2, groups))
    x, e = rng.normal(size=(2, len(g)))
    return pd.DataFrame({"g": g, "z": z[g], "x": x, "y": 0.5 * u[g] + e})


def visits(rng: np.random.Generator, groups: int, V: np.ndarray) -> pd.DataFrame:
    """Errors of this covariance matrix; one in ten of who is there leaves after a visit.

    Drawn anew until three of each arm stay to the end: with fewer the likelihood of an
    unstructured matrix may have no maximum.
    """
    times, arm = len(V), treated(groups)
    e = rng.normal(size=(groups, times)) @ np.linalg.cholesky(V).T
    while True:
        stays = rng.random((groups, times)) > 0.1
        stays[:, 0] = True
        seen = np.logical_and.accumulate(stays, axis=1)
        if min(seen[arm == a, -1].sum() for a in (0, 1)) >= 3:
            break
    frame = pd.DataFrame({"g": np.repeat(np.arange(groups), times)})
    frame["visit"] = np.tile(np.arange(times), groups)
    frame["arm"] = arm[frame["g"]]
    frame["y"] = e.ravel()
    return frame[seen.ravel()].reset_index(drop=True)


def unstructured(rng: np.random.Generator, groups: int) -> pd.DataFrame:
    """Three visits, variances that grow; a mean for each visit and arm."""
    V = np.array([[1.0, 0.8, 0.6], [0.8, 1.5, 1.2], [0.6, 1.2, 2.0]])
    frame = visits(rng, groups, V)
    for k in range(3):
        here = 1.0 * (frame["visit"] == k)
        frame[f"visit{k}"], frame[f"arm{k}"] = here, here * frame["arm"]
    return frame


def autoregressive(rng: np.random.Generator, groups: int) -> pd.DataFrame:
    """Six visits, correlation 0.7 between neighbours; a line for each arm."""
    lag = np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    frame = visits(rng, groups, 0.7**lag)
    frame["week"] = frame["visit"] - 2.5
    frame["arm_week"] = frame["arm"] * frame["week"]
    return frame


def wrong(rng: np.random.Generator, groups: int) -> pd.DataFrame:
    """10 rows a group; a quarter is treated and has three times the standard deviation.

    Slopes of x vary too, and the model has only an intercept.
    """
    g = np.repeat(np.arange(groups), 10)
    treatment = 1.0 * (np.arange(groups) % 4 == 0)
    x, e = rng.normal(size=(2, len(g)))
    u, slope = rng.normal(size=(2, groups))
    spread = np.where(treatment == 1, 3.0, 1.0)[g]
    y = spread * (0.7 * u[g] + 0.5 * slope[g] * x + e)
    return pd.DataFrame({"g": g, "treatment": treatment[g], "x": x, "y": y})


DESIGNS = {
    "slopes": Design(
        "Random slopes, a treatment of groups",
        slopes,
        ("time", "treatment"),
        ("treatment", "time"),
        ("treatment", "time"),
        RandomEffects("g", ["time"], covariance="unstructured"),
    ),
    "intercepts": Design(
        "Random intercept, groups of 3 to 30",
        intercepts,
        ("z", "x"),
        ("z", "x"),
        ("z", "x"),
    ),
    "unstructured": Design(
        "Three visits, unstructured, dropout",
        unstructured,
        ("visit1", "visit2", "arm0", "arm1", "arm2"),
        ("arm0", "arm2"),
        ("arm0", "arm1", "arm2"),
        QUIET,
        Residuals("unstructured", time="visit"),
    ),
    "ar": Design(
        "Six visits, AR(1), dropout",
        autoregressive,
        ("week", "arm", "arm_week"),
        ("arm", "arm_week"),
        ("arm", "arm_week"),
        QUIET,
        Residuals("ar", time="visit"),
    ),
    "wrong": Design(
        "Wrong model: unequal variances, no slopes",
        wrong,
        ("treatment", "x"),
        ("treatment", "x"),
        ("treatment", "x"),
    ),
}


# -------------------------------------------------------------------------- simulation


class Keeping(MixedLinearRegressor):
    """Keeps the estimate, of which all robust matrices come without another fit."""

    def _wrap(self, compiled: Any, found: Any) -> Any:
        self.parts = compiled, found
        return super()._wrap(compiled, found)


def fit(
    design: Design, frame: pd.DataFrame, few_rows: int = 0, **options: Any
) -> Keeping:
    model = Keeping(
        design.effects,
        fixed=list(design.fixed),
        residuals=design.residuals,
        lr_test=False,
        **options,
    )
    with warnings.catch_warnings(), patch.object(_kind, "FEW_ROWS", few_rows):
        # a variance at its bound is told by a warning; it is counted here.  Searches
        # from several starts take most of the time and end where the first does, as
        # test_one_search_is_enough_here looks
        warnings.simplefilter("ignore")
        return model.fit(frame.drop(columns="y"), frame["y"])


@dataclass(frozen=True)
class Asked:
    """Tests of one fit: of each row of L, and of those of ``joint`` together."""

    L: np.ndarray
    joint: np.ndarray

    def large(self, beta: np.ndarray, V: np.ndarray) -> list:
        """z and chi-squared."""
        d, inner = self.joint @ beta, self.joint @ V @ self.joint.T
        se = self._errors(V)
        p = 2.0 * ndtr(-np.abs(self.L @ beta / se))
        joint = chdtrc(len(d), d @ np.linalg.solve(inner, d))
        return [*p, joint, *se, *[np.inf] * len(se)]

    def small(self, beta: np.ndarray, refer: Callable[[], Any]) -> list:
        """As ``coef_table`` and ``wald_test`` have them; nan where refused."""
        try:
            reference = refer()
        except ValueError:
            return [np.nan] * (3 * len(self.L) + 1)
        se, df = self._errors(reference.vcov), reference.df(self.L)
        p = 2.0 * stdtr(df, -np.abs(self.L @ beta / se))
        try:
            joint = reference.test(self.joint, self.joint @ beta).p_value
        except ValueError:
            joint = np.nan
        return [*p, joint, *se, *df]

    def _errors(self, V: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return np.sqrt(np.einsum("ij,jk,ik->i", self.L, V, self.L))


def answers(design: Design, frame: pd.DataFrame) -> tuple[np.ndarray, bool]:
    """A row for each of ``ROWS``, and whether a variance is at its bound.

    Columns: p values of the tested coefficients and of the joint test, standard errors
    and degrees of freedom of the coefficients.
    """
    asked = Asked(design.rows(design.tested), design.rows(design.joint))
    reml = fit(design, frame, method="reml")
    ml = fit(design, frame, method="ml", vce="robust")
    beta, results, fitted = reml.results_.beta, ml.results_, reml._fitted
    out = [
        asked.large(beta, reml.results_.beta_vcov),
        asked.large(results.beta, results.model_beta_vcov),
        asked.large(results.beta, results.beta_vcov),
    ]
    out += [asked.small(beta, partial(fitted.reference, m)) for m in METHODS]
    compiled, found = reml.parts
    codes = frame["g"].to_numpy()
    compiled = replace(compiled, clusters=Clusters(codes, np.ones(codes[-1] + 1)))
    out += [
        asked.small(beta, partial(robust_reference, compiled, found, vce))
        for vce in ROBUST
    ]
    free = fitted.small_sample.free
    held = free is not None and free.basis.shape[1] < free.basis.shape[0]
    return np.array(out), held


@dataclass(frozen=True)
class Sizes:
    """Answers of replicates, (replicates, methods, columns), and which are singular."""

    design: Design
    found: np.ndarray
    singular: np.ndarray

    @property
    def p(self) -> np.ndarray:
        """p values."""
        return self.found[:, :, : len(self.design.tested) + 1]

    @property
    def rejected(self) -> pd.DataFrame:
        """Share of 5 % tests that reject, of those that there are."""
        there = (~np.isnan(self.p)).sum(axis=0)
        return self._frame((self.p < 0.05).sum(axis=0) / there)

    @property
    def missing(self) -> pd.DataFrame:
        """Share of tests that there are not."""
        return self._frame(np.isnan(self.p).mean(axis=0))

    def _frame(self, values: np.ndarray) -> pd.DataFrame:
        columns = [*self.design.tested, "joint"]
        return pd.DataFrame(values, index=list(ROWS), columns=columns)


def simulate(name: str, groups: int, replicates: range) -> Sizes:
    """Each replicate has a seed of its own."""
    design, number = DESIGNS[name], [*DESIGNS].index(name)
    found = [
        answers(design, design.draw(np.random.default_rng([number, groups, r]), groups))
        for r in replicates
    ]
    tables, singular = zip(*found, strict=True)
    return Sizes(design, np.array(tables), np.array(singular))


def markdown(sizes: dict[int, Sizes]) -> str:
    """Percentages of one design, columns by number of groups."""
    first = next(iter(sizes.values()))
    tests = [*first.rejected.columns]
    head = ["", *(f"{groups}: {test}" for groups in sizes for test in tests)]
    lines = [head, ["---"] * len(head)]
    for row in ROWS:
        cells = [f'`"{row}"`' if row in METHODS else row]
        for found in sizes.values():
            for test in tests:
                share = f"{100 * found.rejected.loc[row, test]:.1f}"
                lost = 100 * found.missing.loc[row, test]
                cells.append(f"{share} ({lost:.1f})" if lost else share)
        lines.append(cells)
    text = "\n".join("| " + " | ".join(cells).lstrip() + " |" for cells in lines)
    singular = ", ".join(f"{100 * s.singular.mean():.1f}" for s in sizes.values())
    return f"{first.design.title}; singular fits: {singular} %\n\n{text}"


# ------------------------------------------------------------------------------- tests


@pytest.mark.parametrize("name", DESIGNS)
def test_what_is_simulated_is_what_tables_and_tests_say(name):
    design = DESIGNS[name]
    frame = design.draw(np.random.default_rng(5), 8)
    found = pd.DataFrame(answers(design, frame)[0], index=list(ROWS))
    asked = {
        "REML": ({"method": "reml"}, None),
        "ML": ({"method": "ml"}, None),
        "ML, robust": ({"method": "ml", "vce": "robust"}, None),
        **{df: ({"method": "reml"}, df) for df in METHODS},
        **{vce: ({"method": "reml", "vce": vce}, "satterthwaite") for vce in ROBUST},
    }
    assert [*asked] == [*ROWS]
    fits: dict[str, Keeping] = {}
    for row, (options, df) in asked.items():
        model = fits.setdefault(str(options), fit(design, frame, **options))
        table = model.coef_table(df=df).loc[[*design.tested]]
        joint = model.wald_test(design.rows(design.joint), df=df).p_value
        there = [*table["p_value"], joint, *table["std_error"]]
        # the robust matrices come from a fit of their own here
        assert_allclose(found.loc[row].iloc[: len(there)], there, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", DESIGNS)
def test_one_search_is_enough_here(name):
    """Searches from several starts, which users have, end at the same likelihood."""
    design, few = DESIGNS[name], _kind.FEW_ROWS
    for seed in range(10):
        frame = design.draw(np.random.default_rng(seed), 8)
        one = fit(design, frame, method="reml").log_likelihood_
        several = fit(design, frame, few, method="reml").log_likelihood_
        assert_allclose(one, several, atol=1e-6)


#: of the seeds that the tables begin with; four binomial standard deviations at 5 %
REPLICATES = 200
MOST = 0.05 + 4.0 * np.sqrt(0.05 * 0.95 / REPLICATES)


@cache
def simulated(name: str, groups: int) -> pd.DataFrame:
    sizes = simulate(name, groups, range(REPLICATES))
    assert sizes.missing.loc[[*LARGE, "kenward-roger-linear", "CR2"]].max().max() == 0
    return sizes.rejected


@pytest.mark.slow
def test_large_sample_tests_reject_too_often_and_kenward_roger_does_not():
    for name, test in (("slopes", "treatment"), ("intercepts", "z"), ("ar", "arm")):
        share = simulated(name, 8)[test]
        assert share["ML"] > share["REML"] > share["kenward-roger-linear"]
        assert share["ML, robust"] > 0.09
        assert share["kenward-roger-linear"] < MOST


@pytest.mark.slow
def test_joint_tests_of_unstructured_residuals_need_kenward_roger():
    """Satterthwaite's method takes the standard errors as they are."""
    share = simulated("unstructured", 12)["joint"]
    assert share["REML"] > 0.15
    assert share["satterthwaite"] > share["kenward-roger"]
    assert share["kenward-roger"] < MOST


@pytest.mark.slow
def test_only_corrected_robust_errors_survive_a_wrong_model():
    share = simulated("wrong", 20)
    assert (share.loc[["REML", "satterthwaite", "kenward-roger"]] > MOST).all(axis=None)
    assert share.loc["ML, robust", "treatment"] > share.loc["CR1", "treatment"]
    assert (share.loc[["CR2", "CR3"]] < MOST).all(axis=None)


#: of the tables; a sample of unstructured residuals takes four times as long as others
SAMPLES = dict.fromkeys(DESIGNS, 1000) | {"unstructured": 600}

if __name__ == "__main__":
    # one hour of one core
    for name, most in SAMPLES.items():
        replicates = range(int(sys.argv[1]) if sys.argv[1:] else most)
        cells = {groups: simulate(name, groups, replicates) for groups in GROUPS}
        print(f"\n{markdown(cells)}", flush=True)
