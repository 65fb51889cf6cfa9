"""What estimators that are written as a text have in common."""

from __future__ import annotations

from typing import Any

import pandas as pd

from .._regressor import MixedLinearRegressor
from ..compat import available_if
from ..design._labels import Source

__all__ = ["TextRegressor"]


def _columns_of_their_own(estimator: Any) -> bool:
    raise NotImplementedError(
        "partial_fit is not there for a model made by a formula or a command, whose "
        "columns (levels of factors, bases of splines) hang on the rows they were made "
        "from. Call fit with all rows, or partial_fit of a MixedLinearRegressor with "
        "columns that are made alike for all batches."
    )


class TextRegressor(MixedLinearRegressor):
    """A ``MixedLinearRegressor`` that makes its columns from the user's by a recipe.

    Parameters
    ----------
    random_effects, **parameters
        As of ``MixedLinearRegressor``.
    recipe : object
        How the columns are made; what the text said, understood.
    """

    #: the function that makes one, for messages
    made_by = ""

    def __init__(
        self, random_effects: Any = None, *, recipe: Any = None, **parameters: Any
    ):
        super().__init__(random_effects, **parameters)
        self.recipe = recipe

    @classmethod
    def _get_param_names(cls) -> list[str]:
        return sorted([*MixedLinearRegressor._get_param_names(), "recipe"])

    def _recipe(self) -> Any:
        if self.recipe is None:
            raise ValueError(
                f"A {type(self).__name__} needs recipe=; it is made by {self.made_by}."
            )
        return self.recipe

    def _text(self) -> str:
        """The text as it was given."""
        raise NotImplementedError

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        if self.recipe is None:
            return f"{type(self).__name__}()"
        return f"{type(self).__name__}({' '.join(self._text().split())!r})"

    def __str__(self) -> str:
        return str(self.summary()) if "_fitted" in self.__dict__ else repr(self)

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        return {"text/plain": repr(self)}

    def response(self, X: Any, groups: Any = None) -> pd.Series:
        """The response as the text has it.

        Parameters
        ----------
        X, groups
            As for ``fit``.

        Returns
        -------
        Series
            One number for each row of X.
        """
        raise NotImplementedError

    def score(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        groups: Any = None,
        offset: Any = None,
    ) -> float:
        """R^2 of the predictions.

        Parameters
        ----------
        X, groups
            As for ``fit``.
        y : array-like of shape (n_samples,), default=None
            The response; None takes that of the text.
        sample_weight, offset : array-like of shape (n_samples,), default=None
            Weights, and known parts of the predictions, of the rows.

        Returns
        -------
        float
        """
        if y is None:
            y = self.response(X, groups)
        return super().score(X, y, sample_weight, groups=groups, offset=offset)

    @available_if(_columns_of_their_own)
    def partial_fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, groups: Any = None
    ) -> MixedLinearRegressor:
        """Not there: columns made from other rows could mean something else."""
        raise NotImplementedError  # available_if has told why

    def _named(self, X: Any, groups: Any) -> Source:
        return Source.of(X, groups)
