"""What a formula may say: nothing of a user's text is run before it has been looked through.

formulaic evaluates calls, braces and other Python in a formula.  A formula often comes
from a form or a file, so each such piece is parsed first, and refused unless it is made
of the data's names, numbers, texts, operators and listed functions.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from ._error import FormulaError
from ._parser import ParsedFormula

__all__ = ["BARE", "check_formula", "check_functions", "check_terms"]

#: formulaic's transforms and contrasts, by the names under which it has them
TRANSFORMS = frozenset(
    "log log10 log2 exp exp10 exp2 bs cc cr cs center lag poly scale C I hashed "
    "standardize Q Treatment Poly Sum Helmert Diff".split()
)
CONTRASTS = frozenset("treatment SAS sum helmert diff poly custom".split())
#: numpy's functions that may be called, with how many arguments; a further one would be
#: where the result is written to
NUMPY = {
    name: function.nin
    for name, function in vars(np).items()
    if isinstance(function, np.ufunc)
} | {"where": 3, "clip": 3, "round": 2}
CONSTANTS = frozenset(("pi", "e", "nan", "inf"))
#: those that may be called without "np." too
BARE: dict[str, Callable[..., Any]] = {
    name: getattr(np, name)
    for name in (
        "sqrt cbrt abs sign floor ceil log1p expm1 sin cos tan arcsin arccos arctan sinh "
        "cosh tanh arcsinh arccosh arctanh"
    ).split()
}
#: characters of a formula, nodes in one piece of it, and the largest whole number that an
#: argument or an exponent of terms may be
LONGEST, MOST_NODES, LARGEST, DEGREE = 20_000, 2_000, 10_000, 20
_QUOTED = re.compile(r"`[^`]*`")
_OPERATORS = (
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.Div,
    ast.FloorDiv,
    ast.Mod,
    ast.Pow,
    ast.BitAnd,
    ast.BitOr,
    ast.BitXor,
    ast.Invert,
    ast.Not,
    ast.UAdd,
    ast.USub,
    ast.And,
    ast.Or,
    ast.Eq,
    ast.NotEq,
    ast.Lt,
    ast.LtE,
    ast.Gt,
    ast.GtE,
    ast.In,
    ast.NotIn,
)


def check_functions(functions: Any) -> dict[str, Callable[..., Any]]:
    """The user's own functions, by the names that formulas call them by.

    Raises
    ------
    TypeError
        If it is no dict of names and functions.
    ValueError
        If a name is formulaic's or numpy's.
    """
    if functions is None:
        return {}
    if not isinstance(functions, Mapping) or not all(
        isinstance(name, str) and name.isidentifier() and callable(function)
        for name, function in functions.items()
    ):
        raise TypeError(
            "functions must be a dict of names and functions, such as "
            f"{{'stretch': stretch}}; got {functions!r}."
        )
    words = {"np", "contr", "residuals", "offset"}
    taken = sorted(set(functions) & (TRANSFORMS | set(BARE) | words))
    if taken:
        raise ValueError(
            f"functions gives {taken[0]!r}, which formulas have already; choose another "
            "name."
        )
    return dict(functions)


def check_formula(parsed: ParsedFormula, columns: Collection[str]) -> None:
    """Refuse what a formula may not say, before any part of it is evaluated.

    Parameters
    ----------
    parsed : ParsedFormula
    columns : collection of str
        Names of the data.

    Raises
    ------
    FormulaError
        With the place marked.
    """
    for part in parsed.parts:
        check_terms(part, parsed, columns)


def check_terms(terms: str, parsed: ParsedFormula, columns: Collection[str]) -> None:
    """The same of one part of it, in formulaic's notation."""
    from formulaic.errors import FormulaSyntaxError
    from formulaic.parser import DefaultFormulaParser

    if len(parsed.text) > LONGEST:
        raise FormulaError(
            f"The formula has {len(parsed.text)} characters; {LONGEST} are allowed.",
            parsed.text[:80],
        )
    try:
        pieces = list(DefaultFormulaParser().get_tokens(terms))
    except FormulaSyntaxError:
        return  # formulaic says what is wrong with it
    except (SyntaxError, RecursionError, MemoryError) as error:
        wrong = (getattr(error, "text", None) or "").strip()
        at = parsed.text.find(wrong) if wrong else -1
        span = (at, at + len(wrong)) if at >= 0 else None
        raise FormulaError("This cannot be read.", parsed.text, span) from None
    power = False
    for piece in pieces:
        kind, word = piece.kind.value, str(piece)
        if kind == "python":
            _Piece(piece, terms, parsed, columns).check()
        elif kind == "value" and power and word.isdigit() and int(word) > DEGREE:
            at = parsed.text.find(word)
            raise FormulaError(
                f"Terms may be raised to at most {DEGREE}.",
                parsed.text,
                (at, at + len(word)),
            )
        power = kind == "operator" and word in ("**", "^")


