"""How the columns of a model are made from the user's data, at fit and at predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from ....expressions import Span
from ..grammar import Command, Expression, Weight
from ._columns import Cell, Column, Layout
from ._data import Data, Labelled
from ._evaluate import evaluate
from ._series import Lag, Panel
from ._terms import Term

__all__ = ["Reader", "Recipe"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Recipe:
    """What a command makes of data.

    The levels of factors and their bases are those of the data the command was given
    with; other data get the same columns.

    Parameters
    ----------
    command : Command
    xtset : tuple or None
        Panel and time variable.
    names : dict
        Columns by the names that expressions use.
    target : Cell
    fixed, random : tuple of Column
        Columns of the fixed part, and of random coefficients.
    labels : tuple of str
        Variables that are handed on as they are: of levels, times, clusters.
    level_weights : dict
        Weights of groups by the names of their columns.
    known : dict
        Levels of the factors of which all are in the model.
    texts : dict
        Factors that are texts: the text of level 1, 2, ...
    layout : Layout
    reporting : dict
        Options of the command for ``summary``.
    notes : tuple of str
    offset : str or None
        Variable that is added to the linear predictor.
    terms : tuple of Term
        Of the fixed part.
    levels : dict
        Levels of every factor by name and operators.
    empty : tuple of tuple of Cell
        Products of the fixed part with levels that no row has together.
    """

    command: Command
    xtset: tuple[str | None, str] | None
    names: dict[str, str]
    target: Cell
    fixed: tuple[Column, ...]
    random: tuple[Column, ...]
    labels: tuple[str, ...]
    level_weights: dict[str, Weight]
    known: dict[str, tuple[int, ...]]
    texts: dict[str, tuple[str, ...]]
    layout: Layout
    reporting: dict[str, Any]
    notes: tuple[str, ...] = ()
    offset: str | None = None
    terms: tuple[Term, ...] = ()
    levels: dict[tuple[str, Lag], tuple[int, ...]] = field(default_factory=dict)
    empty: tuple[tuple[Cell, ...], ...] = ()

    def __deepcopy__(self, memo: dict) -> Recipe:
        return self

    def __repr__(self) -> str:
        return f"Recipe({' '.join(self.command.text.split())!r})"

    @property
    def lagged(self) -> list[str]:
        """Columns of the fixed part with time-series operators."""
        return [c.name for c in self.fixed if any(cell.lag for cell in c.cells)]

    def read(self, X: Any, groups: Any = None) -> Reader:
        """The recipe laid over data."""
        return Reader(self, Data(X, groups))


@dataclass(eq=False)
class Reader:
    """A recipe and data.

    Parameters
    ----------
    recipe : Recipe
    data : Data
    """

    recipe: Recipe
    data: Data
    _cells: dict[Cell, Array] = field(default_factory=dict)
    _codes: dict[str, Array] = field(default_factory=dict)
    _panel: Panel | None = None

    def fail(self, problem: str, hint: str = "", span: Span | None = None) -> NoReturn:
        """Raise the error of the command."""
        self.recipe.command.fail(problem, hint, span)

    # -- values ------------------------------------------------------------------

    def codes(self, name: str) -> Array:
        """Levels of a factor, texts numbered; 0 for a text that was not there."""
        if name not in self._codes:
            self._codes[name] = self._numbered(name)
        return self._codes[name]

    def _numbered(self, name: str) -> Array:
        texts = self.recipe.texts.get(name)
        if texts is None:
            numbers = self.data.numbers(name)
            if numbers is None:
                self.fail(f"{name!r} holds texts; it held numbers before.")
            assert numbers is not None
            return numbers
        values = self.data.values(name)
        found = values.texts if isinstance(values, Labelled) else values
        number = pd.Index(texts, dtype=object).get_indexer(pd.Index(found)) + 1.0
        return np.where(found == "", np.nan, number)

    def cell(self, cell: Cell) -> Array:
        """Values of one factor of a product."""
        if cell in self._cells:
            return self._cells[cell]
        if cell.name not in self.data.names:
            self.fail(
                f"The data have no column {cell.name!r}, which the command uses.",
                f"Their columns are {', '.join(self.data.names[:20])}.",
            )
        values: Array | None
        if cell.level is None:
            values = self.data.numbers(cell.name)
            if values is None:
                self.fail(f"{cell.name!r} holds texts.", "Write i. for a factor.")
        else:
            values = self.codes(cell.name)
        assert values is not None
        if cell.lag:
            values = self.panel().apply(values, cell.lag)
        if cell.level is not None:
            gone = np.isnan(values)
            if cell.name in self.recipe.known:
                gone |= ~np.isin(values, self.recipe.known[cell.name])
            values = np.where(gone, np.nan, values == cell.level)
        self._cells[cell] = values
        return values

    def panel(self) -> Panel:
        """Rows by panel and time."""
        if self._panel is None:
            if self.recipe.xtset is None:
                self.fail(
                    "Time-series operators need the time.",
                    'Pass xtset=("panel", "time") or xtset="time".',
                )
            assert self.recipe.xtset is not None
            for name in self.recipe.xtset:
                if name is not None and name not in self.data.names:
                    self.fail(f"xtset names {name!r}, which is no column of the data.")
            try:
                self._panel = Panel(self.data, *self.recipe.xtset)
            except ValueError as error:
                self.fail(str(error))
        assert self._panel is not None
        return self._panel

    def column(self, column: Column) -> Array:
        """Values of a column: a product."""
        out = self.cell(column.cells[0])
        for cell in column.cells[1:]:
            out = out * self.cell(cell)
        return out

    def _columns(self, columns: Sequence[Column]) -> Array:
        values = [self.column(c) for c in columns]
        return np.column_stack(values) if values else np.zeros((self.data.n_rows, 0))

    def fixed(self) -> Array:
        """Columns of the fixed part."""
        return self._columns(self.recipe.fixed)

    def empty(self) -> Array:
        """What rows have of combinations of levels that no row of the fit had."""
        return self._columns(self.recipe.layout.empty)

    def variables(self) -> tuple[dict[str, Array | Labelled], set[str]]:
        """Values of the fixed part's variables, and which of them are factors."""
        cells = [
            cell
            for column in (*self.recipe.fixed, *self.recipe.layout.empty)
            for cell in column.cells
        ]
        factors = {cell.name for cell in cells if cell.level is not None}
        names = dict.fromkeys(cell.name for cell in cells)
        return {name: self.data.values(name) for name in names}, factors

    def expression(self, expression: Expression) -> Array:
        """Values of an expression."""
        return evaluate(expression, self.data, self.fail, self.recipe.names)

    # -- what a fit needs --------------------------------------------------------

    def response(self) -> Array:
        """The response of every row."""
        return self.cell(self.recipe.target)

    def weights(self) -> Array | None:
        """Weights of the observations, nan where missing; None without."""
        weight = self.recipe.command.weight
        return None if weight is None else self.weight(weight)

    def has_weights(self) -> bool:
        """Whether the data have the variables of the weights of observations."""
        weight = self.recipe.command.weight
        if weight is None:
            return False
        used = (v.name for v in weight.expression.variables())
        names = (self.recipe.names.get(name, name) for name in used)
        return all(name in (*self.data.names, "_n", "_N") for name in names)

    def weight_scale(self, used: Array) -> float:
        """What weights are multiplied by; precision weights then have the mean one.

        Parameters
        ----------
        used : ndarray of bool
            Rows that enter the fit.
        """
        weight = self.recipe.command.weight
        if weight is None or weight.kind != "precision":
            return 1.0
        return float(1.0 / self.weight(weight)[used].mean())

    def offset(self) -> Array | None:
        """The offset of every row, nan where missing; None without."""
        name = self.recipe.offset
        return None if name is None else self.cell(Cell(name))

    def weight(self, weight: Weight) -> Array:
        """Values of weights.

        Raises
        ------
        CommandError
            If they are negative, or frequencies that are no whole numbers.
        """
        values = np.asarray(self.expression(weight.expression))
        if values.dtype.kind == "O":
            self.fail("Weights must be numbers.", "", weight.span)
        if (values < 0).any():
            self.fail("There are negative weights.", "", weight.span)
        known = values[~np.isnan(values)]
        if weight.kind == "frequency" and (known != np.floor(known)).any():
            self.fail(
                "Frequency weights must be whole numbers.",
                "For sampling weights write pw or pweight().",
                weight.span,
            )
        return values

    def selected(self) -> Array:
        """Rows that ``if`` and ``in`` select."""
        command, n = self.recipe.command, self.data.n_rows
        keep = np.ones(n, dtype=bool)
        if command.condition is not None:
            values = self.expression(command.condition)
            if values.dtype.kind == "O":
                self.fail(
                    "The condition is a text, it must be true or false.",
                    "",
                    getattr(command.condition, "span", None),
                )
            keep &= values != 0
        if command.rows is not None:
            ends = [
                k if k > 0 else n + 1 + k
                for k in (command.rows.first, command.rows.last)
            ]
            if not 1 <= ends[0] <= ends[1] <= n:
                self.fail(
                    "The rows are out of range.",
                    f"The data have {n} rows.",
                    command.rows.span,
                )
            keep[: ends[0] - 1] = False
            keep[ends[1] :] = False
        return keep

    def sample(self, y: Array | None = None) -> Array:
        """Rows that enter the fit: selected, and nothing missing.

        Parameters
        ----------
        y : ndarray, default=None
            The response, if it is not the command's.
        """
        recipe = self.recipe
        keep = self.selected()
        keep &= ~np.isnan(self.response() if y is None else y)
        for column in (*recipe.fixed, *recipe.random):
            for cell in column.cells:
                keep &= ~np.isnan(self.cell(cell))
        for name in recipe.labels:
            keep &= ~self.data.missing(name)
        for weight in (recipe.command.weight, *recipe.level_weights.values()):
            if weight is not None:
                keep &= self.weight(weight) > 0
        offset = self.offset()
        if offset is not None:
            keep &= ~np.isnan(offset)
        return keep

    def table(self, *, fitting: bool = True) -> pd.DataFrame:
        """Columns of the model.

        Parameters
        ----------
        fitting : bool
            Otherwise labels and weights may be absent and are then missing.
        """
        recipe = self.recipe
        out: dict[str, Any] = {
            c.name: self.column(c) for c in (*recipe.fixed, *recipe.random)
        }
        for name in recipe.labels:
            if name in out:
                continue
            if fitting or name in self.data.names:
                values = self.data.labels(name)
                if values is None:
                    self.fail(f"The data have no column {name!r}.")
                out[name] = values
            else:
                out[name] = np.full(self.data.n_rows, np.nan)
        for name, weight in recipe.level_weights.items():
            if name not in out:
                out[name] = (
                    self.weight(weight)
                    if fitting
                    else np.full(self.data.n_rows, np.nan)
                )
        if recipe.offset is not None:
            out[recipe.offset] = self.offset()
        return pd.DataFrame(out, index=pd.RangeIndex(self.data.n_rows))
