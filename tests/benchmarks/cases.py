"""The benchmark cases: simulated with fixed seeds, the same data for every rival."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

SLEEPSTUDY = (
    Path(__file__).resolve().parents[2]
    / "sklearn_xmixed"
    / "datasets"
    / "data"
    / "sleepstudy.csv"
)
INSTEVAL = os.environ.get(
    "XMIXED_INSTEVAL",
    Path(__file__).resolve().parents[3] / "shared" / "bench" / "insteval.csv.gz",
)


@dataclass(frozen=True)
class Case:
    """A data set with a model: random intercepts, and slopes that correlate.

    ``levels`` names every grouping column, outermost first, with its slopes; with
    ``crossed`` they do not nest.
    """

    name: str
    title: str
    frame: pd.DataFrame
    response: str
    fixed: tuple[str, ...]
    levels: tuple[tuple[str, tuple[str, ...]], ...]
    methods: tuple[str, ...] = ("reml",)
    reps: int = 5
    rivals: tuple[str, ...] = ("lme4", "mixedlm", "mixedlm-rs", "glmm", "lme-python")
    crossed: bool = False

    @property
    def covariates(self) -> pd.DataFrame:
        """What our estimator is given: covariates and labels."""
        return self.frame.drop(columns=self.response)

    @property
    def y(self) -> pd.Series:
        return self.frame[self.response]

    @property
    def design(self) -> np.ndarray:
        """Fixed-effects design matrix, the constant first."""
        columns = [np.ones(len(self.frame))]
        columns += [self.frame[name].to_numpy(float) for name in self.fixed]
        return np.column_stack(columns)

    def with_string_labels(self) -> Case:
        """The same data with labels as text, which costs a program that sorts them."""
        labels = {
            group: "group " + self.frame[group].astype(str) for group, _ in self.levels
        }
        return replace(self, frame=self.frame.assign(**labels))

    def formula(self) -> str:
        """The model in lme4's notation."""
        random = (
            f"({' + '.join(('1', *slopes))} | {group})" for group, slopes in self.levels
        )
        return f"{self.response} ~ {' + '.join((*(self.fixed or ('1',)), *random))}"


def sleepstudy() -> Case:
    frame = pd.read_csv(SLEEPSTUDY)
    frame["days"] = frame["days"].astype(float)
    return Case(
        name="sleepstudy",
        title="180 rows, 18 subjects, correlated slopes",
        frame=frame,
        response="reaction",
        fixed=("days",),
        levels=(("subject", ("days",)),),
        methods=("reml", "ml"),
        reps=25,
    )


def schools() -> Case:
    """Three levels of uneven sizes, as in large education surveys."""
    rows, n_schools, n_areas = 31_022, 2_410, 131
    rng = np.random.default_rng(2410)
    area_of_school = np.sort(_uneven(rng, n_schools, n_areas))
    school = np.sort(_uneven(rng, rows, n_schools))
    area = area_of_school[school]
    x = rng.standard_normal((rows, 3))
    y = 1 + x @ [0.5, -0.3, 0.1] + rng.standard_normal(rows)
    y += 0.3 * rng.standard_normal(n_areas)[area]
    y += 0.5 * rng.standard_normal(n_schools)[school]
    frame = pd.DataFrame({"area": area, "school": school})
    return Case(
        name="schools",
        title="31,022 rows, 2,410 schools in 131 areas, 3 covariates, intercepts",
        frame=_with_columns(frame, x, y),
        response="y",
        fixed=("x1", "x2", "x3"),
        levels=(("area", ()), ("school", ())),
        methods=("reml", "ml"),
    )


def slopes_10k() -> Case:
    return _slopes("slopes-10k", n_groups=10_000, size=10, n_columns=1, seed=10)


def slopes_20k() -> Case:
    return _slopes("slopes-20k", n_groups=20_000, size=10, n_columns=8, seed=20)


def slopes_125k() -> Case:
    return _slopes("slopes-125k", n_groups=125_000, size=4, n_columns=1, seed=125)


def waves_125k() -> Case:
    """The same size, but every group was observed at times 0, 1, 2, 3.

    A program that factorises each distinct design once has one to factorise.
    """
    return _slopes(
        "waves-125k", n_groups=125_000, size=4, n_columns=1, seed=126, waves=True
    )


