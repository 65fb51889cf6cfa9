"""The same model for nlme."""

from __future__ import annotations

from typing import Any

from ..._spec import Residuals
from ...residuals import Exponential, Power
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

__all__ = ["to_nlme"]

CLASSES = {
    "identity": "pdIdent",
    "independent": "pdDiag",
    "exchangeable": "pdCompSymm",
    "unstructured": "pdSymm",
}


def to_nlme(
    estimator: Any, *, data: str = "data", weight: str | None = None
) -> Translation:
    """Code that fits the same model with R's nlme.

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
        Prints as the code, or as the statement that nlme cannot say the model: sampling
        weights, banded and Toeplitz residuals, correlated residuals by category.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, Residuals, to_nlme
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = MixedLinearRegressor(
    ...     "subject", fixed=["days"], residuals=Residuals("ar", time="days")
    ... ).fit(X, y)
    >>> print(to_nlme(model))
    library(nlme)
    fit <- lme(reaction ~ days, data = data, method = "ML",
      random = list(subject = pdIdent(~ 1)),
      correlation = corAR1(0.64, form = ~ days | subject))
    """
    return translated("nlme", _translate, model_of(estimator, weight), data)


def _translate(model: Model, data: str) -> Translation:
    refuse_weights(model, "nlme")
    factors = FactorsInR.of(model, data)
    made = [*factors.lines]
    arguments = [
        f"{model.net_target} ~ {joined(factors.right, model.constant)}",
        f"data = {data}",
        f'method = "{"REML" if model.reml else "ML"}"',
    ]
    said = {
        (model.target, n): f'"{factors.names.get(n, n)}" of the coefficients'
        for n in model.fixed
    }
    said[(model.target, "_cons")] = '"(Intercept)" of the coefficients'
    more = []
    random, levels = _random(model, data, made)
    if random:
        more.append(f"random = list({', '.join(random)})")
    for part in model.parts:
        said |= _read(part)
    own, residual_said, notes = _residuals(model, data, made, levels)
    own = _weighted(model, own)
    more += own
    said |= residual_said
    said[("", "log likelihood")] = "logLik(fit), the same constants"
    if not random and not own:
        function = "gls"
    else:
        function = "lme" if random else "gls"
    call = ", ".join(arguments)
    call = ",\n  ".join([call, *more])
    code = "\n".join(["library(nlme)", *made, f"fit <- {function}({call})"])
    all_notes = [*common_notes(model), *notes]
    return Translation("nlme", code, "", table(model, said, "nlme"), tuple(all_notes))


def _weighted(model: Model, own: list[str]) -> list[str]:
    """Arguments of the residuals with the precision weights among them."""
    if model.weight is None:
        return own
    known = f"varFixed(~ 1 / {quoted(model.weight)})"
    word = "weights = "
    others = [a.removeprefix(word) for a in own if a.startswith(word)]
    whole = f"varComb({', '.join([known, *others])})" if others else known
    return [*(a for a in own if not a.startswith(word)), f"{word}{whole}"]


def _random(model: Model, data: str, made: list[str]) -> tuple[list[str], list[str]]:
    """Elements of ``random``, and the levels they stand for, top first."""
    by_level: dict[tuple[str, ...], list[Part]] = {}
    for part in model.parts:
        by_level.setdefault(part.path, []).append(part)
    out, levels = [], []
    for path in sorted(by_level, key=len):
        blocks = []
        for part in by_level[path]:
            matrix = CLASSES[part.covariance] if part.size > 1 else "pdIdent"
            if part.factor is not None and not part.levels_alone:
                raise CannotSayError(
                    f"random slopes of the levels of a crossed factor ({part.factor!r})."
                )
            if part.factor is not None:
                matrix = CLASSES[part.covariance]
                column = quoted(part.factor)
                line = f"{data}${column} <- factor({data}${column})"
                if line not in made:
                    made.append(line)
                blocks.append(f"{matrix}(~ 0 + {column})")
            elif not path:
                raise CannotSayError(
                    "random effects of one group that holds all rows ('_all')."
                )
            else:
                inside = joined(part.effects, part.constant)
                blocks.append(f"{matrix}(~ {inside})")
        name = quoted(path[-1]) if path else "all_rows"
        if not path:
            made.append(f"{data}$all_rows <- factor(1)")
        levels.append(name)
        whole = (
            blocks[0] if len(blocks) == 1 else f"pdBlocked(list({', '.join(blocks)}))"
        )
        out.append(f"{name} = {whole}")
    # levels without effects of their own in between are part of the path
    named = {p for path in by_level for p in path[-1:]}
    for number, variable in enumerate(model.path):
        if variable not in named and any(len(p) > number + 1 for p in by_level):
            raise CannotSayError(
                f"a level without random effects ({variable!r}) above one with them; "
                "give the lower level labels that are unique, and drop the upper one."
            )
    return out, levels


