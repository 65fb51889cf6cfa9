"""The reference fits of ``lme4.json`` as fixtures, with the data they belong to."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from tests.conftest import SAME_TOTALS, has_manual_rows, manual_data

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
BUNDLED = REPOSITORY / "sklearn_xmixed" / "datasets" / "data"
DOCUMENT = json.loads((HERE / "lme4.json").read_text())


@dataclass(frozen=True)
class Reference:
    """One case: the model in our words, and what the other program found."""

    case: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.case[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def has_rows(self) -> bool:
        """Whether the data themselves are here, not only a stand-in."""
        folder, name = self.data.split("/")
        return folder != "manual" or has_manual_rows(name)

    @property
    def available(self) -> bool:
        """Whether there are data with this likelihood."""
        return self.has_rows or self.data.removeprefix("manual/") in SAME_TOTALS

    def frame(self) -> pd.DataFrame:
        """Rows and columns that were fitted, derived columns included."""
        folder, name = self.data.split("/")
        if folder == "stored":
            frame = pd.DataFrame(DOCUMENT["data"][name])
        elif folder == "bundled":
            frame = pd.read_csv(BUNDLED / f"{name}.csv")
        else:
            frame = manual_data(name)
        if self.rows:
            frame = frame[frame[self.rows["column"]].isin(self.rows["among"])]
        frame = frame[frame[self.response].notna()].reset_index(drop=True)
        for recipe in self.derive:
            frame[recipe["name"]] = _derived(recipe, frame[recipe["of"]])
        return frame

    def estimator(self, **parameters: Any) -> MixedLinearRegressor:
        return MixedLinearRegressor(
            [RandomEffects(**equation) for equation in self.random_effects],
            residuals=Residuals(**self.residuals) if self.residuals else None,
            method=self.method,
            fixed=self.fixed,
            **parameters,
        )

    def fitted(self) -> MixedLinearRegressor:
        """Our fit, made once and shared; skips what this version cannot fit."""
        try:
            return _fitted(self.id)
        except NotImplementedError as error:
            pytest.skip(str(error))

    def sorted_groups(self, equation: dict[str, Any], table: pd.DataFrame) -> list[int]:
        """Rows of ``table`` that hold the groups listed by an equation."""
        paths = [
            tuple(map(str, p)) if isinstance(p, tuple) else (str(p),)
            for p in table.index
        ]
        place = {path: row for row, path in enumerate(paths)}
        return [place[tuple(map(str, group))] for group in equation["groups"]]


def _derived(recipe: dict[str, Any], sources: pd.DataFrame) -> Any:
    first = sources.iloc[:, 0]
    match recipe["op"]:
        case "product":
            return sources.prod(axis=1).astype(float)
        case "equals":
            return (first == recipe["value"]).astype(float)
        case "sin2pi":
            return np.sin(2 * np.pi * first)
        case "cos2pi":
            return np.cos(2 * np.pi * first)
    raise ValueError(f"unknown recipe {recipe['op']!r}")


def fit_case(
    case: dict[str, Any], frame: pd.DataFrame, effects: list[RandomEffects]
) -> MixedLinearRegressor:
    """Our fit of a case with structured residuals."""
    return MixedLinearRegressor(
        effects,
        fixed=case["fixed"],
        method=case["method"],
        residuals=Residuals(**case["residuals"]),
    ).fit(frame.drop(columns=case["response"]), frame[case["response"]])


REFERENCES = {case["id"]: Reference(case) for case in DOCUMENT["cases"]}


@cache
def _fitted(name: str) -> MixedLinearRegressor:
    reference = REFERENCES[name]
    frame = reference.frame()
    with warnings.catch_warnings():
        # a variance at its bound is told by a warning; some cases are there for that
        warnings.simplefilter("ignore")
        return reference.estimator().fit(frame, frame[reference.response])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "reference" in metafunc.fixturenames:
        metafunc.parametrize(
            "reference",
            [
                pytest.param(
                    reference,
                    id=name,
                    marks=pytest.mark.skipif(
                        not reference.available,
                        reason="the manual's data are not here (XMIXED_DATA)",
                    ),
                )
                for name, reference in REFERENCES.items()
            ],
        )