def million() -> Case:
    """As large as fits: the bar is an ordinary least-squares fit of the same X."""
    n_groups, size, n_columns = 1_000_000, 5, 5
    rng = np.random.default_rng(1_000_000)
    group = np.repeat(np.arange(n_groups), size)
    x = rng.standard_normal((len(group), n_columns))
    y = 1 + x.sum(axis=1) + rng.standard_normal(len(group))
    y += rng.standard_normal(n_groups)[group]
    return Case(
        name="million",
        title="1,000,000 groups x 5 rows, 5 columns, intercepts",
        frame=_with_columns(pd.DataFrame({"g": group}), x, y),
        response="y",
        fixed=tuple(f"x{k + 1}" for k in range(n_columns)),
        levels=(("g", ()),),
        methods=("ml",),
        reps=3,
        rivals=("lstsq", "mixedlm-rs", "glmm", "lme-python"),
    )


def insteval() -> Case:
    """Ratings of 1,128 lecturers by 2,972 students (from lme4; not bundled here)."""
    frame = pd.read_csv(INSTEVAL)[["s", "d", "y"]].astype({"y": float})
    return Case(
        name="insteval",
        title="73,421 ratings, 2,972 students x 1,128 lecturers",
        frame=frame,
        response="y",
        fixed=(),
        levels=(("s", ()), ("d", ())),
        methods=("ml", "reml"),
        reps=5,
        rivals=("lme4", "mixedlm", "glmm", "lme-python", "GPBoost"),
        crossed=True,
    )


def crossed_2k() -> Case:
    return crossed(20_000, 2_000, 500_000, ("mixedlm", "glmm", "lme-python", "GPBoost"))


def crossed_8k() -> Case:
    return crossed(20_000, 8_000, 500_000, ("mixedlm", "glmm", "lme-python", "GPBoost"))


def crossed_20k() -> Case:
    return crossed(200_000, 20_000, 5_000_000, ())


def crossed(users: int, items: int, n: int, rivals: tuple[str, ...]) -> Case:
    """Ratings of random items by random users, one covariate."""
    rng = np.random.default_rng(1)
    s, d = rng.integers(0, users, n), rng.integers(0, items, n)
    x = rng.standard_normal(n)
    y = 1 + 0.5 * x + 0.7 * rng.standard_normal(users)[s]
    y += 0.4 * rng.standard_normal(items)[d] + rng.standard_normal(n)
    return Case(
        name=f"crossed-{items // 1000}k",
        title=f"{n:,} ratings, {users:,} users x {items:,} items, 1 covariate",
        frame=pd.DataFrame({"s": s, "d": d, "x1": x, "y": y}),
        response="y",
        fixed=("x1",),
        levels=(("s", ()), ("d", ())),
        methods=("ml", "reml") if rivals else ("reml",),
        reps=3 if items < 5000 else 1,
        rivals=rivals,
        crossed=True,
    )


def _slopes(
    name: str,
    *,
    n_groups: int,
    size: int,
    n_columns: int,
    seed: int,
    waves: bool = False,
) -> Case:
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(n_groups), size)
    x = rng.standard_normal((len(group), n_columns))
    if waves:
        x[:, 0] = np.tile(np.arange(size), n_groups)
    root = np.array([[1.0, 0.0], [0.3, 0.6]])
    effects = rng.standard_normal((n_groups, 2)) @ root.T
    y = 1 + x @ np.linspace(1, 0.1, n_columns) + rng.standard_normal(len(group))
    y += effects[group, 0] + effects[group, 1] * x[:, 0]
    covariates = "1 covariate" if n_columns == 1 else f"{n_columns} covariates"
    times = ", equal times" if waves else ""
    return Case(
        name=name,
        title=f"{n_groups:,} groups x {size} rows, {covariates}, "
        f"correlated slope{times}",
        frame=_with_columns(pd.DataFrame({"g": group}), x, y),
        response="y",
        fixed=tuple(f"x{k + 1}" for k in range(n_columns)),
        levels=(("g", ("x1",)),),
        reps=5,
    )


def _uneven(rng: np.random.Generator, n: int, n_groups: int) -> np.ndarray:
    """Group codes of n units: every group occurs, sizes vary widely."""
    weight = rng.gamma(2.0, size=n_groups)
    more = rng.choice(n_groups, size=n - n_groups, p=weight / weight.sum())
    return np.concatenate([np.arange(n_groups), more])


def _with_columns(labels: pd.DataFrame, x: np.ndarray, y: np.ndarray) -> pd.DataFrame:
    columns = {f"x{k + 1}": column for k, column in enumerate(x.T)}
    return labels.assign(**columns, y=y)


CASES: dict[str, Callable[[], Case]] = {
    "sleepstudy": sleepstudy,
    "schools": schools,
    "slopes-10k": slopes_10k,
    "slopes-20k": slopes_20k,
    "slopes-125k": slopes_125k,
    "waves-125k": waves_125k,
    "million": million,
    "insteval": insteval,
    "crossed-2k": crossed_2k,
    "crossed-8k": crossed_8k,
    "crossed-20k": crossed_20k,
}