def _read(part: Part) -> dict[tuple[str, str], str]:
    """How an equation's parameters are read."""
    level = part.path[-1] if part.path else "all_rows"
    if part.factor is not None:
        return {
            (part.name, f"var(R.{part.factor})"): (
                f"VarCorr(fit), {level}, any level of {part.factor}: Variance"
            ),
            (part.name, f"cov(R.{part.factor})"): (
                f"VarCorr(fit), {level}, {part.factor}: Variance times Corr"
            ),
        }
    ours = [*part.effects, *(("_cons",) * part.constant)]
    theirs = dict.fromkeys(ours)
    names = {o: "(Intercept)" if o == "_cons" else o for o in theirs}
    if part.covariance in ("identity", "exchangeable") and len(ours) > 1:
        shared = " ".join(ours)
        joint = ",".join(ours) if len(ours) == 2 else shared
        return {
            (part.name, f"var({shared})"): f"VarCorr(fit), {level}, any row: Variance",
            (part.name, f"cov({joint})"): f"VarCorr(fit), {level}: Variance times Corr",
        }
    out = {
        (part.name, f"var({o})"): f'VarCorr(fit), {level}, "{names[o]}": Variance'
        for o in ours
    }
    for o in ours:
        for p in ours:
            if o != p:
                out[(part.name, f"cov({o},{p})")] = (
                    f'VarCorr(fit), {level}: Corr of "{names[o]}" and "{names[p]}" times '
                    "both StdDev"
                )
    return out


def _correlation(
    model: Model, spec: Residuals, data: str, made: list[str]
) -> tuple[list[str], dict[tuple[str, str], str], list[str]]:
    """Arguments of residuals that are correlated within groups."""
    times = [spec.time] if isinstance(spec.time, str) else spec.time or ()
    time = " + ".join(map(quoted, times))
    path = "/".join(map(quoted, model.path))
    order = spec.order
    read = "coef(fit$modelStruct$corStruct, unconstrained = FALSE)"
    said = {("Residual", "var(e)"): "fit$sigma^2"}
    match spec.structure:
        case "exchangeable":
            said[("Residual", "cov(e)")] = f"fit$sigma^2 times Rho, {read}"
            return [f"correlation = corCompSymm(form = ~ 1 | {path})"], said, []
        case "exponential" if len(times) > 1:
            said[("Residual", "rho")] = f"exp(-1 / range), range: {read}"
            return [f"correlation = corExp(form = ~ {time} | {path})"], said, []
        case "gaussian":
            said[("Residual", "range")] = f"range, {read}"
            return [f"correlation = corGaus(form = ~ {time} | {path})"], said, []
        case "arma":
            said[("Residual", "phi1")] = f"Phi1, {read}"
            said[("Residual", "theta1")] = f"Theta1, {read}"
            call = f"corARMA(form = ~ {time} | {path}, p = 1, q = 1)"
            return [f"correlation = {call}"], said, []
        case "exponential":
            said[("Residual", "rho")] = f"Phi, {read}"
            return [f"correlation = corCAR1(form = ~ {time} | {path})"], said, []
        case "ar" | "ma":
            order = order or 1
            where = time or "1"
            if spec.structure == "ar" and order == 1:
                said[("Residual", "rho")] = f"Phi, {read}"
                # where all gaps are even, the usual start at zero is stationary
                rho = model.results.residual_parameters["rho"]
                start = min(max(round(rho, 2), -0.95), 0.95) or 0.05
                call = f"corAR1({start:g}, form = ~ {where} | {path})"
                return [f"correlation = {call}"], said, []
            p, q = (order, 0) if spec.structure == "ar" else (0, order)
            letter, own = ("Phi", "phi") if p else ("Theta", "theta")
            for k in range(1, order + 1):
                said[("Residual", f"{own}{k}")] = f"{letter}{k}, {read}"
            call = f"corARMA(form = ~ {where} | {path}, p = {p}, q = {q})"
            return [f"correlation = {call}"], said, []
        case "unstructured":
            said_of = model.results.specification
            levels = ""
            if not said_of.residual_times:  # names: R would sort them by the locale
                levels = f", levels = {_vector(said_of.residual_occasions)}"
            made.append(f"{data}$occasion <- as.integer(factor({data}${time}{levels}))")
            for term in model.results.variance_frame("variance").loc["Residual"].index:
                said[("Residual", term)] = (
                    "getVarCov(fit) of gls, or the matrix of fit$modelStruct times "
                    "fit$sigma^2"
                )
            return (
                [
                    f"correlation = corSymm(form = ~ occasion | {path})",
                    "weights = varIdent(form = ~ 1 | occasion)",
                ],
                said,
                [],
            )
    raise CannotSayError(f"{spec.structure} residuals.")


