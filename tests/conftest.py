"""What several test modules need: random models, the engine at any parameters.

A ``Case`` is a small data set with a specification.  Its ``engine`` lays the
elimination tree over it without any search, so that everything can be
compared with the oracle at parameters of one's choice.
"""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # cores are taken by workers: before numpy is
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from packaging.version import Version

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, _regressor
from sklearn_xmixed.covariance import PARAMETERIZATIONS
from sklearn_xmixed.datasets import (
    fetch_xtmixed_data,
    load_ovary,
    load_productivity,
    make_xtmixed_data,
)
from sklearn_xmixed.design._compile import compile_design
from sklearn_xmixed.estimation._estimate import Estimate
from sklearn_xmixed.likelihood import (
    CrossedOptions,
    NestedObjective,
    Pool,
    Tree,
    VarianceModel,
    compress,
    lay,
    oracle,
)
from sklearn_xmixed.optimization import Certificate, Iteration
from tests.everyday import mark_the_rest

settings.register_profile(
    "here",
    deadline=None,
    derandomize=True,
    max_examples=40,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "search",
    parent=settings.get_profile("here"),
    derandomize=False,
    max_examples=1000,
)
# every day, with `-m "not slow"`; the whole suite takes 40
settings.register_profile(
    "everyday", parent=settings.get_profile("here"), max_examples=12
)


def pytest_configure(config: pytest.Config) -> None:
    """How many examples hypothesis draws: as many as the kind of run has time for."""
    usual = "everyday" if "not slow" in config.option.markexpr else "here"
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", usual))


@pytest.hookimpl(tryfirst=True)  # before tests are left out by their marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_the_rest(items)


def examples(many: int, daily: int | None = None) -> int:
    """That many in the whole suite, every day ``daily`` or the profile's share."""
    drawn = settings.default.max_examples
    if daily is not None and drawn < 40:
        return daily
    return max(1, many * drawn // 40)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Neighbours go to one worker with `-n`: what a module keeps is then made once."""
    from xdist.scheduler import WorkStealingScheduling

    if config.getvalue("dist") == "load":
        return WorkStealingScheduling(config, log)
    return None


def before(package: str, release: str) -> bool:
    """Whether the library that is installed is older than a release."""
    return Version(version(package)) < Version(release)


#: how it is said that all weights are zero: by scikit-learn, since 1.7
ALL_ZERO = "are zero" if before("scikit-learn", "1.7") else "non-zero"

STRUCTURES = ("identity", "independent", "exchangeable", "unstructured")


# ------------------------------------------------------------------- models


@dataclass(frozen=True)
class Case:
    """Data with a specification."""

    frame: pd.DataFrame
    equations: list[RandomEffects]
    fixed: list[str]
    fit_intercept: bool = True
    method: str = "ml"
    sample_weight: np.ndarray | None = None
    parameterization: str = "matsqrt"

    @property
    def reml(self) -> bool:
        return self.method == "reml"

    @property
    def X(self) -> pd.DataFrame:
        return self.frame.drop(columns="y")

    @property
    def y(self) -> pd.Series:
        return self.frame["y"]

    def estimator(self, **parameters) -> MixedLinearRegressor:
        given = {
            "fixed": self.fixed,
            "fit_intercept": self.fit_intercept,
            "method": self.method,
            "parameterization": self.parameterization,
        }
        return MixedLinearRegressor(self.equations, **{**given, **parameters})

    def fit(self, **parameters) -> MixedLinearRegressor:
        return self.estimator(**parameters).fit(self.X, self.y, self.sample_weight)

    def fit_quietly(self, **parameters) -> MixedLinearRegressor:
        """For models whose optimum may rightly come with a warning."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.fit(**parameters)

    @cached_property
    def engine(self) -> Engine:
        return Engine.of(self)

    # the oracle's view

    @cached_property
    def design_matrix(self) -> np.ndarray:
        """[1, X]: the engine's order, the constant first."""
        X = self.frame[self.fixed].to_numpy(float)
        return np.column_stack([np.ones(len(X))] * self.fit_intercept + [X])

    @cached_property
    def paths(self) -> dict[str, np.ndarray]:
        """Codes of the paths of labels, in the order of the labels."""
        out, above = {}, None
        for group in dict.fromkeys(e.group for e in self.equations):
            if group == "_all":
                above = np.zeros(len(self.frame), dtype=int)
            else:
                own = pd.factorize(self.frame[group], sort=True)[0]
                key = own if above is None else above * (own.max() + 1) + own
                above = pd.factorize(key, sort=True)[0]
            out[group] = above
        return out

    def columns_of(self, equation, frame=None) -> np.ndarray:
        frame = self.frame if frame is None else frame
        return np.column_stack(
            [
                np.ones(len(frame)) if name == "_cons" else frame[name].to_numpy(float)
                for name in equation.effects
            ]
        )

    def terms(self, Sigmas) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        design = self.engine.compiled.design
        return [
            (self.columns_of(e), self.paths[design.levels[e.level].group], Sigma)
            for e, Sigma in zip(design.equations, Sigmas, strict=True)
        ]

    def oracle(self, Sigmas, sigma2: float):
        """The definition, at covariance matrices in the user's columns."""
        return oracle(
            self.design_matrix,
            self.frame["y"].to_numpy(float),
            self.terms(Sigmas),
            sigma2,
            reml=self.reml,
        )


@dataclass(frozen=True, eq=False)
class Engine:
    """The tree over a case, before any search."""

    case: Case
    compiled: object
    start: Estimate

    @classmethod
    def of(cls, case: Case) -> Engine:
        estimator = case.estimator()
        compiled = compile_design(estimator, case.X, case.y, case.sample_weight, None)
        metric = PARAMETERIZATIONS[case.parameterization]
        kind = lay(compiled.design, metric, reml=case.reml, crossed=CrossedOptions())
        D_blocks = kind.objective.start()
        pieces = kind.objective.pieces(D_blocks)
        log = [Iteration("gradient", 0, float(kind.objective.deviance(pieces)), 0.0)]
        start = Estimate.of(kind, D_blocks, pieces, log, Certificate(converged=True))
        return cls(case, compiled, start)

    @property
    def pool(self) -> Pool:
        return self.start.pool

    @property
    def tree(self) -> Tree:
        return self.start.kind.tree

    @property
    def model(self) -> VarianceModel:
        return self.start.objective.model

    def on(self, tree: Tree) -> NestedObjective:
        return NestedObjective(
            tree, self.model, reml=self.case.reml, log_det_basis=self.pool.log_det_R
        )

    @cached_property
    def objective(self) -> NestedObjective:
        return self.on(self.tree)

    @cached_property
    def compressed(self) -> NestedObjective:
        return self.on(self.tree.changed(compress))

    def random_gamma(self, seed: int, size: float = 1.0) -> np.ndarray:
        return size * np.random.default_rng(seed).normal(size=self.model.n_params)

    def at(self, gamma) -> Estimate:
        """An estimate that was not searched for."""
        D_blocks = self.model.split(gamma)
        pieces = self.objective.pieces(D_blocks)
        return replace(
            self.start,
            D_blocks=D_blocks,
            pieces=pieces,
            sigma2=float(pieces.c) / self.objective.nn,
            deviance=self.objective.deviance(pieces),
            certificate=Certificate(converged=True),
        )

    def fitted(self, gamma) -> MixedLinearRegressor:
        """An estimator that believes that gamma is the optimum."""
        found = self.at(gamma)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_regressor, "estimate", lambda *_, **__: found)
            return self.case.fit_quietly(std_errors=False, lr_test=False)


