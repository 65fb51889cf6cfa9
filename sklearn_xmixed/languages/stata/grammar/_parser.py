"""The grammar of the command: from text to a tree."""

from __future__ import annotations

from itertools import pairwise

from ....expressions import Expression
from ._cursor import Cursor
from ._expressions import parse_expression
from ._options import parse_options
from ._random_factor import combined, read_factor
from ._syntax import (
    Command,
    EquationSyntax,
    Option,
    Pattern,
    Rows,
    Weight,
)
from ._varlist import parse_items, parse_name

__all__ = ["NAMES", "parse"]

NAMES = ("xtmixed", "xmixed", "mixed")
_QUIET = {"quietly": 3, "noisily": 1}
_PREFIXES = (
    "bootstrap",
    "bs",
    "by",
    "bysort",
    "jackknife",
    "mi",
    "nestreg",
    "permute",
    "rolling",
    "simulate",
    "statsby",
    "stepwise",
    "svy",
    "version",
    "xi",
)
_COMMANDS = (
    "clear,describe,drop,egen,estat,estimates,gen,generate,graph,gsem,keep,list,lrtest,"
    "margins,meglm,melogit,merge,predict,regress,replace,reshape,sort,summarize,"
    "tabulate,test,tsset,use,xtlogit,xtmelogit,xtreg,xtset"
).split(",")
#: spellings of the weights, by what they are
_WEIGHTS = {
    "fw": "frequency",
    "fweight": "frequency",
    "fweights": "frequency",
    "frequency": "frequency",
    "freq": "frequency",
    "pw": "sampling",
    "pweight": "sampling",
    "pweights": "sampling",
    "aw": "precision",
    "aweight": "precision",
    "aweights": "precision",
    "cellsize": "precision",
}
_OTHER_WEIGHTS = ("iw", "iweight", "w", "weight")
_WRITE_WEIGHTS = (
    "Write [fw=...] for frequency weights, [pw=...] for sampling weights or [aw=...] for "
    "precision weights."
)


def parse(text: str) -> Command:
    """Read a command.

    Parameters
    ----------
    text : str
        ``weight week || id: week, covariance(unstructured)``, with or without the
        name of the command before it.

    Returns
    -------
    Command

    Raises
    ------
    TypeError
        If it is not text.
    CommandError
        If it is no command; shows the place and says what was expected.

    Examples
    --------
    >>> from sklearn_xmixed.stata import parse
    >>> command = parse("weight week || id: week, cov(un) var")
    >>> command.equations[0].options, command.options
    ((Option(name='covariance', value='unstructured'),), (Option(name='variance', \
value=True),))
    """
    if not isinstance(text, str):
        raise TypeError(f"A command is a text, got {type(text).__name__}.")
    cursor = Cursor(text)
    name, quietly = _head(cursor)
    if cursor.now.kind == "end":
        cursor.fail(
            "The command is empty.", "It begins with the response: weight week || id:"
        )
    if cursor.sees(","):
        cursor.fail(
            "The response is missing.",
            "To see results again in another form, call summary() of the fitted model.",
        )
    parts = _parenthesised(cursor) if cursor.sees("(") else _separated(cursor)
    fixed, equations, common = parts
    if cursor.now.kind != "end":
        cursor.fail(f"{cursor.found()} is not expected here.")
    options = _once(cursor, common)
    return Command(
        text=text,
        name=name,
        quietly=quietly,
        equations=equations,
        options=options,
        **fixed,
    )


def _head(cursor: Cursor) -> tuple[str, bool]:
    """Prefixes and the name of the command."""
    quietly = False
    while cursor.now.kind == "name":
        word = cursor.now.text
        full = next(
            (p for p, n in _QUIET.items() if p.startswith(word) and len(word) >= n),
            None,
        )
        following = cursor.ahead()
        colon = following.text == ":"
        command = following.kind == "name" or (colon and cursor.ahead(2).kind == "name")
        if full and command and _names_a_command(cursor, 2 if colon else 1):
            quietly = full != "noisily"
            cursor.at += 2 if colon else 1
            continue
        if word in ("cap", "capture") and _names_a_command(cursor, 1 + colon):
            cursor.fail(
                "The prefix capture is not understood.", "Catch the error with try."
            )
        if word in _PREFIXES and _colon_before_command(cursor):
            cursor.fail(
                f"The prefix {word} is not understood.",
                "Prefix commands are functions here, of a fitted model or of the data.",
            )
        break
    if cursor.now.kind == "name" and cursor.now.text in NAMES:
        return cursor.advance().text, quietly
    if (
        cursor.now.kind == "name"
        and cursor.now.text in _COMMANDS
        and cursor.ahead().kind in ("name", "end")
    ):
        _note_command(cursor)
    return "xtmixed", quietly


