"""From an estimator back to the command."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..._regressor import MixedLinearRegressor
from ..._spec import RandomEffects, Residuals
from ...design._validation import equations_of
from ...fitted._fitted import FittedModel
from ...inference import Specification
from .columns import Recipe
from .grammar import METHODS, NAMES, RESIDUALS, word_of

__all__ = ["to_command"]

_NAME = re.compile(r"[^\W\d]\w*")
_WORDS = ("if", "in", "_all", "_cons", "_n", "_N")
#: parameters that are written as an option, and how, unless they have this value
_VALUES: tuple[tuple[str, Any, str], ...] = (
    ("em_iter", 20, "emiterate({})"),
    ("em_tol", 1e-10, "emtolerance({!r})"),
    ("max_iter", 100, "iterate({})"),
    ("tol", 1e-10, "nrtolerance({!r})"),
    ("weight_scaling", None, "pwscale({})"),
)
_SWITCHES: tuple[tuple[str, Any, str], ...] = (
    ("method", "reml", "reml"),
    ("parameterization", "matlog", "matlog"),
    ("em_only", True, "emonly"),
    ("solver", "lbfgs", "technique(bfgs)"),
    ("std_errors", False, "nostderr"),
    ("lr_test", False, "nolrtest"),
)
_WEIGHTS = {"frequency": "fw", "sampling": "pw", "precision": "aw"}
_KEPT = (
    "level variance stddeviations noretable nofetable estmetric noheader nogroup "
    "coeflegend noomitted vsquish noemptycells baselevels allbaselevels cformat pformat "
    "sformat"
).split()


def to_command(
    estimator: MixedLinearRegressor,
    *,
    target: str | None = None,
    weight: str | None = None,
) -> str:
    """The command that describes an estimator.

    Parameters
    ----------
    estimator : MixedLinearRegressor
        Fitted or not.  Without ``fixed`` it must be fitted, so that its columns are
        known.
    target : str, default=None
        Name of the response; None takes that of the fit.
    weight : str, default=None
        Name of the column that was passed as ``sample_weight``.  Precision weights become
        ``[aw=...]``, which scales them to a mean of one, and the residual variance with
        them.

    Returns
    -------
    str
        Read by ``xtmixed`` it gives an estimator with the same parameters, but for
        ``missing`` (a command always leaves out rows with missing values), ``unseen``,
        ``verbose`` and names of equations.

    Raises
    ------
    ValueError
        If a name is missing, or none that the command language knows.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects
    >>> from sklearn_xmixed.stata import to_command
    >>> model = MixedLinearRegressor(
    ...     RandomEffects("id", ["week"], covariance="unstructured"),
    ...     fixed=["week"], method="reml",
    ... )
    >>> to_command(model, target="weight")
    'xtmixed weight week || id: week, covariance(unstructured) reml'
    """
    if not isinstance(estimator, MixedLinearRegressor):
        raise TypeError(
            f"to_command takes a MixedLinearRegressor, got {type(estimator).__name__}."
        )
    spec = estimator.get_params(deep=False)
    equations = equations_of(spec["random_effects"])
    fitted = estimator.__dict__.get("_fitted")
    if fitted is not None and fitted.results.specification.offset_is_array:
        raise ValueError(
            "The offset of this fit was an array, and a command names a variable. Put it "
            "into a column, and name that by offset= of the constructor."
        )
    options: list[str]
    # one that was made from a command knows how its columns were written; a formula has
    # a recipe too, of which the columns alone can be said
    recipe = getattr(estimator, "recipe", None)
    if recipe is not None and hasattr(recipe, "command"):
        name, first, options = _as_written(recipe)
    else:
        name, first, options = _from_columns(estimator, spec, equations, target, weight)
    weighted = "pweight" if spec["weight_type"] == "sampling" else "fweight"
    parts = [f"{name} {first}"]
    if not spec["fit_intercept"]:
        parts[0] += ", noconstant"
    parts += [_equation(e, weighted) for e in equations]
    if spec["weight_type"] == "sampling" and "[pw=" not in first.replace(" ", ""):
        if not any(e.weight for e in equations) and spec["vce"] == "oim":
            options.insert(0, "vce(robust)")  # what sampling weights imply
    options = _model_options(spec) + options
    text = " || ".join(parts)
    if not options:
        return text
    comma = "" if _has_options(parts[-1]) else ","
    return f"{text}{comma} {' '.join(options)}"


def _has_options(part: str) -> bool:
    """Whether a comma that begins options stands in a part already."""
    depth = 0
    for c in part:
        depth += (c in "([") - (c in ")]")
        if c == "," and not depth:
            return True
    return False


def _as_written(recipe: Recipe) -> tuple[str, str, list[str]]:
    """The fixed part in the words of the command."""
    command = recipe.command
    text = command.text

    def words(span: tuple[int, int]) -> str:
        return " ".join(re.sub(r"///[^\n]*|\n[ \t]*>", " ", text[slice(*span)]).split())

    parts = [words(item.span) for item in (command.target, *command.items)]
    if command.condition is not None:
        parts.append(f"if {command.condition_text}")
    if command.rows is not None:
        parts.append(words(command.rows.span))
    if command.weight is not None:
        parts.append(words(command.weight.span))
    kept = [words(o.span) for o in command.options if o.name in _KEPT]
    return command.name, " ".join(parts), kept


def _from_columns(
    estimator: MixedLinearRegressor,
    spec: dict[str, Any],
    equations: list[RandomEffects],
    target: str | None,
    weight: str | None,
) -> tuple[str, str, list[str]]:
    fitted = estimator.__dict__.get("_fitted")
    fixed = spec["fixed"]
    if fixed is None:
        if fitted is None:
            raise ValueError(
                "With fixed=None the columns are known only after fit; fit the "
                "estimator, or set fixed=[...]."
            )
        fixed = fitted.fixed_names
    fixed, factors = _factors(spec, fitted, fixed)
    if target is None:
        if fitted is None:
            raise ValueError("Pass target=, the name of the response.")
        target = fitted.results.target
    residuals = spec["residuals"]
    if fitted is not None:
        _check_occasions(fitted.results.specification)
    plain = [name for name in fixed if name not in factors]
    names = [
        target,
        *plain,
        *factors.values(),
        *(n for n in (weight, spec["offset"]) if n is not None),
    ]
    for e in equations:
        own = [] if e.group == "_all" else [e.group]
        names += [*own, *e.columns, *(n for n in (e.factor, e.weight) if n)]
    if residuals is not None:
        _check_residuals(residuals)
        names += residuals.variables.values()
    for name in names:
        if not _NAME.fullmatch(name) or name in _WORDS:
            raise ValueError(
                f"{name!r} is no name of a variable in a command: letters, digits and _, "
                "not beginning with a digit. Rename the column."
            )
    first = " ".join([target, *fixed])
    if weight is not None:
        first += f" [{_WEIGHTS[spec['weight_type']]}={weight}]"
    return NAMES[0], first, []


def _factors(
    spec: dict[str, Any], fitted: FittedModel | None, fixed: Sequence[str]
) -> tuple[Sequence[str], dict[str, str]]:
    """The fixed part with coded categories as i.variable, and variables by such words."""
    if spec["categorical"] == "raise":
        return fixed, {}
    if fitted is None:
        raise ValueError(
            "With categorical='treatment' the columns that are coded are known only after "
            "fit; fit the estimator."
        )
    if fitted.categories is None:
        return fixed, {}
    words, factors = [], {}
    for term in fitted.categories.terms(fitted.fixed_names):
        word = term.name
        if term.categories is not None:
            # without a constant the first factor has no base
            base = len(term.columns) < len(term.categories)
            word = f"{'i' if base else 'ibn'}.{term.name}"
            factors[word] = term.name
        words.append(word)
    return words, factors


def _check_residuals(residuals: Residuals) -> None:
    """Refuse what residuals() of a command has no words for."""
    what = ""
    words = [word.lower() for word in RESIDUALS]
    if residuals.structure not in words:
        what = f"{residuals.structure} residuals"
    elif residuals.variance is not None:
        what = "variances that differ by a variable (variance=)"
    elif residuals.time is not None and not isinstance(residuals.time, str):
        what = "places of several coordinates"
    if what:
        raise ValueError(
            f"A command cannot say {what}, found {residuals!r}: its structures are "
            f"{', '.join(words)}, with by(variable) and t(variable). Keep the "
            "estimator, or choose one of these."
        )


def _check_occasions(said: Specification) -> None:
    """Refuse names that a command would not read as the same occasions in this order."""
    names = said.residual_occasions
    numbers = [int(name) for name in names if name.isdecimal()]
    as_numbers = len(numbers) == len(names) and numbers == sorted(numbers)
    if as_numbers or set(names) <= {"False", "True"}:
        return
    shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
    raise ValueError(
        f"The time {said.residual_time!r} of residuals holds names ({shown}), and the time "
        f"of a command is a number. Number the occasions in their order, by "
        f"pandas.Categorical(...).codes say, and fit to that."
    )


def _equation(equation: RandomEffects, weighted: str) -> str:
    columns = [f"R.{equation.factor}"] if equation.factor else list(equation.columns)
    options = []
    if equation.covariance is not None:
        options.append(f"covariance({equation.covariance})")
    if not equation.intercept:
        options.append("noconstant")
    if equation.collinear:
        options.append("collinear")
    if equation.weight is not None:
        options.append(f"{weighted}({equation.weight})")
    text = f"{equation.group}:"
    if columns:
        text += " " + " ".join(columns)
    return f"{text}, {' '.join(options)}" if options else text


def _model_options(spec: dict[str, Any]) -> list[str]:
    out = [word for name, value, word in _SWITCHES if spec[name] == value]
    residuals: Residuals | None = spec["residuals"]
    if residuals is not None:
        order = "" if residuals.order is None else f" {residuals.order}"
        inner = [f"by({residuals.by})"] if residuals.by else []
        inner += [f"t({residuals.time})"] if residuals.time else []
        comma = f", {' '.join(inner)}" if inner else ""
        out.append(f"residuals({residuals.structure}{order}{comma})")
    if spec["vce"] == "robust":
        out.append("vce(robust)")
    elif spec["vce"] == "cluster":
        out.append(f"vce(cluster {spec['cluster']})")
    elif spec["vce"] != "oim":
        raise ValueError(
            f"vce={spec['vce']!r} cannot be written as a command, which has vce(oim), "
            "vce(robust) and vce(cluster variable) alone. Set vce to one of these."
        )
    if spec["offset"] is not None:
        out.append(f"offset({spec['offset']})")
    if spec["df_method"] is not None:
        word = word_of(spec["df_method"])
        if word is None:
            raise ValueError(
                f"No dfmethod() of a command stands for df_method={spec['df_method']!r}; "
                f"those that have one are {', '.join(map(repr, METHODS.values()))} and "
                "'kenward-roger-observed'. Set df_method to one of these or None."
            )
        out.append(f"dfmethod({word})")
    out += [text.format(spec[n]) for n, usual, text in _VALUES if spec[n] != usual]
    return out