# --------------------------------------------------------------- strategies


DEPTHS = st.integers(1, 4)
ANY_STRUCTURE = st.sampled_from(STRUCTURES)
METHODS = st.sampled_from(["ml", "reml"])


@st.composite
def cases(
    draw,
    *,
    depth=DEPTHS,
    structures=ANY_STRUCTURE,
    methods=METHODS,
    max_columns: int = 2,
) -> Case:
    """Random nested data: unbalanced, singletons, labels reused, shuffled rows.

    Several equations per level, random columns inside and outside X, with and
    without a constant in the fixed part.
    """
    levels = draw(depth)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    reused = draw(st.booleans())
    paths = [()]
    for k in range(levels):
        width = 5 if k == 0 else 3
        paths = [
            (*path, i)
            for path in paths
            for i in range(rng.integers(1 + (k == 0), width + 1))
        ]
    sizes = rng.integers(1, 7 if levels < 4 else 4, len(paths))
    index = np.repeat(np.arange(len(paths)), sizes)
    while len(index) < 12:
        index = np.concatenate([index, index])
    index = rng.permutation(index)
    n = len(index)
    names = [f"g{k}" for k in range(levels)]
    frame = pd.DataFrame(np.array(paths)[index], columns=names)
    if not reused:  # every label once in the whole data set
        for k in range(1, levels):
            frame[names[k]] = frame.groupby(names[: k + 1], sort=False).ngroup()
    frame["x0"] = rng.normal(size=n)
    frame["x1"] = rng.normal(2.0, 0.5, size=n)
    frame["x2"] = rng.integers(0, 2, n).astype(float)
    frame["w0"] = rng.normal(size=n)
    frame["y"] = rng.normal(size=n) + frame["x0"] * rng.normal()
    frame["y"] += rng.normal(size=frame["g0"].max() + 1)[frame["g0"]]
    fixed = draw(st.lists(st.sampled_from(["x0", "x1", "x2"]), unique=True))
    fit_intercept = draw(st.booleans())
    equations = []
    for name in names:
        pool = ["x0", "x1", "x2", "w0"]
        count = draw(st.integers(1, 2))
        for number in range(count):
            columns = (
                draw(st.lists(st.sampled_from(pool), unique=True, max_size=max_columns))
                if pool
                else []
            )
            pool = [c for c in pool if c not in columns]
            last = number == count - 1
            if not columns and not last:
                continue
            constant = not columns or draw(st.booleans())
            equations.append(
                RandomEffects(
                    name, columns, covariance=draw(structures), intercept=constant
                )
            )
    return Case(frame, equations, fixed, fit_intercept, draw(methods))


