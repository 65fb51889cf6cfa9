"""The same model for PROC MIXED of SAS."""

from __future__ import annotations

import re
from typing import Any

from ..._spec import Residuals
from ._factors import refuse_categories
from ._model import Model, Part, model_of
from ._translation import (
    CannotSayError,
    Translation,
    common_notes,
    refuse_weights,
    table,
    translated,
)

__all__ = ["to_sas"]

#: degrees of freedom for small samples
DDFM = {
    "residual": "residual",
    "between-within": "bw",
    "containment": "contain",
    "satterthwaite": "satterthwaite",
    "kenward-roger": "kr",
    "kenward-roger-linear": "kr(firstorder)",
    "kenward-roger-2009": "kr2",
}
TYPES = {
    "identity": "toep(1)",
    "independent": "vc",
    "exchangeable": "cs",
    "unstructured": "un",
}


def to_sas(
    estimator: Any, *, data: str = "data", weight: str | None = None
) -> Translation:
    """Code that fits the same model with PROC MIXED of SAS.

    Parameters
    ----------
    estimator : MixedLinearRegressor
        Fitted.
    data : str, default="data"
        Name of the data set in the code.
    weight : str, default=None
        Name of the precision weights, where the fit had such; None takes that of a
        command's variable, else w.

    Returns
    -------
    Translation
        Prints as the code, or as the statement that PROC MIXED cannot say the model:
        sampling weights, moving averages, autoregressions of a higher order.

    Notes
    -----
    The code follows SAS's documentation; it was not run.

    Examples
    --------
    >>> from sklearn_xmixed import MixedLinearRegressor, RandomEffects, to_sas
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> X, y = load_sleepstudy(return_X_y=True)
    >>> model = MixedLinearRegressor(
    ...     RandomEffects("subject", ["days"], covariance="unstructured")
    ... ).fit(X, y)
    >>> print(to_sas(model))
    proc mixed data=data method=ml covtest;
      class subject;
      model reaction = days / solution cl;
      random intercept days / subject=subject type=un g gcorr;
    run;
    """
    return translated("SAS", _translate, model_of(estimator, weight), data)


def _translate(model: Model, data: str) -> Translation:
    refuse_weights(model, "SAS")
    refuse_categories(model, "SAS")
    _check_names(model)
    classes = dict.fromkeys(model.path)
    lines = []
    said = {(model.target, n): f"Solution for Fixed Effects, {n}" for n in model.fixed}
    said[(model.target, "_cons")] = "Solution for Fixed Effects, Intercept"
    for part in model.parts:
        if part.factor is not None:
            classes[part.factor] = None
        lines.append(f"  random {_random(part)};")
        said |= _read(part)
    numbers = {*model.fixed, *(x for p in model.parts for x in p.effects)}
    copies: list[str] = []
    residual, own, notes = _repeated(model, classes, numbers, copies)
    said |= own
    lines += residual
    said[("", "log likelihood")] = (
        f"minus half of -2 {'Res ' if model.reml else ''}Log Likelihood"
    )
    options = ["solution", "cl", *([] if model.constant else ["noint"])]
    if model.df_method is not None:
        options.append(f"ddfm={_ddfm(model.df_method)}")
    right = " ".join(model.fixed)
    target = model.target
    if model.offset is not None:
        target = f"{target[:28]}_net"
        copies.append(f"  {target} = {model.target} - {model.offset};")
    step = [f"data {data};", f"  set {data};", *copies, "run;"] if copies else []
    code = [
        *step,
        f"proc mixed data={data} method={'reml' if model.reml else 'ml'} covtest;",
        *([f"  class {' '.join(classes)};"] if classes else []),
        *([] if model.weight is None else [f"  weight {model.weight};"]),
        f"  model {target} = {right + ' ' if right else ''}/ {' '.join(options)};",
        *lines,
        "run;",
    ]
    notes = [*common_notes(model), *notes, _note_on_df(model.df_method)]
    return Translation(
        "SAS", "\n".join(code), "", table(model, said, "SAS"), tuple(notes)
    )


def _ddfm(method: str) -> str:
    """Argument of DDFM=."""
    return DDFM[method.removesuffix("-observed")]


def _note_on_df(method: str | None) -> str:
    if method is None:
        return (
            "SAS tests coefficients by t with degrees of freedom of its own (ddfm=); its "
            "estimates and log likelihoods are the same."
        )
    note = "Tests of coefficients refer to the degrees of freedom of ddfm=."
    if method.endswith("-observed") or method == "satterthwaite":
        return note
    if method.startswith("kenward-roger"):
        note += (
            " SAS takes the variances of covariance parameters from the observed "
            f"information unless SCORING= says otherwise: that is '{method}-observed' "
            "here."
        )
    return note


