"""The lines that follow a command: margins, contrast, pwcompare, marginsplot.

They are read here and answered by the methods of the estimator; what is not understood
points to the method that does the same and more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._line import Line

__all__ = ["contrast", "margins", "marginsplot", "pwcompare"]

_VALUES = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*(\([^()]*(?:\([^()]*\)[^()]*)*\)|\S+)")
_RANGE = re.compile(r"(-?[\d.]+)\((-?[\d.]+)\)(-?[\d.]+)$")
_ADJUST = {
    "noadjust": "none",
    "bonferroni": "bonferroni",
    "sidak": "sidak",
    "scheffe": "scheffe",
    "tukey": "tukey",
}
_KIND = {"r": "reference", "ar": "consecutive", "g": "effects", "p": "polynomial"}


@dataclass
class _Line(Line):
    """With the options of margins and comparisons."""

    @property
    def adjust(self) -> str:
        word = self.options.get("mcompare") or "noadjust"
        if word not in _ADJUST:
            self.fail(f"{word!r} is no method of mcompare().")
        return _ADJUST[word]

    def factors(self, term: str) -> list[str]:
        """Variables of a#b, prefixes i. and c. taken away."""
        return [re.sub(r"^[ic]\.", "", word) for word in term.split("#") if word]

    def at(self) -> dict[str, list[Any]]:
        """Values of at(x=(1 2) z=3)."""
        text, out, place = self.options.get("at", ""), {}, 0
        while text[place:].strip():
            found = _VALUES.match(text, place)
            if found is None:
                self.fail(f"{text[place:].strip()!r} is not understood in at().")
            out[found[1]] = [
                number
                for word in found[2].removeprefix("(").removesuffix(")").split()
                for number in self._numbers(word)
            ]
            place = found.end()
        return out

    def _numbers(self, word: str) -> list[Any]:
        steps = _RANGE.match(word)
        if steps:
            low, step, high = map(float, steps.groups())
            return list(np.arange(low, high + step * 1e-9, step))
        try:
            number = float(word)
        except ValueError:
            return [word.strip('"')]
        return [int(number) if number.is_integer() else number]


def margins(estimator: Any, text: Any) -> Any:
    """See ``CommandRegressor.margins``."""
    line = _Line.read(
        text, "margins", "marginal_means", {"dydx", "at", "level", "asbalanced"}
    )
    if len(line.terms) > 1:
        line.fail(f"{line.terms[1]!r} is one term too many: write one line for each.")
    specs = line.factors(line.terms[0]) if line.terms else []
    at = line.at()
    options = {
        "at": at,
        "weights": "equal" if "asbalanced" in line.options else "observed",
        "confidence_level": line.level,
    }
    by = [name for name, values in at.items() if len(values) > 1 and name not in specs]
    if "dydx" not in line.options:
        return estimator.marginal_means(specs, by=by, **options)
    names = line.options["dydx"].split()
    if len(names) != 1 or names[0] == "*":
        line.fail(f"{line.options['dydx']!r} in dydx() must be one variable.")
    known = estimator._fixed_variables().variables
    if names[0] in known and known[names[0]].levels is not None:
        means = estimator.marginal_means(names[0], by=[*by, *specs], **options)
        return means.contrasts("reference", adjust="none")
    return estimator.marginal_trends(specs, names[0], by=by, **options)


def contrast(estimator: Any, text: Any) -> Any:
    """See ``CommandRegressor.contrast``."""
    line = _Line.read(text, "contrast", "contrasts", {"mcompare", "level", "effects"})
    if len(line.terms) != 1:
        line.fail("One term is expected, such as r.group or group@time.")
    term, _, by = line.terms[0].partition("@")
    prefix, dot, name = term.rpartition(".")
    kind = "reference" if prefix in ("", "i") else _KIND.get(prefix)
    if kind is None:
        line.fail(f"The operator {prefix + dot!r} is not understood.")
    if "#" in name:
        line.fail(f"{name!r} is an interaction.")
    means = estimator.marginal_means(
        name, by=line.factors(by), confidence_level=line.level
    )
    return means.contrasts(kind, adjust=line.adjust)


def pwcompare(estimator: Any, text: Any) -> Any:
    """See ``CommandRegressor.pwcompare``."""
    line = _Line.read(text, "pwcompare", "pairs", {"mcompare", "level", "effects"})
    if len(line.terms) != 1:
        line.fail("One term is expected, such as group or group#time.")
    means = estimator.marginal_means(
        line.factors(line.terms[0]), confidence_level=line.level
    )
    return means.contrasts("pairwise", adjust=line.adjust)


def marginsplot(estimator: Any, text: Any, ax: Any) -> Any:
    """See ``CommandRegressor.marginsplot``."""
    return margins(estimator, text).plot(ax)
