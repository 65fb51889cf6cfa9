"""The lines contrast and pwcompare after a command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise, product
from typing import Any

import numpy as np
import pandas as pd

from ....means import Contrasts, MarginalMeans, contrast_coefficients, label_of, p_value
from ._after import small_method
from ._legend import numbers_of
from ._line import Line
from ._output import Output, OutputRow, OutputTable, estimates_table, wald_table

__all__ = ["contrast", "pwcompare"]

Array = np.ndarray
_ADJUST = {
    "noadjust": "none",
    "bonferroni": "bonferroni",
    "sidak": "sidak",
    "scheffe": "scheffe",
    "tukey": "tukey",
}
_KIND = {"r": "reference", "ar": "consecutive", "g": "effects", "p": "polynomial"}
_WORDS = {
    "none": "Unadjusted",
    "bonferroni": "Bonferroni",
    "sidak": "Sidak",
    "scheffe": "Scheffe",
    "tukey": "Tukey",
}
_EFFECTS = ("effects", "cieffects", "pveffects")
_COMPARED = {"mcompare", "level", "small", *_EFFECTS}
BALANCED = (("Margins      : asbalanced",),)
Row = tuple[str, str, tuple[float, ...] | None]


@dataclass
class _Line(Line):
    """With the options of comparisons."""

    @property
    def adjust(self) -> str:
        word = self.options.get("mcompare") or "noadjust"
        if word not in _ADJUST:
            self.fail(f"{word!r} is no method of mcompare().")
        return _ADJUST[word]

    @property
    def columns(self) -> str:
        """Which columns of estimates are asked for; empty for none."""
        return next((word for word in _EFFECTS if word in self.options), "")


def _check_factors(estimator: Any, line: _Line, names: Sequence[str]) -> None:
    variables = estimator._fixed_variables().variables
    for name in names:
        if name in variables and variables[name].levels is None:
            line.fail(
                f"{name!r} is a covariate, and only levels of factors are compared."
            )


@dataclass(frozen=True)
class _Heads:
    """What a table of comparisons is about.

    Parameters
    ----------
    response, term : str
    columns : str
        As of `estimates_table`; empty for no table of estimates.
    small : bool
        Whether statistics are t and F.
    """

    response: str
    term: str
    columns: str
    small: bool

    def rows(self, found: Sequence[tuple[str, Any]]) -> list[Row]:
        """Under the response and the term."""
        return [
            ("equation", self.response, None),
            ("plain", self.term, None),
            *(("level", name, numbers) for name, numbers in found),
        ]


def contrast(estimator: Any, text: Any) -> Contrasts:
    """See ``CommandRegressor.contrast``."""
    line = _Line.read(
        text, "contrast", "contrasts", _COMPARED | {"nowald", "noeffects"}
    )
    if len(line.terms) != 1:
        line.fail("One term is expected, such as r.group or group@time.")
    term, _, by = line.terms[0].partition("@")
    if "##" in term:
        line.fail(f"{term!r} is several terms: write one line for each, as a#b.")
    kinds, names = [], []
    for word in term.split("#"):
        prefix, dot, name = word.rpartition(".")
        if prefix not in ("", "i", "a") and prefix not in _KIND:
            line.fail(f"The operator {prefix + dot!r} is not understood.")
        kinds.append(prefix)
        names.append(name)
    _check_factors(estimator, line, [*names, *line.factors(by)])
    means = estimator.marginal_means(
        names,
        by=line.factors(by),
        df=small_method(estimator, line),
        confidence_level=line.level,
    )
    variables = estimator._fixed_variables().variables
    levels = [variables[name].values for name in names]
    sets = [_named(*pair) for pair in zip(kinds, levels, strict=True)]
    if len(names) == 1 and kinds[0] != "a":
        kind = _KIND.get(kinds[0], "reference")
        found = means.contrasts(kind, adjust=line.adjust)
    else:
        found = means.contrasts(_products(sets), adjust=line.adjust)
    if by:  # mcompare() is for the whole term
        families, count = np.zeros(len(found.index), dtype=int), len(means.index)
        found = replace(found, families=families, n_means=np.array([count]))
    told = [_told(*pair) for pair in zip(kinds, levels, strict=True)]
    labels = [" ".join(parts) for parts in product(*told)]
    plain = all(kind in ("", "i") for kind in kinds)
    columns = line.columns or ("" if plain else "cieffects")
    if "noeffects" in line.options:
        columns = ""
    heads = _Heads(
        means.part.response,
        "#".join(names) + (f"@{by}" if by else ""),
        columns,
        "small" in line.options,
    )
    nowald = "nowald" in line.options
    return replace(found, page=partial(_contrast_page, heads, labels, plain, nowald))


def _products(sets: Sequence[list[tuple[str, Array]]]) -> dict[str, Array]:
    """Contrasts of an interaction: products of those of its factors."""
    products: dict[str, Array] = {}
    for combination in product(*sets):
        row = np.ones(1)
        for _, own in combination:
            row = np.kron(row, own)
        told = [name for name, _ in combination]
        one = len(told) == 1
        products[told[0] if one else " # ".join(f"({t})" for t in told)] = row
    return products


def _named(kind: str, levels: Any) -> list[tuple[str, Array]]:
    """Contrasts of one factor; those of a. are each level less the next."""
    if kind != "a":
        return contrast_coefficients(_KIND.get(kind, "reference"), levels)
    found = contrast_coefficients("consecutive", levels)
    return [
        (f"{label_of(this)} - {label_of(after)}", -row)
        for this, after, (_, row) in zip(levels, levels[1:], found, strict=False)
    ]


def _told(kind: str, levels: Any) -> list[str]:
    """The same contrasts as Stata writes them."""
    names = [label_of(level) for level in levels]
    pairs = list(pairwise(names))
    match kind:
        case "r":
            return [f"({name} vs {names[0]})" for name in names[1:]]
        case "ar":
            return [f"({after} vs {this})" for this, after in pairs]
        case "a":
            return [f"({this} vs {after})" for this, after in pairs]
        case "g":
            return [f"({name} vs mean)" for name in names]
        case "p":
            return [f"({name})" for name, _ in _named(kind, levels)]
    return [f"({name} vs base)" for name in names[1:]]


def _contrast_page(
    heads: _Heads, labels: Sequence[str], plain: bool, nowald: bool, found: Contrasts
) -> Output:
    names = list(labels) * (len(found.index) // len(labels))
    if found.by:
        keys = _by_levels(found)
        names = [f"{n} {label_of(k)}" for n, k in zip(names, keys, strict=True)]
    tables: list[OutputTable] = []
    if not nowald:
        tables.append(_wald(heads, names, plain, found))
    if heads.columns:
        above = "" if found.adjust == "none" else _WORDS[found.adjust]
        tables += _estimates(heads, names, found, above)
    return Output(
        "Contrasts of marginal linear predictions",
        tuple(tables),
        None,
        BALANCED,
        found._lost(),
    )


def _by_levels(found: Contrasts) -> pd.Index:
    """Of every contrast, the levels that it is within."""
    levels = pd.MultiIndex.from_frame(found.index.to_frame()[list(found.by)])
    return levels.get_level_values(0) if len(found.by) == 1 else levels


def _wald(
    heads: _Heads, names: Sequence[str], plain: bool, found: Contrasts
) -> OutputTable:
    """Tests of the whole, and of every contrast where operators name them."""
    places = [np.arange(len(names))]
    tested: list[tuple[str, Array]]
    if not plain:
        tested = list(zip(names, np.arange(len(names))[:, None], strict=True))
    elif found.by:
        keys = _by_levels(found)
        tested = [(label_of(k), np.flatnonzero(keys == k)) for k in dict.fromkeys(keys)]
    else:
        tested = []
    if len(tested) != 1:
        tested += [("Joint", places[0])]
    rows: list[tuple[str, Any]] = []
    for name, at in tested:
        test = found._joint(at)
        value = test.f_value if heads.small else test.df * test.f_value
        rows.append((name, (test.df, value, test.df_denom, p_value(test))))
    if len(rows) == 1:
        only: list[Row] = [
            ("equation", heads.response, None),
            ("plain", heads.term, rows[0][1]),
        ]
        return wald_table(only, small=heads.small)
    return wald_table(heads.rows(rows), small=heads.small)


def _estimates(
    heads: _Heads,
    names: Sequence[str],
    found: Contrasts,
    above: str,
) -> list[OutputTable]:
    """The comparisons, and how many there are where they are adjusted for."""
    tables = []
    if found.adjust != "none":
        rows = (
            OutputRow(heads.response, (), "equation"),
            OutputRow(heads.term, (str(len(names)),)),
        )
        tables.append(
            OutputTable("    Number of", ("Comparisons",), (13,), (13,), rows)
        )
    tables.append(
        estimates_table(
            "Contrast",
            heads.rows(list(zip(names, numbers_of(found), strict=True))),
            columns=heads.columns,
            above=above,
            letter="t" if heads.small else "z",
            level=found.confidence_level,
        )
    )
    return tables


def pwcompare(estimator: Any, text: Any) -> Any:
    """See ``CommandRegressor.pwcompare``."""
    known = {*_COMPARED, "cimargins", "cimeans", "groups"}
    line = _Line.read(text, "pwcompare", "pairs", known)
    if len(line.terms) != 1:
        line.fail("One term is expected, such as group or group#time.")
    names = line.factors(line.terms[0])
    _check_factors(estimator, line, names)
    means = estimator.marginal_means(
        names, df=small_method(estimator, line), confidence_level=line.level
    )
    if "groups" in line.options:
        letters = means.letters(adjust=line.adjust, alpha=1.0 - line.level)
        return means.table[["estimate", "std_error"]].assign(groups=letters)
    small = "small" in line.options
    heads = _Heads(
        means.part.response, "#".join(names), line.columns or "cieffects", small
    )
    if "cimargins" in line.options or "cimeans" in line.options:
        return replace(means, page=partial(_margins_page, heads))
    found = _later_less_earlier(means.contrasts("pairwise", adjust=line.adjust))
    return replace(found, page=partial(_pairs_page, heads))


def _later_less_earlier(found: Contrasts) -> Contrasts:
    """Pairs as Stata has them: a later level less an earlier one."""
    table = found.coefficients
    names = [f"{after} - {this}" for this, after in _pairs(found)]
    index = pd.Index(names, name="contrast", dtype=object)
    return replace(
        found,
        rows=-found.rows,
        unknown=-found.unknown,
        index=index,
        coefficients=(-table).set_axis(index),
    )


def _pairs(found: Contrasts) -> list[tuple[str, str]]:
    """The two levels of every difference, the one that counts first."""
    columns = [label_of(key) for key in found.coefficients.columns]
    signs = found.coefficients.to_numpy()
    return [(columns[int(row.argmax())], columns[int(row.argmin())]) for row in signs]


def _pairs_page(heads: _Heads, found: Contrasts) -> Output:
    wide = found.coefficients.columns.nlevels > 1
    names = [f"({a}) vs ({b})" if wide else f"{a} vs {b}" for a, b in _pairs(found)]
    return Output(
        "Pairwise comparisons of marginal linear predictions",
        tuple(_estimates(heads, names, found, _WORDS[found.adjust])),
        None,
        BALANCED,
        found._lost(),
    )


def _margins_page(heads: _Heads, means: MarginalMeans) -> Output:
    names = [label_of(key) for key in means.index]
    table = estimates_table(
        "Margin",
        heads.rows(list(zip(names, numbers_of(means), strict=True))),
        columns=heads.columns,
        above="Unadjusted",
        letter="t" if heads.small else "z",
        level=means.confidence_level,
    )
    return Output(
        "Pairwise comparisons of marginal linear predictions",
        (table,),
        None,
        BALANCED,
        means._lost(),
    )
