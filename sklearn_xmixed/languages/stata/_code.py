"""A command as Python code without commands."""

from __future__ import annotations

from ...diagnostics.checks import code_of
from ._estimator import CommandRegressor
from .columns import Cell, Column, Recipe
from .grammar import Variable

__all__ = ["to_code"]


def to_code(estimator: CommandRegressor) -> str:
    """Code that makes the columns and fits the model, for a pandas frame ``data``.

    Parameters
    ----------
    estimator : CommandRegressor
        What ``xtmixed`` returned.

    Returns
    -------
    str
        Run with ``data`` defined it leaves the fitted ``MixedLinearRegressor`` in
        ``model``.

    Examples
    --------
    >>> from sklearn_xmixed import xtmixed
    >>> from sklearn_xmixed.datasets import load_sleepstudy
    >>> from sklearn_xmixed.stata import to_code
    >>> sleep = load_sleepstudy().frame
    >>> fit = xtmixed(
    ...     "reaction c.days##c.days if days > 0 || subject:, reml", sleep, show=False
    ... )
    >>> print(to_code(fit))
    from sklearn_xmixed import MixedLinearRegressor, RandomEffects
    from sklearn_xmixed.stata import generate
    <BLANKLINE>
    X = data.reset_index(drop=True)
    X["c.days#c.days"] = data["days"].to_numpy() * data["days"].to_numpy()
    X = X[generate("days > 0", data) != 0]
    <BLANKLINE>
    model = MixedLinearRegressor(
        [RandomEffects('subject', [])],
        method='reml',
        fixed=['days', 'c.days#c.days'],
        missing='drop',
    )
    model.fit(X, X["reaction"])
    """
    if not isinstance(estimator, CommandRegressor):
        raise TypeError(
            f"to_code takes what xtmixed returns, got {type(estimator).__name__}."
        )
    recipe = estimator._recipe()
    plain = estimator.to_estimator()
    body = ["X = data.reset_index(drop=True)"]
    for column in (*recipe.fixed, *recipe.random):
        if column.cells != (Cell(column.name),):
            body.append(f"X[{_text(column.name)}] = {_product(column, recipe)}")
    for name, weight in recipe.level_weights.items():
        if not isinstance(weight.expression, Variable):
            body.append(f"X[{_text(name)}] = {_generate(weight.text, recipe)}")
    target, lag = recipe.target.name, recipe.target.lag.text
    if lag:
        target = f"{lag}.{target}"
        body.append(f"X[{_text(target)}] = {_generate(target, recipe)}")
    of_rows = recipe.command.weight
    if of_rows is not None:
        scale = estimator._weight_scale
        times = "" if scale == 1.0 else f" * {scale!r}"
        body.append(
            f'X["weight of the row"] = {_generate(of_rows.text, recipe)}{times}'
        )
    body += _selection(recipe)
    names = ["MixedLinearRegressor"]
    if estimator.get_params(deep=False)["random_effects"]:
        names.append("RandomEffects")
    if estimator.residuals is not None:
        names.append("Residuals")
    head = [f"from sklearn_xmixed import {', '.join(names)}"]
    if any("generate(" in line for line in body):
        head.append("from sklearn_xmixed.stata import generate")
    row_weights = "" if of_rows is None else ', X["weight of the row"]'
    fit = f"model.fit(X, X[{_text(target)}]{row_weights})"
    return "\n".join([*head, "", *body, "", f"model = {code_of(plain)}", fit])


def _text(text: str) -> str:
    """A text in double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _generate(expression: str, recipe: Recipe) -> str:
    quoted = _text(expression)
    if recipe.xtset is None:
        return f"generate({quoted}, data)"
    panel, time = recipe.xtset
    names = _text(time) if panel is None else f"({_text(panel)}, {_text(time)})"
    return f"generate({quoted}, data, xtset={names})"


def _product(column: Column, recipe: Recipe) -> str:
    return " * ".join(_cell(cell, recipe) for cell in column.cells)


def _cell(cell: Cell, recipe: Recipe) -> str:
    """Values of one factor of a product; an indicator is missing where its factor is."""
    name = f"{cell.lag.text}.{cell.name}" if cell.lag else cell.name
    if cell.level is None:
        if cell.lag:
            return _generate(name, recipe)
        return f"data[{_text(name)}].to_numpy()"
    texts = recipe.texts.get(cell.name)
    if cell.lag:
        raise NotImplementedError(
            f"There is no code for the factor i.{name}; make a column of it first."
        )
    level = str(cell.level) if texts is None else _quoted(texts[cell.level - 1])
    return _generate(f"cond(missing({name}), ., {name} == {level})", recipe)


def _quoted(text: str) -> str:
    return f'"{text}"'


def _selection(recipe: Recipe) -> list[str]:
    command = recipe.command
    out = []
    if command.rows is not None:
        first, last = command.rows.first, command.rows.last
        begin = first - 1 if first > 0 else first
        end = last if last > 0 else (None if last == -1 else last + 1)
        out.append(f"X = X.iloc[{begin}:{'' if end is None else end}]")
    if command.condition is not None:
        chosen = f"{_generate(command.condition_text, recipe)} != 0"
        index = f"({chosen})[X.index]" if command.rows is not None else chosen
        out.append(f"X = X[{index}]")
    return out
