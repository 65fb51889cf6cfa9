"""Tables of lines: what they become, what is wrong with them, what expressions are."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from sklearn_xmixed.exceptions import CommandError
from sklearn_xmixed.languages.stata.grammar._option_rules import RULES
from sklearn_xmixed.stata import generate, parse
from tests.command_frame import DATA, XTSET, described

HERE = Path(__file__).resolve().parent


def blocks(name, size):
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    assert len(lines) % size == 0
    return [
        (lines[k].replace("\\n", "\n"), *(part[4:] for part in lines[k + 1 : k + size]))
        for k in range(0, len(lines), size)
    ]


ACCEPTED = blocks("command_accepted.txt", 2)
REJECTED = blocks("command_rejected.txt", 3)

# every abbreviation from the shortest to the whole word, with what it must become
OPTIONS = [
    # shortest, rest, argument, what "described" then says
    ("cov", "ariance", "(un)", "y ~ x | g: x 1 unstructured"),
    ("nocons", "tant", "", "y ~ x | g: x"),
    ("coll", "inear", "", "y ~ x | g: x 1 collinear"),
    ("fw", "eight", "(w)", "y ~ x | g: x 1 weight=w"),
    ("pw", "eight", "(w)", "y ~ x | g: x 1 weight=w; weight_type=sampling"),
    ("ml", "e", "", "y ~ x | g: x 1"),
    ("reml", "", "", "y ~ x | g: x 1; method=reml"),
    ("r", "esiduals", "(ex)", "y ~ x | g: x 1; exchangeable"),
    ("vce", "", "(robust)", "y ~ x | g: x 1; vce=robust"),
    ("off", "set", "(z)", "y ~ x | g: x 1; offset=z"),
    ("l", "evel", "(90)", "y ~ x | g: x 1; show confidence_level=0.9"),
    ("v", "ariance", "", "y ~ x | g: x 1; show metric=variance"),
    ("noret", "able", "", "y ~ x | g: x 1; show random_table=False"),
    ("nofet", "able", "", "y ~ x | g: x 1; show fixed_table=False"),
    ("estm", "etric", "", "y ~ x | g: x 1; show metric=estimation"),
    ("nohead", "er", "", "y ~ x | g: x 1; show header=False"),
    ("nogr", "oup", "", "y ~ x | g: x 1; show group_table=False"),
    ("nostd", "err", "", "y ~ x | g: x 1; std_errors=False"),
    ("nolr", "test", "", "y ~ x | g: x 1; lr_test=False"),
    ("coefl", "egend", "", "y ~ x | g: x 1; show coef_legend=True"),
    ("emiter", "ate", "(7)", "y ~ x | g: x 1; em_iter=7"),
    ("emtol", "erance", "(.1)", "y ~ x | g: x 1; em_tol=0.1"),
    ("emonly", "", "", "y ~ x | g: x 1; em_only=True"),
    ("emdot", "s", "", "y ~ x | g: x 1; note emdots"),
    ("diff", "icult", "", "y ~ x | g: x 1; note difficult"),
    ("tech", "nique", "(bfgs)", "y ~ x | g: x 1; solver=lbfgs"),
    ("iter", "ate", "(9)", "y ~ x | g: x 1; max_iter=9"),
    ("tol", "erance", "(1e-3)", "y ~ x | g: x 1; note tolerance"),
    ("ltol", "erance", "(1e-3)", "y ~ x | g: x 1; note ltolerance"),
    ("nrtol", "erance", "(1e-3)", "y ~ x | g: x 1; tol=0.001"),
    ("nonrtol", "erance", "", "y ~ x | g: x 1; note nonrtolerance"),
    ("tr", "ace", "", "y ~ x | g: x 1; note trace"),
    ("grad", "ient", "", "y ~ x | g: x 1; note gradient"),
    ("showstep", "", "", "y ~ x | g: x 1; note showstep"),
    ("hess", "ian", "", "y ~ x | g: x 1; note hessian"),
    ("showtol", "erance", "", "y ~ x | g: x 1; note showtolerance"),
    ("matlog", "", "", "y ~ x | g: x 1; parameterization=matlog"),
    ("base", "levels", "", "y ~ x | g: x 1; show base_levels=True"),
]


@pytest.mark.parametrize(("line", "expected"), ACCEPTED)
def test_what_a_line_becomes(line, expected):
    assert described(line) == expected.removeprefix("=> ")


@pytest.mark.parametrize(("line", "marked", "problem"), REJECTED)
def test_what_is_wrong_with_a_line(line, marked, problem):
    with pytest.raises(CommandError) as caught:
        described(line)
    error = caught.value
    assert error.problem == problem
    if marked == "<no>":
        assert error.span is None
        return
    found = line[slice(*error.span)]
    assert (found or "<end>") == marked
    shown = str(error).splitlines()
    caret = next(k for k, part in enumerate(shown) if part.strip("^ ") == "" and part)
    assert shown[caret].count("^") == max(1, len(found))
    start = error.span[0] - (line.rfind("\n", 0, error.span[0]) + 1)
    assert shown[caret].index("^") == 4 + start


def test_an_empty_command():
    for line in ("", "   ", "\n", "xtmixed"):
        with pytest.raises(CommandError, match="The command is empty"):
            described(line)
    with pytest.raises(TypeError, match="A command is a text, got int"):
        parse(3)


@pytest.mark.parametrize(("least", "rest", "argument", "expected"), OPTIONS)
def test_every_abbreviation_of_an_option(least, rest, argument, expected):
    for k in range(len(rest) + 1):
        word = least + rest[:k]
        assert described(f"y x || g: x, {word}{argument}") == expected
    shorter = least[:-1]
    if shorter:
        try:
            found = described(f"y x || g: x, {shorter}{argument}")
        except CommandError:
            return
        assert found != expected  # another option's abbreviation


def test_both_spellings_of_noretable():
    """The manual's table of options and its text differ."""
    shown = "y ~ x | g: x 1; show random_table=False"
    for word in ("norett", "norettab", "norettable", "noretable"):
        assert described(f"y x || g: x, {word}") == shown