def _names_a_command(cursor: Cursor, steps: int) -> bool:
    token = cursor.ahead(steps)
    return token.kind == "name" and (
        token.text in NAMES
        or any(
            p.startswith(token.text) and len(token.text) >= n for p, n in _QUIET.items()
        )
    )


def _colon_before_command(cursor: Cursor) -> bool:
    """Whether ``prefix ...:`` precedes the name of the command."""
    texts = [t.text for t in cursor.tokens[cursor.at :]]
    return ":" in texts and any(a == ":" and b in NAMES for a, b in pairwise(texts))


def _note_command(cursor: Cursor) -> None:
    """Other commands would else be taken for the response."""
    # a response may have such a name; only then is there an equation after it
    if any(t.text == "||" for t in cursor.tokens):
        return
    cursor.fail(
        f"{cursor.now.text} is another command.",
        f"Only {', '.join(NAMES)} are understood here.",
    )


Parts = tuple[dict, tuple[EquationSyntax, ...], list[Option]]


def _separated(cursor: Cursor) -> Parts:
    """``fixed || equation || equation``."""
    fixed, common = _fixed(cursor)
    equations = []
    while cursor.take("||"):
        equation, more = _equation(cursor)
        equations.append(equation)
        common += more
    return fixed, tuple(equations), common


def _parenthesised(cursor: Cursor) -> Parts:
    """``(fixed) (equation) (equation), options``."""
    cursor.expect("(")
    fixed, common = _fixed(cursor)
    cursor.expect(")", "the fixed part")
    equations = []
    while cursor.sees("(", "||"):
        cursor.take("||")
        cursor.expect("(")
        equation, more = _equation(cursor)
        cursor.expect(")", "the equation")
        equations.append(equation)
        common += more
    if cursor.take(","):
        _, more_options = parse_options(cursor, only_command=True)
        common += more_options
    return fixed, tuple(equations), common


def _once(cursor: Cursor, options: list[Option]) -> tuple[Option, ...]:
    seen: set[str] = set()
    for option in options:
        if option.name in seen:
            cursor.fail(f"The option {option.name} is given twice.", "", option.span)
        seen.add(option.name)
    return tuple(options)


def _fixed(cursor: Cursor) -> tuple[dict, list[Option]]:
    """The response, the fixed part, ``if``, ``in``, weights, options."""
    if cursor.sees_name("if", "in") or cursor.sees("[", "||"):
        cursor.fail(
            f"The response is expected here, found {cursor.found()}.",
            "A command begins with it: weight week || id:",
        )
    first = parse_items(cursor, until=("if", "in"))
    if not first:
        cursor.fail(f"The response is expected here, found {cursor.found()}.")
    target, *items = first
    if cursor.sees(":"):
        cursor.fail(
            "A colon stands in random-effects equations only.",
            "They begin with ||, as in weight week || id: week",
        )
    condition: Expression | None = None
    condition_text = ""
    rows: Rows | None = None
    weight: Weight | None = None
    while True:
        here = cursor.now
        if cursor.sees_name("if"):
            cursor.advance()
            if condition is not None:
                cursor.fail("if is given twice.", "Join conditions by &.", here.span)
            since = cursor.at
            condition = parse_expression(cursor)
            condition_text = cursor.written(since)
        elif cursor.sees_name("in"):
            cursor.advance()
            if rows is not None:
                cursor.fail("in is given twice.", "", here.span)
            rows = _rows(cursor, here.start)
        elif cursor.sees("["):
            found = _weight(cursor)
            if weight is not None:
                cursor.fail("Weights are given twice.", "", found.span)
            weight = found
        else:
            break
    own: tuple[Option, ...] = ()
    common: tuple[Option, ...] = ()
    if cursor.take(","):
        own, common = parse_options(cursor, fixed=True)
    elif cursor.now.kind != "end" and not cursor.sees("||", ")"):
        cursor.fail(
            f"{cursor.found()} is not expected here.",
            "After the variables come if, in, weights, a comma, or ||.",
        )
    return {
        "target": target,
        "items": tuple(items),
        "constant": not own,
        "condition": condition,
        "condition_text": condition_text,
        "rows": rows,
        "weight": weight,
    }, list(common)


