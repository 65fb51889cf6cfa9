"""Whatever is typed, a result or the parser's own error comes back."""

import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sklearn_xmixed import xtmixed
from sklearn_xmixed.exceptions import CommandError
from sklearn_xmixed.stata import Command, CommandRegressor, generate, parse
from tests.command_frame import DATA
from tests.conftest import examples

WORDS = (
    "y x z g h t s k w f i. c. ib2. ibn. ib(last). L. D. F2. L(0/2). R. S4. 2. 1b. "
    "# ## ( ) || : , if in [ ] [pw= [fw= [aw= = == != ~= > < >= <= & | ! ~ + - * / ^ . "
    '1 2 3 0 10 .5 1e3 1/10 f/l -5/l "a" "b" _all _n _N _cons x-z ? y* inlist( '
    "inrange( missing( mi( log( sqrt( cond( round( xtmixed mixed quietly /// // /* */ "
    "\n \n> covariance( cov(un) cov(id) cov(ex) unstructured nocons collinear fweight(w) "
    "pweight(w) mle reml pwscale(size) residuals( residuals(ar 1, t(t)) res(ind, by(f)) "
    "residuals(ex) vce(robust) vce(cluster g) vce(oim) level(90) variance noretable "
    "nofetable estmetric noheader nogroup nostderr nolrtest emiterate(5) emonly emlog "
    "difficult technique(bfgs) iterate(3) nolog trace matsqrt matlog coeflegend "
    "baselevels allbaselevels vsquish noemptycells cformat(%9.2f) ' ` { } $ % @ ; \\ é 名"
).split(" ")

SEEDS = (
    "y x || g:",
    "y x z || g: x, cov(un)",
    "y i.f##c.x || g:, nolog",
    "y L.x D.z || g:, reml",
    "y i.f#i.k x if z > 0 in 1/40 || h: || g: x, var",
    "y x [pw=w] || g:, pweight(w) pwscale(gk)",
    "y x || _all: R.f || g:",
    "y x || g:, residuals(ar 1, t(t)) level(90)",
    "(y x) (g: x), reml",
    "xtmixed y i.s || g:, vce(cluster h)",
)


spaces = st.sampled_from(["", " ", " ", "  "])
words = st.sampled_from(WORDS)


@st.composite
def typed(draw):
    """Words of the language in any order."""
    chosen = draw(st.lists(words, min_size=0, max_size=20))
    return "".join(word + draw(spaces) for word in chosen)


@st.composite
def mistyped(draw):
    """A command with a few characters or words changed."""
    text = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        what = draw(st.integers(0, 2))
        piece = draw(words) if draw(st.booleans()) else draw(st.text(max_size=3))
        text = {
            0: text[:at] + text[at + draw(st.integers(1, 5)) :],
            1: text[:at] + piece + text[at:],
            2: text[:at] + " " + piece + " " + text[at:],
        }[what]
    return text


def check_error(error, text):
    assert type(error) is CommandError
    assert error.command == text
    assert str(error)
    if error.span is not None:
        start, end = error.span
        assert 0 <= start <= len(text)
        assert start <= end <= len(text) + 1
        assert "^" in str(error)


def attempt(text):
    try:
        found = parse(text)
    except CommandError as error:
        check_error(error, text)
        return
    assert isinstance(found, Command)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model = xtmixed(text, DATA, xtset=("g", "t"), show=False)
        except CommandError as error:
            check_error(error, text)
            return
        assert isinstance(model, CommandRegressor)
        assert str(model)
        assert len(model.predict(DATA)) == len(DATA)


quick = settings(
    max_examples=examples(150),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@given(typed())
@quick
def test_words_in_any_order(text):
    attempt(text)


@given(mistyped())
@quick
def test_commands_with_mistakes(text):
    attempt(text)


@given(st.text(max_size=60))
@quick
def test_any_text(text):
    attempt(text)


@given(typed())
@quick
def test_expressions(text):
    try:
        values = generate(text, DATA, xtset=("g", "t"))
    except CommandError as error:
        check_error(error, text)
        return
    assert values.shape == (len(DATA),)
    assert values.dtype.kind in "fO"


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000,
        "y if " + "(" * 5000,
        "y if " + "!" * 5000 + "x",
        "y if " + "-" * 5000 + "x",
        "y if x" + "+x" * 5000,
        "y " + "i." * 3000 + "f",
        "y f" + "#f" * 3000,
        "y " + "x " * 5000 + "|| g:",
        "y || " + "g: || " * 500 + "g:",
        "y L(1/1000).(x z f g h) L(1/1000).(x z f g h)",
        "y i.g##i.g##i.f##i.h##i.t##i.k##i.s##i.w",
        "y x in 1/99999999999999999999",
        "y 99999999999999999999.x",
        "y x || g:, emiterate(99999999999999999999)",
    ],
    ids=lambda text: text[:12],
)
def test_very_much_of_something(text):
    attempt(text)
