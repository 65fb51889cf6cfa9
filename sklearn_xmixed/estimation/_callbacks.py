"""scikit-learn's callbacks, which are still experimental, in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..optimization import Iteration

__all__ = ["FitTasks"]


class FitTasks:
    """Tells scikit-learn's callbacks about the iterations of a fit, or its responses.

    Parameters
    ----------
    estimator : MixedLinearRegressor
    X, y, sample_weight : array-like
        What ``fit`` was given.
    n_tasks : int, optional
        How many tasks there will be, where that is known.
    """

    def __init__(
        self,
        estimator: Any,
        X: Any,
        y: Any,
        sample_weight: Any,
        n_tasks: int | None = None,
    ):
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        self._data = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._context = None
        # without a listener not even the context is made
        if "_skl_callbacks" in vars(estimator) or hasattr(
            estimator, "_parent_callback_ctx"
        ):
            self._context = estimator._init_callback_context(max_subtasks=n_tasks)
            self._context.call_on_fit_task_begin(**self._data)

    @property
    def watched(self) -> bool:
        """Whether anybody listens."""
        return self._context is not None

    def iteration(self, line: Iteration, attributes: Callable[[], dict]) -> bool:
        """Report an iteration; True asks to stop.

        ``attributes`` makes the fitted attributes as of this iteration.
        """
        if self._context is None:
            return False
        step = self._context.subcontext(task_name=f"{line.phase} iteration")
        step.call_on_fit_task_begin(**self._data)
        return bool(
            step.call_on_fit_task_end(
                **self._data, reconstruction_attributes=attributes
            )
        )

    def responses(self, more: int) -> None:
        """Report that so many more responses are fitted."""
        if self._context is None:
            return
        for _ in range(more):
            step = self._context.subcontext(task_name="response")
            step.call_on_fit_task_begin(**self._data)
            step.call_on_fit_task_end(**self._data)

    def end(self) -> None:
        """Report that the fit is complete."""
        if self._context is not None:
            self._context.call_on_fit_task_end(**self._data)
