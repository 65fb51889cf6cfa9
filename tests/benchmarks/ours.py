"""Our estimator as a contestant: the whole ``fit``, with standard errors and tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cases import Case
from contestant import Contestant

# An installed package is preferred; without one the checkout is timed.
sys.path.append(str(Path(__file__).resolve().parents[2]))


class Ours(Contestant):
    name = "sklearn_xmixed"

    def version(self) -> str:
        import sklearn_xmixed
        from sklearn_xmixed import MixedLinearRegressor  # noqa: F401

        return sklearn_xmixed.__version__

    def prepare(self, case: Case, method: str) -> Callable[[], Any]:
        from sklearn_xmixed import MixedLinearRegressor, RandomEffects

        equations = [
            RandomEffects(
                "_all" if case.crossed else group,
                list(slopes),
                covariance="unstructured" if slopes else None,
                factor=group if case.crossed else None,
            )
            for group, slopes in case.levels
        ]
        X, y = case.covariates, case.y
        model = MixedLinearRegressor(equations, method=method, fixed=list(case.fixed))
        return lambda: model.fit(X, y)

    def read(self, fitted: Any) -> tuple[float, str]:
        note = f"n_iter {fitted.n_iter_}"
        error = fitted.results_.monte_carlo
        if error is not None:
            note += f", iterative, log likelihood +- {error.log_likelihood:.2g}"
        if not fitted.converged_:
            note += ", did not converge"
        return float(fitted.log_likelihood_), note