def test_no_abbreviation_has_two_meanings():
    words = {
        rule.name[:k]
        for rule in RULES
        for k in range(1, len(rule.name) + 1)
        if rule.name[:k].upper() == rule.spelling[:k] or k == len(rule.name)
    }
    for word in words:
        meant = [
            rule.name
            for rule in RULES
            if rule.name.startswith(word)
            and len(word) >= sum(c.isupper() for c in rule.spelling)
        ]
        assert len(meant) <= 1 or word == meant[0], (word, meant)


def test_structures_may_be_abbreviated():
    for words, full in (
        ("ind indep independent", "independent"),
        ("ex exch exchangeable", "exchangeable"),
        ("id iden identity", "identity"),
        ("un unstr unstructured", "unstructured"),
    ):
        for word in words.split():
            line = f"y x || g: x, covariance({word})"
            assert described(line) == f"y ~ x | g: x 1 {full}"


# -- expressions: each beside what pandas and numpy say -----------------------------

x, z, f = DATA["x"], DATA["z"], DATA["f"]
s, k = DATA["s"], DATA["k"]
#: the missing value is larger than all numbers
high = z.fillna(np.inf)
EXPRESSIONS = [
    ("x", x),
    ("-x", -x),
    ("+x", x),
    ("x + z", x + z),
    ("x - z - 1", x - z - 1),
    ("x * 2 / 4", x * 2 / 4),
    ("x - z * 2", x - z * 2),
    ("-2^2", -4),
    ("2^3^2", 64),
    ("2^-1", 0.5),
    ("-x^2", -(x**2)),
    ("(-x)^2", x**2),
    ("!f", 0),
    ("!x^2", 0),
    ("!(f == 1)", f != 1),
    ("~(f == 1)", f != 1),
    ("f == 2", f == 2),
    ("f != 2", f != 2),
    ("f ~= 2", f != 2),
    ("x > 0", x > 0),
    ("x >= 0 & x <= 1", (x >= 0) & (x <= 1)),
    ("x < 0 | f == 3", (x < 0) | (f == 3)),
    ("f == 1 | f == 2 & x > 0", (f == 1) | ((f == 2) & (x > 0))),
    ("(f == 1 | f == 2) & x > 0", ((f == 1) | (f == 2)) & (x > 0)),
    ("f + 1 == 3", f == 2),
    ("1 + f == 3", f == 2),
    ("f > 1 == 1", f > 1),
    ("z > 0", high > 0),
    ("z < 0", high < 0),
    ("z == .", z.isna()),
    ("z != .", z.notna()),
    ("z < .", z.notna()),
    ("z >= .", z.isna()),
    ("z == .a", z.isna()),
    ("missing(z)", z.isna()),
    ("mi(x, z)", z.isna()),
    ("!mi(z)", z.notna()),
    ("!missing(z) & z > 0", z > 0),
    ("z & 1", z.fillna(1) != 0),
    ("z / 0", np.nan),
    ("1 / f", 1 / f),
    ("log(x)", np.log(x.where(x > 0))),
    ("ln(f)", np.log(f)),
    ("log10(f)", np.log10(f)),
    ("exp(x)", np.exp(x)),
    ("sqrt(x)", np.sqrt(x.where(x >= 0))),
    ("abs(x)", x.abs()),
    ("int(x * 10)", np.trunc(x * 10)),
    ("floor(x)", np.floor(x)),
    ("ceil(x)", np.ceil(x)),
    ("round(2.5)", 3),
    ("round(-2.5)", -2),
    ("round(x, .5)", 0.5 * np.floor(x / 0.5 + 0.5)),
    ("mod(f, 2)", f % 2),
    ("mod(-1, 3)", 2),
    ("mod(f, 0)", np.nan),
    ("sign(x)", np.sign(x)),
    ("min(x, z)", np.fmin(x, z)),
    ("max(x, z, 0)", np.fmax(np.fmax(x, z), 0)),
    ("cond(x > 0, 1, f)", np.where(x > 0, 1, f)),
    ("cond(z, 1, 0)", 1),
    ("cond(z, 1, 0, 9)", np.where(z.isna(), 9, 1)),
    ("inlist(f, 1, 3)", f.isin([1, 3])),
    ("inlist(z, .)", z.isna()),
    ('inlist(s, "a", "c")', s == "a"),
    ("inrange(f, 2, 3)", f.between(2, 3)),
    ("inrange(z, 0, .)", z >= 0),
    ("inrange(z, ., 0)", z <= 0),
    ("inrange(z, ., .)", 1),
    ('s == "a"', s == "a"),
    ('s != "a"', s != "a"),
    ('s > "a"', s > "a"),
    ('s + "c" == "ac"', s == "a"),
    ('upper(s) == "A"', s == "a"),
    ("length(s)", 1),
    ('substr("abc", 2, 1) == "b"', 1),
    ('substr("abc", -2, .) == "bc"', 1),
    ('strpos("abc", "c")', 3),
    ('real("2.5")', 2.5),
    ('real("a")', np.nan),
    ('k == "mid"', k == "mid"),
    ("k == 2", k == "mid"),
    ("k", k.cat.codes + 1),
    ("_n", np.arange(1, 49)),
    ("_N", 48),
    ("_n == _N", np.arange(48) == 47),
    ("mod(_n, 2) == 0", np.arange(1, 49) % 2 == 0),
    ("year(0)", 1960),
    ("month(59)", 2),
    ("day(366)", 1),
    ("longer_na > 0", DATA["longer_name"] > 0),
    ("1e2 + .5", 100.5),
    ("2. * 3", 6),
    ("normal(0)", 0.5),
    ("invlogit(0)", 0.5),
    ("sin(0) + cos(0)", 1),
]


