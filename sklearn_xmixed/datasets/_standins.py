"""Simulated data of the shape of the manual's, for where these cannot be had."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from ._simulate import make_multilevel

__all__ = ["make_xtmixed_data"]


# Totals of the manual's pig weights w[pig, week], in half kilograms. They are whole
# numbers, so the seven digits that programs print of their fits determine them
# (tests/test_standins.py); a pig's gain is the sum of (week - 5) w over its weeks.
_PIGS = {
    "weight": 43550,
    "gain": 35769,
    "weight^2 of pigs": 39750568,
    "weight gain of pigs": 32635308,
    "gain^2 of pigs": 26929805,
    "weight^2 of weeks": 232070262,
    "weight^2": 4867706,
}


def _pig(rng: np.random.Generator) -> pd.DataFrame:
    """Draw pigs, and give them all totals that examples 1 to 3 and 10 depend on."""
    n, week = 48, np.arange(1, 10)
    drawn = rng.normal(size=(n, week.size))
    line = np.column_stack([np.full(9, 1 / 3), (week - 5) / np.sqrt(60)])  # orthonormal
    sizes = np.array([1 / 3, 1 / np.sqrt(60)])
    mean = sizes * [_PIGS["weight"], _PIGS["gain"]] / n
    both = _PIGS["weight gain of pigs"]
    squares = [[_PIGS["weight^2 of pigs"], both], [both, _PIGS["gain^2 of pigs"]]]
    own_lines = np.outer(sizes, sizes) * squares - n * np.outer(mean, mean)
    weeks = _PIGS["weight^2 of weeks"] / n - n * mean @ mean
    rest = _PIGS["weight^2"] - np.trace(own_lines) - n * mean @ mean - weeks

    lines = drawn @ line
    errors = drawn - lines @ line.T
    lines -= lines.mean(axis=0)
    root = np.linalg.solve(
        np.linalg.cholesky(lines.T @ lines).T, np.linalg.cholesky(own_lines).T
    )
    common = errors.mean(axis=0)
    errors -= common
    weight = (mean + lines @ root) @ line.T
    weight += common * np.sqrt(weeks / (n * common @ common))
    weight += errors * np.sqrt(rest / (errors**2).sum())
    return pd.DataFrame(
        {
            "id": np.repeat(np.arange(1, n + 1), week.size),
            "week": np.tile(week, n),
            "weight": weight.ravel() / 2,
        }
    )


def _childweight(rng: np.random.Generator) -> pd.DataFrame:
    child = rng.permutation([*np.arange(68), *rng.integers(0, 68, 130)])
    age = rng.uniform(0.1, 2.6, 198)
    girl = rng.permutation(np.repeat([0, 1], 34))
    start, gain = rng.normal(0, 0.65, 68), rng.normal(0, [0.7, 0.26], (68, 2))
    weight = 3.75 - 0.5 * girl[child] + start[child] - 1.65 * age**2
    weight += age * (7.7 - 0.2 * girl[child] + gain[child, girl[child]])
    return pd.DataFrame(
        {
            "id": child + 1,
            "age": age,
            "weight": weight + rng.normal(0, 0.55, 198),
            "brthwt": rng.normal(3100, 450, 68).round()[child],
            "girl": girl[child],
        }
    ).sort_values(["id", "age"], ignore_index=True)


def _veneer(rng: np.random.Generator) -> pd.DataFrame:
    teeth = np.repeat(np.arange(12), np.resize([4, 5, 5, 4, 5], 12))[:55]
    tooth = np.arange(teeth.size)
    covariance = [[525, -140], [-140, 42]]
    patient = rng.multivariate_normal([45, 0], covariance, 12)[teeth]
    base, cda = rng.gamma(3, 6, tooth.size).round(), rng.uniform(2, 8, tooth.size)
    age = rng.integers(21, 60, 12)[teeth]
    start = patient[:, 0] - 0.55 * age + rng.normal(0, 6.9, tooth.size)
    two = np.repeat(tooth, 2)
    followup = np.tile([3, 6], tooth.size)
    noise = rng.normal(0, np.where(followup == 3, 7.8, 6.0))
    return pd.DataFrame(
        {
            "patient": teeth[two] + 1,
            "tooth": 6 + two - np.searchsorted(teeth, teeth[two]),  # within the patient
            "gcf": (start[two] + followup * patient[two, 1] + noise).clip(0),
            "age": age[two],
            "base_gcf": base[two],
            "cda": cda[two],
            "followup": followup,
        }
    )


def _exercise(rng: np.random.Generator) -> pd.DataFrame:
    days = np.arange(0, 14, 2)
    lag = np.abs(days[:, None] - days)
    strength = rng.multivariate_normal(80 + 0.2 * days, 10 * 0.98**lag, 37)
    program = np.where(np.arange(37) < 16, 1, 2)
    frame = pd.DataFrame(
        {
            "id": np.repeat(np.arange(1, 38), 7),
            "day": np.tile(days, 37),
            "program": np.repeat(program, 7),
            "strength": strength.ravel().round(),
        }
    )
    late = rng.choice(np.flatnonzero(frame["day"] > 0), 20, replace=False)
    frame.loc[late, "strength"] = np.nan
    return frame


def _pisa2000(rng: np.random.Generator) -> pd.DataFrame:
    names = ["female", "high_school", "college", "one_for", "both_for", "test_lang"]
    rates = [0.5, 0.55, 0.4, 0.04, 0.1, 0.95]
    schools = make_multilevel(
        [148], 14, n_features=0, intercept=30, covariances=30, random_state=rng
    ).frame.iloc[3:]
    frame = pd.DataFrame(
        rng.binomial(1, rates, (len(schools), 6)), columns=names, index=schools.index
    )
    effect = frame.to_numpy() @ [0.5, 6.5, 19.0, -1.0, 0.5, 2.5]
    noise = rng.normal(0, 14.8, len(frame))
    frame.insert(1, "isei", (schools["y"] + effect + noise).clip(16, 90).round())
    frame["id_school"] = schools["level2"] + 1
    weight = rng.lognormal(5, 0.8, 148)[schools["level2"]]
    frame["wnrschbw"] = weight
    frame["w_fstuwt"] = rng.lognormal(6.6, 0.45, len(frame))
    frame["pass_read"] = rng.binomial(1, 0.7, len(frame))
    return frame.reset_index(drop=True)


_MAKERS: dict[str, Callable[[np.random.Generator], pd.DataFrame]] = {
    "pig": _pig,
    "childweight": _childweight,
    "veneer": _veneer,
    "exercise": _exercise,
    "pisa2000": _pisa2000,
}


def make_xtmixed_data(
    name: str, *, random_state: int | np.random.Generator | None = 0
) -> pd.DataFrame:
    """Simulate data of the shape of one of the manual's data sets.

    A stand-in for `fetch_xtmixed_data` where there is no network: the same columns, as
    many rows and groups, and parameters of the size that the manual reports. Results
    are not those of the manual, but for ``pig``: whatever the seed, the likelihoods,
    estimates and standard errors of examples 1, 2, 3 and 10 are the manual's, because
    the totals that they depend on are. (The single pigs are not, nor their effects.)

    Parameters
    ----------
    name : {"pig", "childweight", "veneer", "exercise", "pisa2000"}
        The data set. ``productivity`` and ``ovary`` come with the package.
    random_state : int, Generator or None, default=0
        Seed or source of the draws.

    Returns
    -------
    frame : DataFrame
        The whole table, target among the columns, in units of the original.

    Raises
    ------
    ValueError
        If the name is unknown.

    See Also
    --------
    fetch_xtmixed_data : The data themselves.
    make_multilevel : Simulation of nested data of any shape.

    Examples
    --------
    >>> from sklearn_xmixed.datasets import make_xtmixed_data
    >>> from sklearn_xmixed import xtmixed
    >>> pig = make_xtmixed_data("pig")
    >>> pig.shape
    (432, 3)
    >>> model = xtmixed("xtmixed weight week || id:", pig, show=False)
    >>> print(round(model.log_likelihood_, 4))  # as in the manual's example 1
    -1014.9268
    """
    if name not in _MAKERS:
        raise ValueError(
            f"name must be one of {', '.join(map(repr, _MAKERS))}; found {name!r}."
        )
    return _MAKERS[name](np.random.default_rng(random_state))
