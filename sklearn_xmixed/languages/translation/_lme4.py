"""The same model for lme4."""

from __future__ import annotations

from typing import Any

from ._factors import FactorsInR
from ._model import Model, Part, model_of
from ._r_syntax import joined, quoted
from ._translation import (
    CannotSayError,
    Translation,
    common_notes,
    refuse_weights,
    table,
    translated,
)

__all__ = ["to_lme4"]


#: methods for small samples by the words of lmerTest, which calls pbkrtest for the last
DDF = {
    "satterthwaite": "Satterthwaite",
    "kenward-roger": "Kenward-Roger",
    "kenward-roger-linear": "Kenward-Roger",
}


def to_lme4(
    estimator: Any, *, data: str = "data", weight: str | None = None
) -> Translation:
    """Code that fits the same model with R's lme4.

    Parameters
    ----------
    estimator : MixedLinearRegressor
        Fitted.
    data : str, default="data"
        Name of the data frame in the code.
    weight : str, default=None
        Name of the precision weights, where the fit had such; None takes that of a
        command's variable, else w.

    Returns
    -------
    Translation
        Prints as the code, or as the statement that lme4 cannot say the model:
        residual structures, sampling weights, variances shared by several effects.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects, to_lme4
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = MixedLinearRegressor(
    ...     RandomEffects("subject", ["days"], covariance="unstructured")
    ... ).fit(X, y)
    >>> print(to_lme4(model))
    library(lme4)
    fit <- lmer(reaction ~ days + (1 + days | subject), data = data, REML = FALSE)
    """
    return translated("lme4", _translate, model_of(estimator, weight), data)


def _translate(model: Model, data: str) -> Translation:
    if model.residuals is not None:
        raise CannotSayError(
            f"residuals of structure {model.residuals.structure!r}; lme4's are "
            "independent with one variance. See to_nlme()."
        )
    refuse_weights(model, "lme4")
    factors = FactorsInR.of(model, data)
    said = {
        (model.target, n): f'fixef(fit)["{factors.names.get(n, n)}"]'
        for n in model.fixed
    }
    said[(model.target, "_cons")] = 'fixef(fit)["(Intercept)"]'
    terms = []
    for part in model.parts:
        own, read = _terms(part)
        terms += own
        said |= read
    right = " + ".join([joined(factors.right, model.constant), *terms])
    formula = model.formula or f"{quoted(model.target)} ~ {right}"
    given = [f"data = {data}", *_known_parts(model)]
    lines = ["library(lme4)"] if terms else []
    lines += factors.lines
    if terms:
        method = "TRUE" if model.reml else "FALSE"
        call = ", ".join([formula, *given, f"REML = {method}"])
        lines.append(f"fit <- lmer({call})")
        lines += _small_samples(model.df_method)
    else:
        lines.append(f"fit <- lm({', '.join([formula, *given])})")
    said[("Residual", "var(Residual)")] = (
        "sigma(fit)^2"
        if terms or model.reml
        else "sigma(fit)^2 (n - p) / n: lm divides by n - p"
    )
    said[("", "log likelihood")] = (
        "logLik(fit), the same constants"
        if terms or not model.reml
        else "logLik(fit, REML = TRUE)"
    )
    notes = common_notes(model)
    if terms:
        notes.append(
            "lme4 prints standard deviations and correlations; tests of "
            "coefficients are t values without degrees of freedom (lmerTest adds them)."
        )
        if model.df_method is not None and model.df_method not in DDF:
            notes.append(
                f"Degrees of freedom by {model.df_method!r} are not among those of "
                'lmerTest and pbkrtest, "Satterthwaite" and "Kenward-Roger".'
            )
    return Translation(
        "lme4", "\n".join(lines), "", table(model, said, "lme4"), tuple(notes)
    )


def _known_parts(model: Model) -> list[str]:
    """Arguments that say the precision weights, and an offset no formula has said."""
    out = [] if model.weight is None else [f"weights = {quoted(model.weight)}"]
    said = model.formula and getattr(model.estimator, "says_offset", False)
    if model.offset is not None and not said:
        out.append(f"offset = {quoted(model.offset)}")
    return out


def _small_samples(method: str | None) -> list[str]:
    """Lines that give tests of coefficients with degrees of freedom."""
    if method not in DDF:
        return []
    return [
        "library(lmerTest)",
        f'summary(as_lmerModLmerTest(fit), ddf = "{DDF[method]}")',
    ]


def _terms(part: Part) -> tuple[list[str], dict[tuple[str, str], str]]:
    """Random terms of an equation, and how its parameters are read."""
    own_path = part.path
    if part.factor is not None and not part.levels_alone:
        own_path = (*part.path, part.factor)
    group = ":".join(quoted(g) for g in own_path)
    grouped = ":".join(own_path)
    if part.factor is not None and part.levels_alone:
        variance = (part.name, f"var(R.{part.factor})")
        inner = ":".join([*map(quoted, part.path), quoted(part.factor)])
        name = ":".join([*part.path, part.factor])
        if part.covariance != "exchangeable":
            return [f"(1 | {inner})"], {variance: f'VarCorr(fit)[["{name}"]]'}
        if not part.path:
            raise CannotSayError(
                f"an exchangeable factor of all rows ({part.factor!r}): its covariance "
                "is that of a constant."
            )
        own = f'VarCorr(fit)[["{name}"]]'
        common = f'VarCorr(fit)[["{grouped}"]]'
        return [f"(1 | {group})", f"(1 | {inner})"], {
            variance: f"{common} + {own}",
            (part.name, f"cov(R.{part.factor})"): f"{common}, which is not negative",
        }
    if not group:
        raise CannotSayError(
            "random effects of one group that holds all rows ('_all')."
        )
    if part.size > 1 and part.covariance in ("identity", "exchangeable"):
        raise CannotSayError(
            f"an {part.covariance} covariance matrix of {part.size} effects (lme4 before "
            "2.0 has unstructured and independent ones). See to_nlme()."
        )
    names = [*(("(Intercept)",) * part.constant), *part.effects]
    ours = [*(("_cons",) * part.constant), *part.effects]
    if part.covariance == "unstructured":
        left = " + ".join(["1" if part.constant else "0", *map(quoted, part.effects)])
        read = {
            (part.name, f"var({o})"): f'VarCorr(fit)[["{grouped}"]]["{n}", "{n}"]'
            for o, n in zip(ours, names, strict=True)
        }
        for i, o in enumerate(ours):
            for k, p in enumerate(ours):
                if i != k:
                    read[(part.name, f"cov({o},{p})")] = (
                        f'VarCorr(fit)[["{grouped}"]]["{names[i]}", "{names[k]}"]'
                    )
        return [f"({left} | {group})"], read
    terms = [f"(1 | {group})"] * part.constant
    terms += [f"(0 + {quoted(x)} | {group})" for x in part.effects]
    read = {
        (
            part.name,
            f"var({o})",
        ): f'as.data.frame(VarCorr(fit)), {grouped}, var1 "{n}": vcov'
        for o, n in zip(ours, names, strict=True)
    }
    return terms, read