def _check_names(model: Model) -> None:
    names = [model.target, *model.fixed, *model.path]
    names += [name for name in (model.weight, model.offset) if name is not None]
    names += [x for p in model.parts for x in p.effects]
    bad = [n for n in names if not re.fullmatch(r"[A-Za-z_]\w{0,31}", n, re.ASCII)]
    if bad:
        raise CannotSayError(
            f"the names {list(dict.fromkeys(bad))}, which are no SAS names; rename these "
            "columns."
        )


def _subject(path: tuple[str, ...]) -> str:
    """``state(region)`` of a nested level."""
    *above, own = path
    return f"{own}({' '.join(reversed(above))})" if above else own


def _random(part: Part) -> str:
    path = part.path
    if part.factor is not None and not part.levels_alone:
        path = (*path, part.factor)
    if part.levels_alone:
        options = []
        if part.path:
            options.append(f"subject={_subject(part.path)}")
        if part.covariance == "exchangeable":
            options.append("type=cs")
        tail = f" / {' '.join(options)}" if options else ""
        return f"{part.factor}{tail}"
    if not path:
        raise CannotSayError(
            "random effects of one group that holds all rows ('_all')."
        )
    effects = ["intercept"] * part.constant + list(part.effects)
    kind = f" type={TYPES[part.covariance]}" if part.size > 1 else ""
    shown = " g gcorr" if part.size > 1 else ""
    return f"{' '.join(effects)} / subject={_subject(path)}{kind}{shown}"


def _read(part: Part) -> dict[tuple[str, str], str]:
    if part.levels_alone:
        name = f"R.{part.factor}"
        if part.covariance != "exchangeable":
            return {(part.name, f"var({name})"): f"covariance parameter {part.factor}"}
        return {
            (part.name, f"var({name})"): "Variance + CS",
            (part.name, f"cov({name})"): "CS",
        }
    ours = [*part.effects, *(("_cons",) * part.constant)]
    shared = " ".join(ours)
    joint = ",".join(ours) if len(ours) == 2 else shared
    if len(ours) > 1 and part.covariance in ("identity", "exchangeable"):
        extra = " + CS" if part.covariance == "exchangeable" else ""
        return {
            (part.name, f"var({shared})"): f"Variance{extra}",
            (part.name, f"cov({joint})"): "CS",
        }
    # SAS numbers the effects in the order of the statement
    order = [*(("_cons",) * part.constant), *part.effects]
    place = {o: k + 1 for k, o in enumerate(order)}
    if part.covariance != "unstructured" or len(ours) == 1:
        return {
            (part.name, f"var({o})"): (
                f"covariance parameter {'Intercept' if o == '_cons' else o}"
            )
            for o in ours
        }
    out = {(part.name, f"var({o})"): f"UN({place[o]},{place[o]})" for o in ours}
    for o in ours:
        for p in ours:
            if o != p:
                i, k = sorted((place[o], place[p]), reverse=True)
                out[(part.name, f"cov({o},{p})")] = f"UN({i},{k})"
    return out


#: structures whose variances may differ by occasion, and SAS's words for that
HETEROGENEOUS = {
    "exchangeable": "csh",
    "ar": "arh(1)",
    "toeplitz": "toeph",
    "antedependence": "ante(1)",
}


def _coordinates(spec: Residuals) -> str:
    return spec.time if isinstance(spec.time, str) else " ".join(spec.time or ())


def _heterogeneous(
    model: Model, spec: Residuals
) -> tuple[str, dict[tuple[str, str], str]]:
    """TYPE= of a structure with a variance for each occasion."""
    order = spec.order
    kind = HETEROGENEOUS.get(spec.structure)
    by_occasion = isinstance(spec.variance, str) and (
        spec.variance == spec.time or spec.structure == "exchangeable"
    )
    if (
        kind is None
        or not by_occasion
        or (spec.structure == "ar" and order not in (None, 1))
    ):
        raise CannotSayError(
            f"{spec.structure} residuals with variance={spec.variance!r}; its "
            "heterogeneous types (ARH, CSH, TOEPH, ANTE) have a variance for each "
            "occasion."
        )
    if spec.structure == "toeplitz" and order is not None:
        kind = f"toeph({order + 1})"
    said = {
        ("Residual", term): (
            "Var(i) of the occasion" if "var(" in term else f"Rho of {kind.upper()}"
        )
        for term in model.results.variance_frame("variance").loc["Residual"].index
    }
    return kind, said


