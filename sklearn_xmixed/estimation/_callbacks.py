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
        self._n_tasks = n_tasks
        self._context: Any = None

    @property
    def watched(self) -> bool:
        """Whether anybody listens."""
        estimator = self._data["estimator"]
        return "_skl_callbacks" in vars(estimator) or hasattr(
            estimator, "_parent_callback_ctx"
        )

    def begin(self) -> FitTasks:
        """Report that the fit begins, where it has not; without a listener nothing."""
        if self._context is None and self.watched:
            make = self._data["estimator"]._init_callback_context
            self._context = make(max_subtasks=self._n_tasks)
            self._context.call_on_fit_task_begin(**self._data)
        return self

    def passed(self, what: str) -> None:
        """Report a pass over a table that is not in memory."""
        self.begin()
        self._report(f"pass: {what}")

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
            self._report("response")

    def _report(self, name: str) -> None:
        """A task that is over, without a model that could be asked."""
        step = self._context.subcontext(task_name=name)
        step.call_on_fit_task_begin(**self._data)
        step.call_on_fit_task_end(**self._data)

    def end(self) -> None:
        """Report that the fit is complete."""
        if self._context is not None:
            self._context.call_on_fit_task_end(**self._data)