def _rows(cursor: Cursor, start: int) -> Rows:
    first = _row_number(cursor)
    last = first
    if cursor.take("/"):
        last = _row_number(cursor)
    span = cursor.span_from(start)
    if (first > 0) == (last > 0) and last < first:
        cursor.fail("The last row comes before the first.", "As in: in 1/100", span)
    return Rows(first, last, span)


def _row_number(cursor: Cursor) -> int:
    token = cursor.now
    if token.kind == "name" and token.text in ("f", "F", "l", "L"):
        cursor.advance()
        return 1 if token.text in "fF" else -1
    sign = -1 if cursor.take("-") else 1
    number = cursor.now
    if number.kind != "number" or not number.text.isdigit() or len(number.text) > 12:
        cursor.fail(
            f"The number of a row is expected here, found {cursor.found()}.",
            "As in: in 1/100, in f/50, in -20/l",
        )
    cursor.advance()
    if int(number.text) == 0:
        cursor.fail("Rows are numbered from 1.", "", number.span)
    return sign * int(number.text)


def _weight(cursor: Cursor) -> Weight:
    start = cursor.expect("[").start
    token = cursor.now
    word = token.text
    if word in _OTHER_WEIGHTS:
        cursor.fail(
            f"Weights of the kind {word} are not allowed.",
            _WRITE_WEIGHTS,
        )
    if token.kind != "name" or word not in _WEIGHTS:
        cursor.fail(
            f"The kind of the weights is expected here, found {cursor.found()}.",
            _WRITE_WEIGHTS,
        )
    cursor.advance()
    if not cursor.sees("="):
        cursor.fail(
            f"'=' is expected here, found {cursor.found()}.", "As in [pw=w1/w2]"
        )
    cursor.advance()
    since = cursor.at
    expression = parse_expression(cursor)
    text = cursor.written(since)
    cursor.expect("]", "the weights")
    return Weight(_WEIGHTS[word], expression, text, cursor.span_from(start))


def _equation(cursor: Cursor) -> tuple[EquationSyntax, list[Option]]:
    """``levelvar: variables, options``."""
    start = cursor.now.start
    if cursor.sees(":"):
        cursor.fail(
            "The variable with the groups is missing.",
            "An equation is levelvar: variables, or _all: R.variable",
        )
    level = parse_name(cursor, "The variable with the groups")
    if cursor.sees("#", "##"):
        _refuse_product(cursor, level)
    if not cursor.sees(":"):
        cursor.fail(
            f"':' is expected after {level.text}, found {cursor.found()}.",
            "An equation is levelvar: variables, or _all: R.variable",
        )
    cursor.advance()
    items = parse_items(cursor, until=("if", "in"))
    if cursor.sees_name("if", "in") or cursor.sees("["):
        cursor.fail(
            "if, in and weights belong to the first equation.",
            "Write them before the first ||; weights of groups by fweight() or pweight().",
        )
    factor = read_factor(cursor, level, items)
    if factor is not None:
        items = ()
    own: tuple[Option, ...] = ()
    common: tuple[Option, ...] = ()
    if cursor.take(","):
        own, common = parse_options(cursor)
    elif cursor.now.kind != "end" and not cursor.sees("||", ")"):
        cursor.fail(
            f"A variable, a comma or || is expected here, found {cursor.found()}."
        )
    return (
        EquationSyntax(level, items, factor, own, cursor.span_from(start)),
        list(common),
    )


def _refuse_product(cursor: Cursor, level: Pattern) -> None:
    """``|| a#b:``, the groups of which are combinations."""
    names = [level.text]
    while cursor.take("#", "##"):
        names.append(parse_name(cursor, "A variable").text)
    cursor.fail(
        "The groups of a level are those of one variable, not an interaction.",
        "Groups within groups are levels one after another, "
        f"|| {' || '.join(f'{name}:' for name in names)}; for the combinations alone "
        f"number them, {combined(names)}, and write || {'_'.join(names)}:",
        cursor.span_from(level.span[0]),
    )
