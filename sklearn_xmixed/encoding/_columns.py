"""The columns that an encoder reads: categories as integers, covariates as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from sklearn.preprocessing import OrdinalEncoder
from sklearn.utils import check_array

__all__ = ["Columns", "Roles", "columns_of"]

Array = np.ndarray

UNKNOWN, MISSING = -1, -2


def columns_of(X: Any) -> pd.DataFrame:
    """X by position, every column with the type it has.

    Missing values pass: they may be a category.
    """
    if isinstance(X, pd.DataFrame):
        return X.set_axis(range(X.shape[1]), axis=1)
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        return pd.DataFrame(
            {j: frame[name].to_numpy() for j, name in enumerate(frame.columns)}
        )
    array = check_array(X, dtype=None, ensure_all_finite="allow-nan")
    if not hasattr(X, "dtype") and array.dtype.kind == "U":
        array = check_array(X, dtype=object, ensure_all_finite="allow-nan")
    return pd.DataFrame(array)


@dataclass(frozen=True)
class Roles:
    """Which columns are categories, and which are covariates."""

    names: tuple[str, ...]
    labels: tuple[str, ...]
    fixed: tuple[str, ...]

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        labels: Sequence[str] | None,
        fixed: Sequence[str] | None,
        slopes: Sequence[str],
    ) -> Roles:
        """Roles of the columns called ``names``.

        Parameters
        ----------
        names : sequence of str
            All of them.
        labels : sequence of str or None
            The categories; None is all that ``fixed`` does not name.
        fixed : sequence of str or None
            The covariates of the fixed part; None is all that are no categories.
        slopes : sequence of str
            Covariates whose coefficients vary.

        Raises
        ------
        ValueError
            On names that are no columns, and on columns without a role.
        """
        if labels is None:
            labels = [name for name in names if name not in (fixed or ())]
        if fixed is None:
            fixed = [name for name in names if name not in labels]
        asked = [*labels, *fixed, *slopes]
        unknown = sorted(set(asked) - set(names))
        if unknown:
            raise ValueError(
                f"{unknown} are named by random_effects or fixed and are no columns of "
                f"X, whose columns are {list(names)}. Correct the names; the columns of "
                "an array are called x0, x1 and so on."
            )
        both = sorted(set(labels) & {*fixed, *slopes})
        if both:
            raise ValueError(
                f"{both} are named as categories and as numbers. A column can be one of "
                "them: take them out of fixed and of the equations' columns, or out of "
                "the groups and factors."
            )
        idle = [name for name in names if name not in asked]
        if idle:
            raise ValueError(
                f"The columns {idle} are neither categories (groups and factors of "
                "random_effects) nor covariates (fixed). Name them there, or leave them "
                "out: a ColumnTransformer hands on the columns that are listed."
            )
        if not labels:
            raise ValueError(
                f"There is no category to encode: all of {list(names)} are named by "
                "fixed. Leave those out of fixed that are categories."
            )
        ordered = tuple(name for name in names if name in labels)
        numbers = tuple(name for name in names if name not in labels)
        return cls(tuple(names), ordered, tuple(f for f in numbers if f in fixed))

    @property
    def numbers(self) -> tuple[str, ...]:
        """All covariates, those with varying coefficients included."""
        return tuple(name for name in self.names if name not in self.labels)


@dataclass(frozen=True)
class Columns:
    """Reads new rows as those of the training data were read."""

    roles: Roles
    coder: OrdinalEncoder

    @classmethod
    def learn(cls, X: pd.DataFrame, roles: Roles) -> Columns:
        """The categories that occur, missing values among them."""
        coder = OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=UNKNOWN,
            encoded_missing_value=MISSING,
            dtype=np.int64,
        )
        coder.fit(_part(X, roles.names, roles.labels))
        return cls(roles, coder)

    @property
    def categories(self) -> list[Array]:
        """Of every column of categories."""
        return list(self.coder.categories_)

    def read(self, X: pd.DataFrame) -> pd.DataFrame:
        """Positions of categories, -1 for those not seen, and covariates."""
        roles = self.roles
        codes = self.coder.transform(_part(X, roles.names, roles.labels))
        for j, categories in enumerate(self.categories):
            # a missing value is the last category
            codes[codes[:, j] == MISSING, j] = len(categories) - 1
        out = pd.DataFrame(codes, columns=list(roles.labels))
        if roles.numbers:
            out[list(roles.numbers)] = self._covariates(X)
        return out

    def _covariates(self, X: pd.DataFrame) -> Array:
        names = self.roles.numbers
        try:
            values = _part(X, self.roles.names, names).to_numpy(dtype=float)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"The covariates {list(names)} must be numbers, and one of them is not "
                f"({error}). Encode it before, or name it as a group in random_effects."
            ) from error
        return check_array(values, input_name="X")


def _part(X: pd.DataFrame, names: Sequence[str], chosen: Sequence[str]) -> pd.DataFrame:
    place = {name: j for j, name in enumerate(names)}
    return X.iloc[:, [place[name] for name in chosen]]
