"""The ``random_effects`` of a fitted estimator: specification and predictions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import narwhals.stable.v2 as nw
import pandas as pd

from ..tables import Table

__all__ = ["GroupEffects", "RandomEffectsAccessor"]


class GroupEffects(dict):
    """Predicted random effects by equation, computed when they are looked at.

    A dict of frames in every respect, so that showing or completing an
    estimator costs nothing.

    Parameters
    ----------
    fitted : FittedModel
    """

    def __init__(self, fitted: Any):
        super().__init__((name, None) for name in fitted.equation_names)
        self._fitted = fitted

    def __getitem__(self, name: str) -> pd.DataFrame:
        if not dict.__contains__(self, name):
            raise KeyError(f"{name!r}; the equations are {list(self)}")
        if dict.__getitem__(self, name) is None:
            for key, frame in self._fitted.random_effects().items():
                dict.__setitem__(self, key, frame)
        return dict.__getitem__(self, name)

    def get(self, name: str, default: Any = None) -> Any:
        """Frame of an equation, or the default."""
        return self[name] if name in self else default

    def values(self) -> Any:
        """Frames of all equations."""
        return [self[name] for name in self]

    def items(self) -> Any:
        """Names and frames of all equations."""
        return [(name, self[name]) for name in self]

    def __repr__(self) -> str:
        return f"{type(self).__name__} of {list(self)}"

    def __reduce__(self) -> tuple:
        return dict, (self.items(),)


class RandomEffectsAccessor:
    """Stands for the specification and, called, predicts the random effects.

    The name ``random_effects`` is a constructor parameter, which
    scikit-learn keeps as an attribute, and a method as well.  Attributes,
    items, length, equality and the representation are those of the
    specification.

    Parameters
    ----------
    spec : object
        The ``random_effects`` parameter.
    fitted : FittedModel
    """

    def __init__(self, spec: Any, fitted: Any):
        self.spec = spec
        self._fitted = fitted

    def __call__(
        self,
        level: str | None = None,
        *,
        return_std: bool = False,
        fixed_known: bool | None = None,
        like: Any = None,
    ) -> Any:
        """Predicted random effects (BLUPs).

        Parameters
        ----------
        level : str, default=None
            Name of an equation; None for all of them.
        return_std : bool, default=False
            Whether to return standard errors too.
        fixed_known : bool, default=None
            Whether the standard errors take the fixed effects as known.  None does so
            under ML and includes their uncertainty under REML, as the
            manual's software does.
        like : table or data frame, default=None
            What kind of table the answer is: that of this one, a relation of DuckDB or a
            LazyFrame of polars say, with the labels as columns.

        Returns
        -------
        mean : DataFrame or dict of str to DataFrame
            One row per group, indexed by the path of labels; a table with ``like``.
        std : the same
            Only with ``return_std=True``; in units of the effects.

        Raises
        ------
        ValueError
            On an unknown level.
        TypeError
            If ``like`` is no table.
        """
        mean = self._pick(self._fitted.random_effects(), level, like)
        if not return_std:
            return mean
        std = self._fitted.random_effects(std=True, fixed_known=fixed_known)
        return mean, self._pick(std, level, like)

    @staticmethod
    def _pick(frames: dict[str, Any], level: str | None, like: Any) -> Any:
        if level is not None and level not in frames:
            raise ValueError(f"level must be one of {list(frames)}, got {level!r}.")
        wanted = frames if level is None else {level: frames[level]}
        if like is not None:
            wanted = {name: _as_table(frame, like) for name, frame in wanted.items()}
        return wanted if level is None else wanted[level]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "spec" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.spec, name)

    def __getitem__(self, item: Any) -> Any:
        return self.spec[item]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.spec)

    def __len__(self) -> int:
        return len(self.spec)

    def __bool__(self) -> bool:
        return bool(self.spec)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, RandomEffectsAccessor):
            other = other.spec
        return self.spec == other

    def __hash__(self) -> int:
        return hash(id(self.spec))

    def __repr__(self) -> str:
        return repr(self.spec)


def _as_table(frame: Any, like: Any) -> Any:
    """A frame by group as a table of the kind of another, labels as columns."""
    if not isinstance(frame, pd.DataFrame):
        return frame  # of groups on the workers of a cluster: a frame of Dask already
    columns = {str(name): own.to_numpy() for name, own in frame.reset_index().items()}
    table = None if isinstance(like, str) else Table.of(like)
    if table is not None:
        return table.lend(columns).to_native()
    try:
        kind = nw.from_native(like, eager_only=True).implementation
    except TypeError as error:
        raise TypeError(
            f"like is a {type(like).__name__}; a table or a data frame is wanted, whose "
            "kind the answer has: a relation of DuckDB, a polars.LazyFrame, a DataFrame."
        ) from error
    return nw.from_dict(columns, backend=kind).to_native()
