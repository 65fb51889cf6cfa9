"""Likelihood-ratio test of two fits, by their results alone."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from sklearn.exceptions import NotFittedError

from .._results import Results
from ._likelihood_ratio import (
    ASSUMED,
    LikelihoodRatio,
    likelihood_ratio,
)

__all__ = ["compare_likelihoods", "in_order", "results_of"]

#: relative difference of log likelihoods that rounding explains
TOLERANCE = 1e-7


def compare_likelihoods(larger: Any, smaller: Any) -> LikelihoodRatio:
    """Likelihood-ratio test by what the results alone tell; see ``lrtest``."""
    more, fewer = in_order(larger, smaller)
    one = _sets_one_variance_to_zero(more, fewer)
    counts_differ = (more.n_sd, more.n_residual) != (fewer.n_sd, fewer.n_residual)
    notes = [ASSUMED] if counts_differ and not one else []
    unknown = _beyond(more, fewer)
    if unknown:
        notes.append(
            f"Note: That the smaller model is nested in the larger is assumed; {unknown} "
            "is in the smaller alone."
        )
    lost = [
        which
        for which, results in (("larger", more), ("smaller", fewer))
        if not results.converged
    ]
    if lost:
        notes.append(
            f"Note: The {' and the '.join(lost)} model did not converge; the test "
            "compares the log likelihoods that were reached."
        )
    return likelihood_ratio(
        more.log_likelihood,
        fewer.log_likelihood,
        more.n_params - fewer.n_params,
        one_variance=one,
        note="\n".join(notes),
    )


def in_order(larger: Any, smaller: Any) -> tuple[Results, Results]:
    """Results of the larger and of the smaller model, which may come in either order.

    Raises
    ------
    NotFittedError, TypeError, ValueError
        If they cannot be compared.
    """
    more = results_of(larger, "larger", "lrtest")
    fewer = results_of(smaller, "smaller", "lrtest")
    if more.n_params == fewer.n_params:
        raise ValueError(
            f"Both models have {more.n_params} parameters, so neither can be nested in "
            "the other. Compare them by aic_ or bic_."
        )
    if more.n_params < fewer.n_params:
        more, fewer = fewer, more
    _check_likelihoods(more, fewer)
    _check_same_data(more, fewer)
    _check_same_method(more, fewer)
    _check_same_response(more, fewer)
    _check_order(more, fewer)
    return more, fewer


def results_of(model: Any, which: str, function: str) -> Results:
    """Results of a fitted estimator, or the results themselves.

    Raises
    ------
    NotFittedError, TypeError
        Naming the model by ``which`` and the ``function`` that was called.
    """
    if isinstance(model, Results):
        return model
    results = getattr(model, "results_", None)
    if isinstance(results, Results):
        return results
    if results is not None:
        raise TypeError(
            f"The {which} model was fitted to several responses at once, and {function} "
            "takes fits of one: call fit(X, y) with one column of Y."
        )
    if hasattr(model, "fit"):
        raise NotFittedError(
            f"The {which} model, a {type(model).__name__}, is not fitted. Call fit "
            f"before {function}."
        )
    raise TypeError(
        f"{function} takes fitted MixedLinearRegressor objects, got {model!r} as the "
        f"{which} model."
    )


def _fixed(results: Results) -> set[str]:
    """Columns of the fixed part that are estimated."""
    return set(results.fixed_names) - set(results.omitted)


def _check_likelihoods(more: Results, fewer: Results) -> None:
    for which, results in (("larger", more), ("smaller", fewer)):
        if results.pseudo:
            raise ValueError(
                f"The {which} model has a pseudolikelihood (sampling weights or robust "
                "standard errors), which has no likelihood-ratio test. Refit both "
                "models without sampling weights and with vce='oim', or use the Wald "
                "tests of coef_table()."
            )


def _check_same_data(more: Results, fewer: Results) -> None:
    if more.n_obs != fewer.n_obs:
        raise ValueError(
            f"The models were fitted to different data: {more.n_obs} observations "
            f"(larger model) and {fewer.n_obs} (smaller model). Fit both to the same "
            "rows; missing='drop' may have dropped more of them from one."
        )
    exact = [r.specification.weight_type == "precision" for r in (more, fewer)]
    if exact[0] != exact[1]:
        which = "larger" if exact[0] else "smaller"
        raise ValueError(
            f"The {which} model alone has precision weights, so that neither is nested in "
            "the other. Fit both with the same weights, or compare them by aic_ or bic_."
        )


def _check_same_method(more: Results, fewer: Results) -> None:
    if more.method != fewer.method:
        raise ValueError(
            f"The models were fitted by different methods: {more.method} (larger "
            f"model) and {fewer.method} (smaller model). Refit one of them."
        )
    if more.method == "REML" and _fixed(more) != _fixed(fewer):
        only = [
            sorted(_fixed(a) - _fixed(b)) for a, b in ((more, fewer), (fewer, more))
        ]
        raise ValueError(
            "REML likelihoods of models with different fixed parts cannot be compared: "
            f"only the larger model has {only[0]}, only the smaller {only[1]}. Refit "
            "both models with method='ml'."
        )


def _check_same_response(more: Results, fewer: Results) -> None:
    """As far as it can be seen: by linear regression, or else by name."""
    if _fixed(more) == _fixed(fewer):
        linear = [_linear(results) for results in (more, fewer)]
        if not any(map(math.isnan, linear)):
            if not math.isclose(*linear, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
                raise ValueError(
                    "The models were fitted to different rows or responses: linear "
                    f"regression with the same fixed part has log likelihood "
                    f"{linear[0]:.8g} for the larger model's data and {linear[1]:.8g} "
                    "for the smaller's. Fit both to the same rows of X, y and weights."
                )
            return
    names = {more.target, fewer.target}
    if len(names) == 2 and "y" not in names:  # "y" is a response without a name
        raise ValueError(
            f"The models have different responses: {more.target!r} (larger model) and "
            f"{fewer.target!r} (smaller model)."
        )


def _linear(results: Results) -> float:
    """Log likelihood of linear regression, nan if it was not computed."""
    if results.n_random or results.n_residual > 1:
        return results.comparison_log_likelihood
    return results.log_likelihood


def _check_order(more: Results, fewer: Results) -> None:
    excess = fewer.log_likelihood - more.log_likelihood
    if excess > 10 * TOLERANCE * (1.0 + abs(more.log_likelihood)):
        raise ValueError(
            f"The model with {fewer.n_params} parameters has a larger log likelihood, "
            f"{fewer.log_likelihood:.8g}, than that with {more.n_params}, "
            f"{more.log_likelihood:.8g}. Either it is not nested in the other, or the "
            "other did not converge to its maximum."
        )


def _sets_one_variance_to_zero(more: Results, fewer: Results) -> bool:
    """Whether this is all the difference there is.

    Equality of variances, for one, is not: the smaller model's terms are then not
    among the larger's.
    """
    extra = _terms(more)
    extra.subtract(_terms(fewer))
    return (
        more.n_params - fewer.n_params == 1
        and _fixed(more) == _fixed(fewer)
        and min(extra.values()) >= 0
        and [kind for _, kind, _ in extra.elements()] == ["sd"]
    )


def _beyond(more: Results, fewer: Results) -> str:
    """What the smaller model has and the larger has not, by name; empty if nothing.

    Other names can say the same (0.girl#c.age and 1.girl#c.age span age), so
    this is no proof that the models are not nested.
    """
    fixed = [name for name in fewer.fixed_names if name in _fixed(fewer) - _fixed(more)]
    out = [f"{name!r} of the fixed part" for name in fixed]
    groups = _groupings(more)
    out += [
        f"the grouping by {name!r}" for name in _groupings(fewer) if name not in groups
    ]
    return ", ".join(out)


def _groupings(results: Results) -> list[str]:
    """Variables whose groups or levels have random effects."""
    out: list[str] = []
    for equation in results.equations:
        out += [
            e[2:] if e.startswith("R.") else equation.group for e in equation.effects
        ]
    return list(dict.fromkeys(out))


def _terms(results: Results) -> Counter[tuple[str, str, tuple[str, ...]]]:
    """Variance parameters by the variable of their groups, kind and effects."""
    groups = [e.group for e in results.equations if e.effects]
    return Counter(
        ("Residual" if p.equation is None else groups[p.equation], p.kind, p.effects)
        for p in results.parameters
    )
