"""A fitted model as the translators see it, and what they return."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import pandas as pd
from sklearn.utils.validation import check_is_fitted

from ...design._categories import FixedTerm
from ...design._validation import equations_of
from ...inference import CORRECTIONS

__all__ = ["CannotSayError", "Model", "Part", "Translation", "model_of", "quoted"]


class CannotSayError(Exception):
    """The language has no words for the model; the message says for what."""


@dataclass(frozen=True)
class Translation:
    """A model in another program's language.

    Attributes
    ----------
    language : str
    code : str or None
        None where the language cannot say the model.
    reason : str
        Why it cannot; empty where it can.
    parameters : DataFrame
        One row per parameter: the value here, and how the other program's output is to
        be read (columns estimate, in_<language>).
    notes : tuple of str
        What else differs.
    """

    language: str
    code: str | None
    reason: str = ""
    parameters: pd.DataFrame = field(default_factory=pd.DataFrame, compare=False)
    notes: tuple[str, ...] = ()

    @property
    def possible(self) -> bool:
        """Whether there is code."""
        return self.code is not None

    def __str__(self) -> str:
        if self.code is None:
            return f"{self.language} cannot say this model: {self.reason}"
        return self.code

    def __repr__(self) -> str:
        parts = [str(self)]
        if len(self.parameters):
            parts.append(self.parameters.to_string())
        return "\n\n".join([*parts, *self.notes])

    def _repr_html_(self) -> str:
        parts = [f"<pre>{escape(str(self))}</pre>"]
        if len(self.parameters):
            parts.append(self.parameters.to_html())
        return "".join([*parts, *(f"<p>{escape(note)}</p>" for note in self.notes)])


@dataclass(frozen=True)
class Part:
    """One random-effects equation.

    Parameters
    ----------
    name : str
        Of the equation.
    path : tuple of str
        Grouping variables down to its level, without ``_all``.
    effects : tuple of str
        Columns with random coefficients, without the constant and what was omitted.
    constant : bool
    covariance : {"identity", "independent", "exchangeable", "unstructured"}
    factor : str or None
        Variable whose levels have the effects.
    """

    name: str
    path: tuple[str, ...]
    effects: tuple[str, ...]
    constant: bool
    covariance: str
    factor: str | None

    @property
    def levels_alone(self) -> bool:
        """Whether it is a factor each level of which has one effect."""
        return self.factor is not None and not self.effects and not self.constant

    @property
    def size(self) -> int:
        """Number of random effects of a group."""
        return len(self.effects) + self.constant


@dataclass(frozen=True)
class Model:
    """What there is to say.

    Parameters
    ----------
    target : str
    fixed : tuple of str
        Columns without those that were omitted.
    constant : bool
    parts : tuple of Part
        Equations that have random effects.
    path : tuple of str
        Grouping variables down to the lowest level, without ``_all``.
    reml : bool
    df_method : str or None
        Degrees of freedom for small samples.
    residuals : Residuals or None
    formula : str
        Of an estimator made by one, as lme4 understands it; empty otherwise.
    weight : str or None
        Name of the precision weights; None without any.
    offset : str or None
        Name of the offset.
    terms : tuple of FixedTerm
        The user's columns behind those of the fixed part.
    """

    target: str
    fixed: tuple[str, ...]
    constant: bool
    parts: tuple[Part, ...]
    path: tuple[str, ...]
    reml: bool
    residuals: Any
    formula: str
    results: Any
    estimator: Any
    df_method: str | None = None
    weight: str | None = None
    offset: str | None = None
    terms: tuple[FixedTerm, ...] = ()

    @property
    def factors(self) -> tuple[FixedTerm, ...]:
        """Terms of categories."""
        return tuple(t for t in self.terms if t.categories is not None)

    @property
    def net_target(self) -> str:
        """The response less the offset, in R's words."""
        target = quoted(self.target)
        return target if self.offset is None else f"I({target} - {quoted(self.offset)})"


def model_of(estimator: Any, weight: str | None = None) -> Model:
    """Read a fitted estimator; ``weight`` is the name of its precision weights."""
    check_is_fitted(estimator)
    results = estimator.results_
    spec = equations_of(estimator.get_params(deep=False)["random_effects"])
    groups = [g for g in dict.fromkeys(e.group for e in spec) if g != "_all"]
    parts = []
    for said, found in zip(spec, results.equations, strict=True):
        if not found.effects:
            continue
        path = () if said.group == "_all" else groups[: groups.index(said.group) + 1]
        label = found.label.lower()
        factor_alone = said.factor is not None and not said.columns
        parts.append(
            Part(
                found.name,
                tuple(path),
                tuple(x for x in found.effects if x != "_cons" and not factor_alone),
                "_cons" in found.effects,
                label,
                said.factor,
            )
        )
    residuals = estimator.residuals
    if residuals is not None and residuals.white:
        residuals = None
    gone = {*results.omitted, "_cons"}
    return Model(
        results.target,
        tuple(n for n in results.fixed_names if n not in gone),
        "_cons" in results.fixed_names,
        tuple(parts),
        tuple(groups),
        results.method == "REML",
        residuals,
        getattr(estimator, "effects_formula", ""),
        results,
        estimator,
        estimator.df_method,
        _weight_of(estimator, weight),
        results.specification.offset or None,
        _terms_of(estimator),
    )