@pytest.mark.parametrize(("text", "expected"), EXPRESSIONS, ids=lambda v: str(v)[:24])
def test_expressions(text, expected):
    expected = np.broadcast_to(np.asarray(expected, dtype=float), (len(DATA),))
    np.testing.assert_allclose(generate(text, DATA), expected, rtol=1e-14)


def test_rows_are_selected_by_conditions_and_ranges():
    from sklearn_xmixed.languages.stata.columns._data import Data
    from sklearn_xmixed.stata import plan

    def rows(line):
        _, recipe = plan(parse(line), Data(DATA), XTSET)
        return np.flatnonzero(recipe.read(DATA).sample()).tolist()

    everything = np.arange(48)
    for text, expected in (
        ("in 1/10", everything[:10]),
        ("in 5", everything[4:5]),
        ("in f/5", everything[:5]),
        ("in -5/l", everything[-5:]),
        ("in 40/-2", everything[39:-1]),
        ("in l", everything[-1:]),
        ("if x > 0", everything[x > 0]),
        ("if x > 0 in 1/20", everything[:20][x[:20] > 0]),
        ("in 1/20 if x > 0", everything[:20][x[:20] > 0]),
        ("if z > 0", everything[high > 0]),
    ):
        assert rows(f"y x {text} || g:") == expected.tolist()
    assert rows("y z || g:") == everything[z.notna()].tolist()
    assert rows("y x || g: z") == everything[z.notna()].tolist()
    assert rows("y L.x || g:") == everything[DATA["t"] > 0].tolist()


def test_time_series_operators_against_pandas():
    shuffled = DATA.sample(frac=1, random_state=0)
    ordered = shuffled.sort_values(["g", "t"])
    by = ordered.groupby("g")["x"]
    for text, expected in (
        ("L.x", by.shift(1)),
        ("L2.x", by.shift(2)),
        ("F.x", by.shift(-1)),
        ("D.x", by.diff()),
        ("S2.x", by.diff(2)),
        ("LD.x", by.diff().groupby(ordered["g"]).shift(1)),
        ("D2.x", by.diff().groupby(ordered["g"]).diff()),
        ("LF.x", ordered["x"]),
    ):
        found = pd.Series(generate(text, shuffled, xtset=XTSET), index=shuffled.index)
        np.testing.assert_allclose(found[ordered.index], expected, rtol=1e-12)


def test_time_series_operators_see_gaps():
    data = {"x": [1.0, 2.0, 4.0, 8.0], "t": [1, 2, 4, 5], "i": ["a"] * 4}
    assert_array_equal(generate("L.x", data, xtset="t"), [np.nan, 1, np.nan, 4])
    assert_array_equal(generate("L2.x", data, xtset="i t"), [np.nan, np.nan, 2, np.nan])
    data["t"] = [1, 2, 2, 3]
    with pytest.raises(CommandError, match=r"repeats, first in row 2"):
        generate("L.x", data, xtset="t")
    data["t"] = [1, 2.5, 3, 4]
    with pytest.raises(CommandError, match="must be whole numbers"):
        generate("L.x", data, xtset="t")
    with pytest.raises(CommandError, match="Time-series operators need the time"):
        generate("L.x", data)
    with pytest.raises(TypeError, match="xtset must be the name"):
        generate("L.x", data, xtset=("a", "b", "c"))
