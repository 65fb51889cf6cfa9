"""A quasi-Newton alternative: scipy's L-BFGS-B on the exact gradient."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import minimize

from ._newton import newton_decrement
from ._state import Array, Iteration, Optimum, Problem, Watcher

__all__ = ["lbfgs"]

OPTIONS: dict[str, Any] = {"ftol": 1e-16, "gtol": 1e-9, "maxcor": 20, "maxls": 50}


def lbfgs(
    problem: Problem,
    gamma: Array,
    *,
    tol: float = 1e-10,
    max_iter: int = 100,
    watch: Watcher | None = None,
) -> Optimum:
    """Minimise by L-BFGS-B; the Hessian is formed once, at the end.

    Parameters are those of ``newton``; ``max_iter`` counts ten quasi-Newton
    iterations as one.
    """
    log: list[Iteration] = []

    def note(gamma: Array) -> None:
        f, g = problem.gradient(gamma)
        line = Iteration("gradient", len(log), f, float(g @ g))
        log.append(line)
        if watch is not None and watch(line, gamma):
            log[-1] = replace(line, note="stopped")
            raise StopIteration

    gamma = np.array(gamma, dtype=float)
    try:
        note(gamma)
    except StopIteration:
        pass
    if len(gamma) and not log[-1].stopped:
        found: Any = minimize(  # type: ignore[call-overload]
            problem.gradient,
            gamma,
            jac=True,
            method="L-BFGS-B",
            callback=note,
            options={**OPTIONS, "maxiter": 10 * max_iter},
        )
        gamma = np.asarray(found.x)
    f, g, H = problem.hessian(gamma)
    decrement = newton_decrement(g, H)
    done = decrement <= max(tol, 1e-8) * (1.0 + abs(f) / 1e4)
    return Optimum(gamma, f, g, H, decrement, bool(done), log)