def _vector(names: tuple[str, ...]) -> str:
    """Names as a vector of R, which reads True and False as logical values."""
    words = {"False": "FALSE", "True": "TRUE"}
    if set(names) <= set(words):
        return f"c({', '.join(words[name] for name in names)})"
    escaped = (name.replace("\\", "\\\\").replace('"', '\\"') for name in names)
    return "c(" + ", ".join(f'"{name}"' for name in escaped) + ")"


def _residuals(
    model: Model, data: str, made: list[str], levels: list[str]
) -> tuple[list[str], dict[tuple[str, str], str], list[str]]:
    """Arguments that say the residuals' structure, how to read them, and notes."""
    spec = model.residuals
    if spec is None:
        return [], {("Residual", "var(Residual)"): "fit$sigma^2"}, []
    if spec.variance is not None:
        return _with_variances(model, data, made, levels)
    if spec.structure == "independent":
        by = quoted(str(spec.by))
        names = model.results.variance_frame("variance").loc["Residual"].index
        said = {
            ("Residual", term): (
                f"(fit$sigma times the weight of {spec.by} = {term.split(':')[0]})^2, "
                "coef(fit$modelStruct$varStruct, unconstrained = FALSE, "
                "allCoef = TRUE)"
            )
            for term in names
        }
        return [f"weights = varIdent(form = ~ 1 | {by})"], said, []
    return _within(model, spec, data, made, levels)


def _within(
    model: Model, spec: Residuals, data: str, made: list[str], levels: list[str]
) -> tuple[list[str], dict[tuple[str, str], str], list[str]]:
    """The same of residuals that are correlated within groups."""
    if spec.by is not None:
        raise CannotSayError(
            f"{spec.structure} residuals with parameters by {spec.by!r}; its "
            "correlation structures have one set of parameters."
        )
    if levels and [quoted(g) for g in model.path] != levels:
        raise CannotSayError(
            "residuals that are correlated within groups which are not those of its "
            "lowest random effects."
        )
    return _correlation(model, spec, data, made)


def _with_variances(
    model: Model, data: str, made: list[str], levels: list[str]
) -> tuple[list[str], dict[tuple[str, str], str], list[str]]:
    """The same of residuals whose variances depend on a variable."""
    spec = model.residuals
    assert spec is not None
    if spec.by is not None:
        raise CannotSayError(
            f"residuals with parameters by {spec.by!r}; its variance functions with "
            "correlations have one set of parameters."
        )
    arguments: list[str] = []
    said: dict[tuple[str, str], str] = {}
    notes: list[str] = []
    if spec.structure != "independent":
        arguments, said, notes = _within(model, spec, data, made, levels)
    weights = [a for a in arguments if a.startswith("weights")]
    if spec.variance == spec.time and weights:  # those of unstructured residuals
        return arguments, said, notes
    read = "coef(fit$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE)"
    variable = quoted(spec.variables["variance"])
    name = {Power: "varPower", Exponential: "varExp"}.get(type(spec.variance))
    own = "fit$sigma^2"
    form = f"{name}(form = ~ {variable})"
    if name is None:
        form = f"varIdent(form = ~ 1 | {variable})"
        own = f"(fit$sigma times the weight of the category of {variable})^2, {read}"
    terms = model.results.variance_frame("variance").loc["Residual"].index
    said = {
        ("Residual", t): own
        if t.startswith("var(")
        else said.get(("Residual", t), f"the correlation structure of {spec.structure}")
        for t in terms
    }
    if ("Residual", "delta") in said:
        said[("Residual", "delta")] = f"delta, {read}"
    if ("Residual", "rho") in said and spec.structure == "exchangeable":
        said[("Residual", "rho")] = "Rho, coef(fit$modelStruct$corStruct, FALSE)"
    kept = [a for a in arguments if a not in weights]
    return [*kept, f"weights = {form}"], said, notes