def _terms_of(estimator: Any) -> tuple[FixedTerm, ...]:
    """The user's columns; those of a model without coded categories are its columns."""
    fitted = estimator._fitted
    if fitted.categories is None:
        return tuple(FixedTerm(name, (name,)) for name in fitted.fixed_names)
    return tuple(fitted.categories.terms(fitted.fixed_names))


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


def _weight_of(estimator: Any, given: str | None) -> str | None:
    """Name of the precision weights: the one given, that of a command, or w."""
    if estimator.results_.specification.weight_type != "precision":
        return None
    return given or getattr(estimator, "weight_variable", None) or "w"


def refuse_weights(model: Model, language: str) -> None:
    """Weights that mean something else in R and SAS, and offsets without a name."""
    estimator = model.estimator
    spec = equations_of(estimator.get_params(deep=False)["random_effects"])
    if model.results.specification.offset_is_array:
        raise CannotSayError(
            "an offset that was an array and has no name; put it into a column, and name "
            "that by offset= of the constructor."
        )
    named = [e.weight for e in spec if e.weight is not None]
    if estimator.weight_type == "sampling" or named or estimator.weight_scaling:
        raise CannotSayError(
            f"sampling weights and weights of groups; the weights of {language} are "
            "inverse residual variances."
        )


def common_notes(model: Model) -> list[str]:
    """What every translation has to add."""
    notes = []
    name, vce = model.results.cluster_name, model.results.vce
    if vce in CORRECTIONS:
        of = f", cluster = data${name}" if name else ""
        notes.append(
            f"Standard errors of the coefficients are cluster-robust here ({vce}); in R "
            f'clubSandwich\'s vcovCR(fit{of}, type = "{vce}") gives them. The code below '
            "gives model-based ones."
        )
    elif vce != "oim":
        notes.append(
            "Standard errors are robust here: a sandwich estimator clustered by "
            f"{name}, with the factor M / (M - 1). The code below "
            "gives model-based ones."
        )
    if model.weight is not None:
        notes.append(
            f"{model.weight} is the variable of the precision weights, sample_weight here."
        )
        scale = getattr(model.estimator, "_weight_scale", 1.0)
        if scale != 1.0:
            notes.append(
                "[aw=...] scales the weights to a mean of one, the code below takes them "
                f"as they are: its residual variance is that here over {scale:.6g}."
            )
    if model.formula and any(quoted(n) != n for n in (*model.fixed, *_offsets(model))):
        notes.append(
            "Some columns are made by the formula; where the code names them, they have "
            "to be put into the data."
        )
    if model.results.omitted:
        notes.append(f"Left out as collinear: {', '.join(model.results.omitted)}.")
    return notes


def _offsets(model: Model) -> list[str]:
    return [] if model.offset is None else [model.offset]


def table(
    model: Model, said: dict[tuple[str, str], str], language: str
) -> pd.DataFrame:
    """Parameters with their translations; ``said`` by (level, term)."""
    results = model.results
    rows = [
        ((results.target, name), value)
        for name, value in zip(results.fixed_names, results.beta, strict=True)
        if name not in results.omitted
    ]
    variances = results.variance_frame("variance")["estimate"]
    rows += list(variances.items())
    rows.append((("", "log likelihood"), results.log_likelihood))
    index = pd.MultiIndex.from_tuples([k for k, _ in rows], names=["equation", "term"])
    return pd.DataFrame(
        {
            "estimate": [float(v) for _, v in rows],
            f"in_{language}": [said.get(k, "") for k, _ in rows],
        },
        index=index,
    )


def quoted(name: str) -> str:
    """A name of R, in backquotes where it needs them."""
    plain = re.fullmatch(r"[^\W\d_][\w.]*", name) and name not in _RESERVED
    return name if plain else f"`{name}`"


def joined(names: Sequence[str], constant: bool) -> str:
    """Right side of an R formula."""
    parts = [] if constant else ["0"]
    parts += [quoted(n) for n in names]
    return " + ".join(parts) or "1"


_RESERVED = {
    "if", "else", "repeat", "while", "function", "for", "in", "next", "break", "TRUE",
    "FALSE", "NULL", "Inf", "NaN", "NA",
}  # fmt: skip
