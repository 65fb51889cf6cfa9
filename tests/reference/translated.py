"""Models whose translations were run in R: the reference fits, and some more."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from sklearn_xmixed import MixedLinearRegressor, RandomEffects, Residuals
from sklearn_xmixed.datasets import (
    load_orthodont,
    load_pastes,
    load_penicillin,
    load_sleepstudy,
)
from tests.reference.conftest import REFERENCES

__all__ = ["CASES", "TranslatedCase"]


@dataclass(frozen=True)
class TranslatedCase:
    """A model and its data."""

    make: Callable[[], tuple[Any, pd.DataFrame, str]]
    available: bool = True

    def fitted(self) -> tuple[Any, pd.DataFrame]:
        """The fitted model, and the data with the response."""
        model, frame, response = self.make()
        return model.fit(frame.drop(columns=response), frame[response]), frame


def _crossed() -> Any:
    stored = json.loads((Path(__file__).parent / "formula.json").read_text())
    return SimpleNamespace(frame=pd.DataFrame(stored["data"]).drop(columns="f"))


def _more() -> Iterator[tuple[str, TranslatedCase]]:
    def case(
        random: Any, load: Any, response: str, **parameters: Any
    ) -> TranslatedCase:
        def make() -> tuple[Any, pd.DataFrame, str]:
            frame = load().frame
            model = MixedLinearRegressor(random, fixed=parameters.pop("fixed", []))
            return model.set_params(**parameters), frame, response

        return TranslatedCase(make)

    both = [RandomEffects("_all", factor=name) for name in ("plate", "sample")]
    yield (
        "penicillin-crossed-reml",
        case(both, load_penicillin, "diameter", method="reml"),
    )
    one = [RandomEffects("_all", factor="sample"), RandomEffects("plate")]
    yield "penicillin-factor-and-level-ml", case(one, load_penicillin, "diameter")
    inner = RandomEffects("batch", factor="cask", covariance="exchangeable")
    yield (
        "pastes-exchangeable-reml",
        case(inner, load_pastes, "strength", method="reml"),
    )
    inner = [RandomEffects("batch"), RandomEffects("batch", factor="cask", name="cask")]
    yield "pastes-factor-ml", case(inner, load_pastes, "strength")
    slopes = [
        RandomEffects("_all", ["x"], factor="i", covariance="unstructured"),
        RandomEffects("s", ["x"], covariance="unstructured"),
    ]
    yield "crossed-slopes-ml", case(slopes, _crossed, "y", fixed=["x"])
    alone = RandomEffects("subject", intercept=False)
    for structure, extra in (
        ("exchangeable", {}),
        ("ar", {"time": "age"}),
        ("unstructured", {"time": "age"}),
        ("exponential", {"time": "age"}),
    ):
        yield f"orthodont-{structure}-alone", case(
            alone, load_orthodont, "distance", fixed=["age"],
            residuals=Residuals(structure, **extra),
        )  # fmt: skip
    for structure, order in (("ar", 1), ("ar", 2), ("ma", 1), ("ma", 2)):
        yield f"sleepstudy-{structure}{order}-reml", case(
            RandomEffects("subject"), load_sleepstudy, "reaction", fixed=["days"],
            method="reml", residuals=Residuals(structure, order=order, time="days"),
        )  # fmt: skip
    yield "orthodont-by-sex", case(
        RandomEffects("subject"), load_orthodont, "distance", fixed=["age"],
        residuals=Residuals(by="sex"),
    )  # fmt: skip
    yield (
        "sleepstudy-regression-reml",
        case(None, load_sleepstudy, "reaction", fixed=["days"], method="reml"),
    )


def _references() -> Iterator[tuple[str, TranslatedCase]]:
    for name, reference in REFERENCES.items():

        def make(reference: Any = reference) -> tuple[Any, pd.DataFrame, str]:
            return reference.estimator(), reference.frame(), reference.response

        yield name, TranslatedCase(make, reference.available)


CASES = dict([*_references(), *_more()])