def _type(model: Model, spec: Residuals) -> tuple[str, dict[tuple[str, str], str]]:
    """TYPE= of the residuals' structure, and how its parameters are read."""
    order = spec.order
    said = {("Residual", "var(e)"): "Residual"}
    match spec.structure:
        case "exchangeable":
            kind = "cs"
            said = {
                ("Residual", "var(e)"): "Residual + CS",
                ("Residual", "cov(e)"): "CS",
            }
        case "exponential":
            kind = f"sp(pow)({_coordinates(spec)})"
            said[("Residual", "rho")] = "SP(POW)"
        case "gaussian":
            kind = f"sp(gau)({_coordinates(spec)})"
            said[("Residual", "range")] = "SP(GAU)"
        case "arma":
            kind = "arma(1,1)"
            said[("Residual", "phi1")] = "Rho"
            said[("Residual", "theta1")] = (
                "the root of Gamma (1 + 2 Rho theta + theta^2) = (1 + Rho theta)(Rho + "
                "theta) within -1 and 1"
            )
        case "ar" if order in (None, 1):
            kind = "ar(1)"
            said[("Residual", "rho")] = "AR(1)"
        case "unstructured":
            kind = "un"
        case "banded":
            bands = "" if order is None else f"({order + 1})"
            kind = f"un{bands}"
        case "toeplitz":
            kind = "toep" if order is None else f"toep({order + 1})"
            for term in model.results.variance_frame("variance").loc["Residual"].index:
                if term.startswith("rho"):
                    lag = int(term[3:])
                    said[("Residual", term)] = f"TOEP({lag + 1}) / Residual"
        case _:
            raise CannotSayError(
                f"{spec.structure} residuals"
                + (f" of order {order}." if order else ".")
            )
    return kind, said


def _in_order(model: Model, spec: Residuals, copies: list[str]) -> str:
    """The time, or a number of the occasions where SAS would sort these otherwise."""
    assert isinstance(spec.time, str)
    said = model.results.specification
    names = said.residual_occasions
    numbers = all(name.isdecimal() for name in names)
    in_order = sorted(names, key=int) if numbers else sorted(names)
    if said.residual_times or list(names) == in_order:
        return spec.time
    number = f"{spec.time[:26]}_order"
    listed = (
        name if numbers else "'" + name.replace("'", "''") + "'" for name in names
    )
    function = "whichn" if numbers else "whichc"
    copies.append(f"  {number} = {function}({spec.time}, {', '.join(listed)});")
    return number


def _repeated(
    model: Model, classes: dict[str, None], numbers: set[str], copies: list[str]
) -> tuple[list[str], dict[tuple[str, str], str], list[str]]:
    """The REPEATED statement, how its parameters are read, and notes.

    A variable of CLASS is no number in MODEL and RANDOM: of one that is needed as both,
    a copy is made.
    """

    def category(name: str) -> str:
        copy = f"{name}_class" if name in numbers else name
        if copy != name:
            copies.append(f"  {copy} = {name};")
        classes[copy] = None
        return copy

    spec = model.residuals
    if spec is None:
        return [], {("Residual", "var(Residual)"): "covariance parameter Residual"}, []
    group = ""
    if spec.by is not None:
        group = f" group={category(spec.by)}"
    if spec.structure == "independent" and spec.variance is not None:
        if group or not isinstance(spec.variance, str):
            raise CannotSayError(f"independent residuals with {spec!r}.")
        group = f" group={category(spec.variance)}"
        said = {
            ("Residual", term): f"Residual of the group of {term}"
            for term in model.results.variance_frame("variance").loc["Residual"].index
        }
        return [f"  repeated /{group};"], said, []
    if spec.structure == "independent":
        said = {
            ("Residual", term): f"Residual of group {term.split(':')[0]}"
            for term in model.results.variance_frame("variance").loc["Residual"].index
        }
        return [f"  repeated /{group};"], said, []
    notes: list[str] = []
    unequal = spec.variance is not None and not (
        spec.structure in ("unstructured", "banded") and spec.variance == spec.time
    )
    kind, said = (_heterogeneous if unequal else _type)(model, spec)
    effect, time = "", spec.time
    if unequal and spec.structure == "exchangeable":
        effect = f"{category(str(spec.variance))} "
    elif spec.structure not in ("exponential", "gaussian") and spec.time is not None:
        time = _in_order(model, spec, copies)
        effect = f"{category(time)} "
        if spec.structure in ("ar", "arma", "toeplitz"):
            notes.append(
                f"SAS counts lags in the sorted values of {spec.time}: a time that no "
                "group has counts as a step here and not there."
            )
    if spec.structure in ("unstructured", "banded"):
        for term in model.results.variance_frame("variance").loc["Residual"].index:
            said[("Residual", term)] = f"UN(i,k) of the values of {time}"
    where = f"subject={_subject(model.path)}"
    return [f"  repeated {effect}/ {where} type={kind}{group} r rcorr;"], said, notes