seeds = st.integers(0, 2**32 - 1)


# ------------------------------------------------------------- simulations


def simulate(
    seed: int,
    *,
    groups: int = 20,
    size: int = 6,
    scales=(1.0,),
    sd=(1.0, 1.0),
    correlation: float = 0.0,
    noise: float = 1.0,
    covariance: str = "unstructured",
    method: str = "ml",
) -> Case:
    """Two levels: a random intercept (last of ``sd``) and slopes of given scales."""
    rng = np.random.default_rng(seed)
    q = len(scales) + 1
    sizes = rng.integers(max(2, size // 2), size * 2, groups)
    g = np.repeat(np.arange(groups), sizes)
    n = len(g)
    scales = np.asarray(scales, float)
    Z = np.column_stack([rng.normal(size=(n, q - 1)) * scales, np.ones(n)])
    R = np.full((q, q), correlation) + (1 - correlation) * np.eye(q)
    values, vectors = np.linalg.eigh(R)
    root = (vectors * np.sqrt(values.clip(0.0))) @ vectors.T
    u = rng.normal(size=(groups, q)) @ root * np.asarray(sd)
    frame = pd.DataFrame(Z[:, :-1], columns=[f"x{j}" for j in range(q - 1)])
    frame["g"] = g
    beta = rng.normal(size=q) / np.append(scales, 1.0)
    frame["y"] = Z @ beta + (Z * u[g]).sum(axis=1) + noise * rng.normal(size=n)
    columns = [f"x{j}" for j in range(q - 1)]
    return Case(
        frame,
        [RandomEffects("g", columns, covariance=covariance)],
        columns,
        method=method,
    )


# ------------------------------------------------------------- derivatives


def differences(function, at, step=1e-5):
    """Central differences of a scalar or array function, one column per element.

    Two step sizes are extrapolated, so the error is of fourth order.
    """
    at = np.asarray(at, float)

    def slope(h):
        columns = []
        for k in range(len(at)):
            move = np.zeros(len(at))
            move[k] = h
            up, down = function(at + move), function(at - move)
            columns.append((np.asarray(up) - np.asarray(down)) / (2 * h))
        return np.stack(columns, axis=-1)

    return (4 * slope(step) - slope(2 * step)) / 3


# --------------------------------------------------------- the manual's data

MANUAL_DATA = Path(
    os.environ.get("XMIXED_DATA")
    or Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
)


def _productivity() -> pd.DataFrame:
    frame = load_productivity().frame
    # the manual's codes of the states number their names
    return frame.assign(state=pd.factorize(frame["state"], sort=True)[0] + 1)


# what the package ships of the manual's data, row by row
SHIPPED = {"productivity": _productivity, "ovary": lambda: load_ovary().frame}
# and what has the same likelihood, with other rows
SAME_TOTALS = {"pig": lambda: make_xtmixed_data("pig")}


def has_manual_copy(name: str) -> bool:
    return any((MANUAL_DATA / f"{name}.{kind}").is_file() for kind in ("dta", "csv"))


def has_manual_rows(name: str) -> bool:
    """Whether the data set itself is here, in the manual's copy or the package's."""
    return has_manual_copy(name) or name in SHIPPED


def manual_data(name: str) -> pd.DataFrame:
    """A data set of the manual, or what the package has in its place.

    A test whose data are not here is skipped.
    """
    if has_manual_copy(name):
        return fetch_xtmixed_data(name, local=MANUAL_DATA)
    if make := {**SHIPPED, **SAME_TOTALS}.get(name):
        return make()
    pytest.skip(f"the manual's data set {name} is not here (XMIXED_DATA)")


def slow(*values: object) -> object:
    """A set of parameters that is left out every day."""
    return pytest.param(*values, marks=pytest.mark.slow)


__all__ = [
    "MANUAL_DATA",
    "SAME_TOTALS",
    "SHIPPED",
    "STRUCTURES",
    "Case",
    "Engine",
    "before",
    "cases",
    "differences",
    "examples",
    "has_manual_copy",
    "has_manual_rows",
    "manual_data",
    "seeds",
    "simulate",
    "slow",
]