@dataclass(frozen=True, eq=False)
class _Piece:
    """One piece that formulaic would evaluate."""

    token: Any
    terms: str
    parsed: ParsedFormula
    columns: Collection[str]

    @property
    def source(self) -> str:
        """As it stands in the terms."""
        start, end = self.token.source_start, self.token.source_end
        if start is None or end is None:
            return str(self.token)
        return self.terms[start : end + 1]

    def check(self) -> None:
        """Look through all of it."""
        text = _QUOTED.sub(lambda found: "_" * len(found.group()), str(self.token))
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            self._refuse(None, "This cannot be read.")
        if sum(1 for _ in ast.walk(tree)) > MOST_NODES:
            self._refuse(None, "This is too long for a formula.")
        try:
            self._expression(tree)
        except RecursionError:
            self._refuse(None, "This is nested too deeply for a formula.")

    def _refuse(self, node: ast.expr | None, problem: str, hint: str = "") -> NoReturn:
        """Marks the node in the formula, or the whole piece."""
        source, text = self.source, str(self.token)
        wanted = source
        if node is not None:
            wanted = text.strip()[node.col_offset : node.end_col_offset]
        whole = self.parsed.text
        base = max(whole.find(source), 0)
        # formulaic writes spaces of its own
        loose = r"\s*".join(map(re.escape, re.sub(r"\s+", "", wanted)))
        found = re.compile(loose).search(whole, base)
        raise FormulaError(
            problem,
            whole,
            (base, base + len(source)) if found is None else found.span(),
            hint
            or "A formula may have names of the data, numbers, operators and functions "
            f"such as log(x), np.sqrt(x), {', '.join(sorted(TRANSFORMS - {'Q'}))[:60]}...; "
            "give functions of your own by functions={'name': function}.",
        )

    def _expression(self, node: ast.expr) -> None:
        match node:
            case ast.Constant(value=str() | bool() | int() | float() | None):
                return
            case ast.Name(id=word):
                self._name(node, word)
            case ast.Attribute(value=ast.Name(id="np"), attr=word) if (
                word in CONSTANTS and "np" not in self.columns
            ):
                return
            case ast.Attribute(value=ast.Name(id="contr"), attr=word) if (
                word in CONTRASTS and "contr" not in self.columns
            ):
                return
            case ast.Call():
                self._call(node)
            case ast.UnaryOp(op=op, operand=inner) if isinstance(op, _OPERATORS):
                self._expression(inner)
            case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _OPERATORS):
                self._arithmetic(node, left, op, right)
            case ast.BoolOp(values=values):
                for value in values:
                    self._expression(value)
            case ast.Compare(left=left, ops=ops, comparators=others) if all(
                isinstance(op, _OPERATORS) for op in ops
            ):
                for value in (left, *others):
                    self._expression(value)
            case ast.List(elts=values) | ast.Tuple(elts=values):
                for value in values:
                    self._expression(value)
            case ast.Dict(keys=keys, values=values) if all(k is not None for k in keys):
                for item in (*keys, *values):
                    if item is not None:
                        self._expression(item)
            case ast.Attribute():
                self._refuse(node, "A formula may not look inside an object.")
            case _:
                self._refuse(node, "This is not allowed in a formula.")

    def _name(self, node: ast.expr, word: str) -> None:
        known = word in self.columns or not word.strip("_")
        if word.startswith("__") and not known:
            self._refuse(node, f"{word!r} is not allowed in a formula.")
        if not known and (hasattr(builtins, word) or word in ("np", "contr")):
            self._refuse(node, f"{word!r} is no variable of the data.")

    def _arithmetic(
        self, node: ast.expr, left: ast.expr, op: ast.AST, right: ast.expr
    ) -> None:
        names = any(isinstance(n, ast.Name | ast.Call) for n in ast.walk(node))
        if isinstance(op, ast.Pow) and not names:
            self._refuse(node, "A power of plain numbers is not allowed in a formula.")
        for side in (left, right):
            if isinstance(side, ast.List | ast.Tuple | ast.Dict) or (
                isinstance(side, ast.Constant) and isinstance(side.value, str)
            ):
                self._refuse(side, "Arithmetic is of numbers.")
            self._expression(side)

    def _call(self, node: ast.Call) -> None:
        most = None
        match node.func:
            case ast.Name(id=word) if (
                word in self.parsed.functions or word in TRANSFORMS
            ):
                pass
            case ast.Name(id=word) if word in BARE:
                most = NUMPY.get(word, NUMPY["absolute"])
            case ast.Attribute(value=ast.Name(id="np"), attr=word) if word in NUMPY:
                most = NUMPY[word]
            case ast.Attribute(value=ast.Name(id="contr"), attr=word) if (
                word in CONTRASTS
            ):
                pass
            case _:
                name = ast.unparse(node.func)
                self._refuse(
                    node.func, f"The function {name} is not allowed in a formula."
                )
        if any(isinstance(a, ast.Starred) for a in node.args) or any(
            k.arg is None for k in node.keywords
        ):
            self._refuse(node, "Arguments are written out in a formula.")
        if most is not None and (node.keywords or len(node.args) > most):
            self._refuse(
                node,
                f"{ast.unparse(node.func)} takes {most} "
                f"argument{'s' * (most > 1)} in a formula, without keywords.",
            )
        for value in (*node.args, *(k.value for k in node.keywords)):
            if isinstance(value, ast.Constant) and isinstance(value.value, int):
                if abs(value.value) > LARGEST and most is None:
                    self._refuse(
                        value, f"Whole numbers up to {LARGEST} are allowed here."
                    )
            self._expression(value)
