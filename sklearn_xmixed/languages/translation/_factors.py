"""Columns of categories in other programs' words: factors."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ._model import Model
from ._r_syntax import quoted
from ._translation import CannotSayError

__all__ = ["FactorsInR", "refuse_categories"]


@dataclass(frozen=True)
class FactorsInR:
    """Categories in R's words.

    Parameters
    ----------
    right : tuple of str
        Variables of the fixed part.
    names : dict of str to str
        What R calls the coefficients, where that is another name.
    lines : tuple of str
        Code that gives the factors their levels in order.
    """

    right: tuple[str, ...]
    names: dict[str, str]
    lines: tuple[str, ...]

    @classmethod
    def of(cls, model: Model, data: str) -> FactorsInR:
        """Write every column of categories as a factor."""
        alone = _coded_alone(model)
        if alone:
            raise CannotSayError(
                f"the columns {alone}, single ones of those that categorical='treatment' "
                "codes. Code them as columns of zeros and ones."
            )
        gone = {*model.results.omitted}
        names: dict[str, str] = {}
        lines = []
        for term in model.factors:
            assert term.categories is not None
            kinds = {type(c) for c in term.categories}
            if gone & {*term.columns} or kinds not in ({str}, {int}):
                raise CannotSayError(
                    f"the factor {term.name!r}, of which columns were left out as collinear "
                    "or whose categories are neither text nor whole numbers."
                )
            levels = ", ".join(
                json.dumps(c, ensure_ascii=False) for c in term.categories
            )
            own = f"{data}${quoted(term.name)}"
            lines.append(f"{own} <- factor({own}, levels = c({levels}))")
            coded = term.categories[len(term.categories) - len(term.columns) :]
            for column, category in zip(term.columns, coded, strict=True):
                names[column] = f"{quoted(term.name)}{category}"
        right = tuple(t.name for t in model.terms if not {*t.columns} <= gone)
        return cls(right, names, tuple(lines))


def refuse_categories(model: Model, language: str) -> None:
    """Coded columns, for a language that is given none of its own."""
    if model.factors or _coded_alone(model):
        raise CannotSayError(
            "columns that categorical='treatment' codes; their names, such as "
            f"{(_coded_alone(model) or list(model.factors[0].columns))[0]!r}, are none of "
            f"{language}. Code them as columns of zeros and ones with plain names."
        )


def _coded_alone(model: Model) -> list[str]:
    """Coded columns that are named one by one, or have random coefficients."""
    coding = model.estimator._fitted.categories
    if coding is None:
        return []
    named = [t.name for t in model.terms if t.categories is None]
    return [n for n in [*named, *(x for p in model.parts for x in p.effects)]
            if n in coding]  # fmt: skip
