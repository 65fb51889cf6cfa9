"""A fitted model as the translators see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sklearn.utils.validation import check_is_fitted

from ...design._categories import FixedTerm
from ...design._validation import equations_of
from ._r_syntax import quoted

__all__ = ["Model", "Part", "model_of"]


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


def _weight_of(estimator: Any, given: str | None) -> str | None:
    """Name of the precision weights: the one given, that of a command, or w."""
    if estimator.results_.specification.weight_type != "precision":
        return None
    return given or getattr(estimator, "weight_variable", None) or "w"
