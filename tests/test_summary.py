"""Summaries: tables that line up, options, special cases, HTML."""

import inspect
import math
import re
from dataclasses import FrozenInstanceError, replace
from functools import cache
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_xmixed import MixedLinearRegressor, RandomEffects
from sklearn_xmixed.datasets import load_productivity, load_sleepstudy
from sklearn_xmixed.inference import EquationSummary
from sklearn_xmixed.reporting import Summary
from sklearn_xmixed.reporting._format import general
from sklearn_xmixed.reporting._text import wrap_name
from tests.test_summary_manual import printed_lines

EFFECTS = RandomEffects


# -------------------------------------------------------------------- layout


@cache
def sleepstudy(**parameters):
    X, y = load_sleepstudy(return_X_y=True)
    effects = EFFECTS("subject", ["days"], covariance="unstructured")
    return MixedLinearRegressor(effects, **parameters).fit(X, y)


@cache
def no_variance_between_groups():
    """Results with a variance of zero: all group means of the response are equal."""
    rng = np.random.default_rng(0)
    errors = rng.normal(size=(10, 4))
    errors -= errors.mean(axis=1, keepdims=True)
    X = pd.DataFrame({"g": np.repeat(np.arange(10), 4), "x": rng.normal(size=40)})
    model = MixedLinearRegressor("g", fixed=[]).fit(X, errors.ravel())
    return model.results_


def test_the_whole_page():
    assert str(sleepstudy().summary()) == (
        """\
Mixed-effects ML regression                     Number of obs      =       180
Group variable: subject                         Number of groups   =        18

                                                Obs per group: min =        10
                                                               avg =      10.0
                                                               max =        10

                                                Wald chi2(1)       =     48.55
Log likelihood = -875.96967                     Prob > chi2        =    0.0000

------------------------------------------------------------------------------
    reaction |      Coef.   Std. Err.      z    P>|z|     [95% Conf. Interval]
-------------+----------------------------------------------------------------
        days |   10.46729   1.502237     6.97   0.000     7.522956    13.41162
       _cons |   251.4051   6.632277    37.91   0.000     238.4061    264.4041
------------------------------------------------------------------------------

------------------------------------------------------------------------------
  Random-effects Parameters  |   Estimate   Std. Err.     [95% Conf. Interval]
-----------------------------+------------------------------------------------
subject: Unstructured        |
                    sd(days) |   5.716835   1.187071      3.805468    8.588221
                   sd(_cons) |   23.78057   5.577371      15.01709    37.65812
            corr(days,_cons) |   .0813201   .3235025       -.50558    .6167694
-----------------------------+------------------------------------------------
                sd(Residual) |   25.59182   1.508012      22.80046    28.72491
------------------------------------------------------------------------------
LR test vs. linear regression:       chi2(3) =   148.35   Prob > chi2 = 0.0000

Note: LR test is conservative and provided only for reference."""
    )


def tables(text):
    """Blocks of lines between two borders, each with the position of its bar."""
    found, lines = [], text.splitlines()
    borders = [i for i, line in enumerate(lines) if line and not line.strip("-")]
    for start, stop in zip(borders[::2], borders[1::2], strict=True):
        block = lines[start + 1 : stop]
        found.append((block, len(lines[start])))
    return found


def assert_aligned(text, width):
    lines = text.splitlines()
    assert all(len(line) <= width for line in lines)
    assert not any(line.endswith(" ") for line in lines)
    for block, length in tables(text):
        (rule,) = {line for line in block if not line.strip("-+")}
        bar = rule.index("+")
        assert len(rule) == length
        for line in block:
            assert line[bar] in "|+"
            assert line.count(" |") + line.count("-+") == 1
            # a row with numbers ends where the table ends
            assert len(line) in (bar + 1, length) or "omitted" in line or "of" in line
        cells = [line[bar + 1 :] for line in block if line[bar] == "|"]
        ends = {
            tuple(match.end() for match in re.finditer(r"\S+", line))
            for line in cells
            if len(line.split()) in (4, 6) and "Conf" not in line and "M" not in line
        }
        assert len(ends) == 1


@pytest.mark.parametrize("width", [78, 100])
@pytest.mark.parametrize("metric", ["sd", "variance", "estimation"])
def test_columns_line_up(metric, width):
    text = str(sleepstudy().summary(metric=metric, width=width))
    assert_aligned(text, width)
    assert [length for _, length in tables(text)] == [width, width]


def renamed(results, old, new):
    """The same results with another name for a variable."""

    def name(x):
        return new if x == old else x

    return replace(
        results,
        target=name(results.target),
        fixed_names=tuple(map(name, results.fixed_names)),
        omitted=tuple(map(name, results.omitted)),
        groups=tuple(replace(g, name=name(g.name)) for g in results.groups),
        equations=tuple(
            replace(
                e,
                name=name(e.name),
                group=name(e.group),
                effects=tuple(map(name, e.effects)),
            )
            for e in results.equations
        ),
        parameters=tuple(
            replace(p, level=name(p.level), effects=tuple(map(name, p.effects)))
            for p in results.parameters
        ),
    )


@cache
def three_levels():
    X, y = load_productivity(return_X_y=True)
    effects = [EFFECTS("region", ["hwy"], covariance="unstructured"), "state"]
    model = MixedLinearRegressor(effects, fixed=["private", "hwy"]).fit(X, y)
    return model.results_


@given(
    old=st.sampled_from(["gsp", "hwy", "region", "state"]),
    new=st.text("ab_#.(|+- ", min_size=1, max_size=120).filter(str.strip),
)
def test_wide_names_go_on_in_the_next_line(old, new):
    """Bars in names aside, which cannot be told from those of the table."""
    results = renamed(three_levels(), old, new.replace("|", "").replace("+", "") or "a")
    results = renamed(results, old, new)
    text = str(Summary(results))
    if not set("|+-") & set(new):
        assert_aligned(text, 78)
    assert all(len(line) <= 78 for line in text.splitlines())


def test_a_wide_name_is_whole_over_its_lines():
    name = "highway_component_of_public_capital"
    text = str(Summary(renamed(three_levels(), "hwy", name)))
    assert "\n    highway_ |\n  component_ |\n  of_public_ |\n     capital | " in text
    assert_aligned(text, 78)
    wide = str(Summary(renamed(three_levels(), "hwy", name), width=120))
    assert f" {name} |" in wide
    assert_aligned(wide, 120)


@given(st.text(max_size=60), st.integers(4, 30))
def test_wrapped_names_hold_all_of_the_name(name, width):
    lines = wrap_name(name, width)
    assert lines
    assert all(len(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(name.split())


# ------------------------------------------------------------------- options


def test_parts_can_be_left_out():
    summary = sleepstudy().summary
    whole = str(summary())
    assert "Number of obs" not in str(summary(header=False))
    assert "subject: Unstructured" in str(summary(header=False))
    without_groups = str(summary(group_table=False))
    assert "Number of groups" not in without_groups
    assert "Number of obs" in without_groups
    assert "Wald chi2(1)" in without_groups
    assert "Std. Err.      z" not in str(summary(fixed_table=False))
    assert "Random-effects" not in str(summary(random_table=False))
    assert "LR test vs." in str(summary(random_table=False))
    assert "LR test" not in str(summary(lr_test=False))
    nothing = summary(
        header=False,
        group_table=False,
        fixed_table=False,
        random_table=False,
        lr_test=False,
    )
    assert str(nothing) == ""
    assert whole.startswith(str(summary(lr_test=False)))


@pytest.mark.parametrize(
    ("metric", "terms"),
    [
        ("sd", "sd(days) sd(_cons) corr(days,_cons) sd(Residual)"),
        ("variance", "var(days) var(_cons) cov(days,_cons) var(Residual)"),
        ("estimation", "lns(days) lns(_cons) atr(days,_cons) lns(Residual)"),
    ],
)
def test_metrics(metric, terms):
    summary = sleepstudy().summary(metric=metric, header=False, fixed_table=False)
    lines = printed_lines(str(summary))
    rows = [line for line in lines if "(" in line.split()[0]]
    assert [row.split()[0] for row in rows] == terms.split()
    frame = sleepstudy().results_.variance_frame(metric)
    for row, numbers in zip(rows, frame.to_numpy(), strict=True):
        values = [float(cell) for cell in row.split()[1:]]
        np.testing.assert_allclose(values, numbers, rtol=5e-6)


@pytest.mark.parametrize(
    ("level", "heading"),
    [
        (0.9, "  [90% Conf. Interval]"),
        (0.999, " [99.9% Conf. Interval]"),
        (0.12345, " [12.345% Conf. Interval]"),
        (0.123456, " [12.3456% Conf. Int.]"),
        (1 - 1e-12, " [Conf. Interval]"),
    ],
)
def test_confidence_level(level, heading):
    text = str(sleepstudy().summary(confidence_level=level))
    assert text.count(heading) == 2
    low, high = sleepstudy().results_.fixed_table(level).loc["days"].iloc[-2:]
    assert f"{general(low):>13}{general(high):>12}" in text
    assert_aligned(text, 78)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "sds"}, "metric must be one of 'sd', 'variance', 'estim.*'sds'"),
        ({"confidence_level": 95}, "between 0 and 1, got 95"),
        ({"confidence_level": "0.95"}, "between 0 and 1, got '0.95'"),
        ({"confidence_level": math.nan}, "between 0 and 1, got nan"),
        ({"width": 60}, "at least 78, got 60"),
        ({"width": 80.0}, "integer that is at least 78, got 80.0"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        sleepstudy().summary(**options)


@pytest.mark.parametrize("name", ["header", "lr_test", "coef_legend", "omitted"])
def test_switches_are_bools(name):
    with pytest.raises(ValueError, match=f"{name} must be True or False, got 'no'"):
        sleepstudy().summary(**{name: "no"})


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"cformat": "%8.2f"}, "days 10.47 1.50 6.97 0.000 7.52 13.41"),
        ({"cformat": ".3f"}, "days 10.467 1.502 6.97 0.000 7.523 13.412"),
        (
            {"cformat": "%9.3e", "sformat": "%6.1f"},
            "days 1.047e+01 1.502e+00 7.0 0.000 7.523e+00 1.341e+01",
        ),
        (
            {"pformat": "%4.1f", "sformat": ".4f"},
            "days 10.46729 1.502237 6.9678 0.0 7.522956 13.41162",
        ),
        ({"cformat": "%9.4g"}, "days 10.47 1.502 6.97 0.000 7.523 13.41"),
    ],
)
def test_formats_of_columns(options, line):
    text = str(sleepstudy().summary(**options))
    assert line in printed_lines(text)
    assert_aligned(text, 78)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cformat": "%10.2f"}, "cformat may be 1 to 9 characters wide.*with 10"),
        ({"pformat": "%6.4f"}, "pformat may be 1 to 5 characters"),
        ({"sformat": "8.2f"}, "sformat must be a format such as '%8.3f'.*'8.2f'"),
        ({"cformat": 3}, "cformat must be a format.*got 3"),
        ({"cformat": "%0.2f"}, "cformat may be 1 to 9 characters wide"),
    ],
)
def test_formats_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        sleepstudy().summary(**options)


@pytest.mark.parametrize("metric", ["sd", "variance", "estimation"])
def test_legend_has_the_names_of_expressions(metric):
    summary = sleepstudy().summary(coef_legend=True, metric=metric)
    lines = printed_lines(str(summary))
    assert "reaction Coef. Legend" in lines
    assert "days 10.46729 _b[days]" in lines
    terms = sleepstudy().results_.variance_frame(metric)["estimate"]
    for (level, term), value in terms.items():
        assert f"{term} {general(value)} _b[{level}:{term}]" in lines
    page = Page(summary._repr_html_())
    assert [["days", 1], ["10.46729", 1], ["_b[days]", 1]] in page.tables[1]


def test_omitted_columns_can_be_hidden():
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor("subject").fit(X.assign(twice=2 * X["days"]), y)
    assert "(omitted)" in str(model.summary())
    assert "_b[twice]" in str(model.summary(coef_legend=True))
    for legend in (False, True):
        text = str(model.summary(omitted=False, coef_legend=legend))
        assert "twice" not in text


def test_the_method_has_the_options_of_the_class():
    method = inspect.signature(MixedLinearRegressor.summary).parameters
    options = dict(inspect.signature(Summary).parameters)
    del options["fixed_blocks"]  # of commands with factor variables
    # the class is handed what the method looks up
    named = ["df" if name == "reference" else name for name in options]
    assert list(method)[1:] == named[1:]
    for name, option in list(zip(named, options.values(), strict=True))[1:]:
        assert method[name].default == option.default
        assert method[name].kind is inspect.Parameter.KEYWORD_ONLY


def test_summaries_replay_without_the_data():
    """Nothing is fitted again: the numbers are in the results."""
    results = sleepstudy().results_
    assert str(Summary(results, metric="variance")) == str(
        sleepstudy().summary(metric="variance")
    )


def test_unknown_options_and_positions_are_refused():
    with pytest.raises(TypeError, match="nofetable"):
        sleepstudy().summary(nofetable=True)
    with pytest.raises(TypeError):
        Summary(sleepstudy().results_, "variance")


def test_a_summary_does_not_change():
    summary = sleepstudy().summary()
    with pytest.raises(FrozenInstanceError):
        summary.metric = "variance"
    assert repr(summary) == str(summary)
    assert str(summary) == str(Summary(sleepstudy().results_))


# -------------------------------------------------------------- special cases


def random_rows(results, **options):
    text = str(Summary(results, header=False, fixed_table=False, **options))
    assert_aligned(text, 78)
    return printed_lines(text)[1:]


def test_linear_regression():
    X, y = load_sleepstudy(return_X_y=True)
    results = MixedLinearRegressor(fixed=["days"]).fit(X, y).results_
    lines = printed_lines(str(Summary(results)))
    squared = X["days"].corr(y) ** 2
    assert lines[:3] == [
        "Linear regression Number of obs = 180",
        f"Wald chi2(1) = {180 * squared / (1 - squared):.2f}",
        f"Log likelihood = {general(results.log_likelihood, 10)} Prob > chi2 = 0.0000",
    ]
    sigma = math.sqrt(((y - y.mean()) ** 2).mean() * (1 - squared))
    assert lines[-1].startswith(f"sd(Residual) {general(sigma)} ")
    assert "group" not in str(Summary(results))
    assert "LR test" not in str(Summary(results))


def test_without_constant_and_without_fixed_part():
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor("subject", fixed=["days"], fit_intercept=False)
    lines = printed_lines(str(model.fit(X, y).summary(header=False)))
    assert [line.split()[0] for line in lines[:3]] == [
        "reaction",
        "days",
        *["Random-effects"],
    ]
    model = MixedLinearRegressor("subject", fixed=[], fit_intercept=False)
    text = str(model.fit(X, y).summary())
    assert "Wald chi2(0)       =         ." in text
    assert "Prob > chi2        =         ." in text
    assert "Coef." not in text
    assert "P>|z|" not in model.summary()._repr_html_()


def test_omitted_columns_keep_their_place():
    X, y = load_sleepstudy(return_X_y=True)
    X = X.assign(hours=24.0 * X["days"], noise=np.arange(180) % 7)
    model = MixedLinearRegressor(EFFECTS("subject", ["days", "hours"])).fit(X, y)
    text = str(model.summary())
    assert "\n       hours |          0  (omitted)\n       noise |" in text
    note = "Note: hours omitted from the random effects of subject because of\ncol"
    assert note in text
    assert note not in str(model.summary(random_table=False))
    assert "<td>0</td><td>(omitted)</td>" in model.summary()._repr_html_()


def test_a_variance_of_zero():
    results = no_variance_between_groups()
    assert random_rows(results)[1] == "sd(_cons) 0 . . ."
    assert random_rows(results, metric="variance")[1] == "var(_cons) 0 . . ."
    assert random_rows(results, metric="estimation")[1] == "lns(_cons) -inf . . ."
    told = " ".join(random_rows(results))
    assert told.endswith(
        "LR test vs. linear regression: chibar2(01) = 0.00 Prob >= chibar2 = 1.0000 "
        "Note: sd(_cons) of g: no standard error, because the estimate is on the "
        "boundary of its range."
    )


def test_no_standard_errors_of_variances():
    results = sleepstudy(std_errors=False).results_
    assert [line.split()[2:] for line in random_rows(results)[1:5]] == [list("...")] * 4


def test_an_equation_without_effects():
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor(EFFECTS("subject", intercept=False)).fit(X, y)
    text = str(model.summary())
    assert text.startswith("Mixed-effects ML regression ")
    assert "Number of groups   =        18" in text
    assert random_rows(model.results_)[0] == "subject: (empty)"
    assert len(random_rows(model.results_)) == 2


def test_empty_equations_do_not_shift_the_others():
    results = three_levels()
    empty = EquationSummary("a", "a", "(empty)", (), (), np.zeros((0, 0)))
    first, second = results.equations
    for equations in ((empty, first, second), (first, empty, second)):
        rows = random_rows(replace(results, equations=equations))
        rows.remove("a: (empty)")
        assert rows == random_rows(results)


def test_repeated_levels_are_shown_by_their_group():
    """The manual's crossed effects: two equations of _all, one per factor."""
    results = three_levels()
    first, second = results.equations
    crossed = replace(
        results,
        equations=(
            replace(first, name="week", group="_all"),
            replace(second, name="id", group="_all"),
        ),
    )
    titles = [line for line in random_rows(crossed) if ": " in line][:2]
    assert titles == ["_all: Unstructured", "_all: Identity"]


def test_several_levels_under_reml():
    X, y = load_productivity(return_X_y=True)
    model = MixedLinearRegressor(["region", "state"], fixed=["hwy"], method="reml")
    text = str(model.fit(X, y).summary())
    assert text.startswith("Mixed-effects REML regression ")
    assert "\nLog restricted-likelihood = " in text
    assert "Number of groups" not in text
    (groups, _, _) = tables(text)
    assert groups[1] == 59
    assert_aligned(text, 78)


def test_robust_standard_errors():
    results = sleepstudy(vce="robust").results_
    text = str(Summary(results))
    assert text.startswith("Mixed-effects regression ")
    assert "\nLog pseudolikelihood = -875.96967 " in text
    assert f"\n{'(Std. Err. adjusted for 18 clusters in subject)':>78}\n" in text
    assert text.count("Robust") == 2
    assert "LR test" not in text
    html = Summary(results)._repr_html_()
    assert html.count('<th scope="col">Robust Std. Err.</th>') == 2
    assert "<p>(Std. Err. adjusted for 18 clusters in subject)</p>" in html
    assert "adjusted" not in str(Summary(results, header=False))
    wide = str(Summary(renamed(results, "reaction", "reaction_time_in_ms")))
    assert "   reaction_ |                Robust\n  time_in_ms |" in wide


def test_robust_standard_errors_of_linear_regression():
    X, y = load_sleepstudy(return_X_y=True)
    model = MixedLinearRegressor(fixed=["days"], vce="cluster", cluster="subject")
    text = str(model.fit(X, y).summary())
    assert text.startswith("Linear regression ")
    assert "(Std. Err. adjusted for 18 clusters in subject)\n" in text


def test_warnings_and_notes_are_wrapped():
    results = replace(sleepstudy().results_, message="word " * 60 + "end")
    text = str(Summary(results))
    assert "\n\nWarning: word word" in text
    assert text.endswith("end")
    assert_aligned(text, 78)
    assert "Warning: word" in str(Summary(results, random_table=False))
    assert "<p>Warning: word" in Summary(results)._repr_html_()


def test_large_numbers_stay_in_their_columns():
    results = replace(
        sleepstudy().results_,
        n_obs=123456789,
        wald_chi2=1.5e12,
        lr_chi2=98765432.1,
        log_likelihood=-1.2e9,
        beta=np.array([1e9, -1e-9]),
        beta_vcov=np.diag([1e-4, 1e-30]),
    )
    text = str(Summary(results))
    assert_aligned(text, 78)
    assert "   1.00e+09        .01  1.0e+11" in text
    assert "= 123456789\n" in text
    assert "= 1.500e+12" in text
    assert "Log likelihood = -1.200e+09 " in text


# ---------------------------------------------------------------------- HTML


class Page(HTMLParser):
    """Tables of a page as rows of (text, span), checking that tags are closed."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.tables, self.paragraphs = [], set(), [], []
        self.style = ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.tags.add(tag)
        attributes = dict(attributes)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            assert tag == "td" or attributes["scope"] in (
                "col",
                "row",
                "colgroup",
                "rowgroup",
            )
            self.tables[-1][-1].append(["", int(attributes.get("colspan", 1))])
        elif tag == "p":
            self.paragraphs.append("")
        assert set(attributes) <= {"class", "scope", "colspan"}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1][0] += data
        elif self.open and self.open[-1] == "p":
            self.paragraphs[-1] += data
        elif self.open and self.open[-1] == "style":
            self.style += data


@pytest.mark.parametrize("which", ["one level", "three levels", "zero", "linear"])
def test_html_has_the_cells_of_the_text(which):
    X, y = load_sleepstudy(return_X_y=True)
    results = {
        "one level": lambda: sleepstudy().results_,
        "three levels": three_levels,
        "zero": no_variance_between_groups,
        "linear": lambda: MixedLinearRegressor(fixed=["days"]).fit(X, y).results_,
    }[which]()
    summary = Summary(results)
    page = Page(summary._repr_html_())
    text = " ".join(printed_lines(str(summary)))
    cells = [cell for table in page.tables for row in table for cell, _ in row if cell]
    for cell in cells:
        assert cell.split()[-1] in re.split(r"[\s:]+", text)
    numbers = [word for word in text.split() if re.search(r"\d\.|\.\d", word)]
    told = " ".join([*cells, *page.paragraphs]).split()
    assert all(number in told for number in numbers)
    for table in page.tables:  # every row is as wide as its table
        assert len({sum(span for _, span in row) for row in table}) == 1
    assert len(page.tables) == {"three levels": 4}.get(which, 3)


def test_html_shows_several_levels_with_a_common_heading():
    page = Page(Summary(three_levels())._repr_html_())
    assert page.tables[1][:3] == [
        [["", 2], ["Observations per Group", 3]],
        [
            ["Group Variable", 1],
            ["No. of Groups", 1],
            ["Minimum", 1],
            ["Average", 1],
            ["Maximum", 1],
        ],
        [["region", 1], ["9", 1], ["51", 1], ["90.7", 1], ["136", 1]],
    ]


def test_html_escapes_names():
    nasty = "<script>alert('x') & \"y\"</script>"
    for old in ("gsp", "hwy", "region"):
        html = Summary(renamed(three_levels(), old, nasty))._repr_html_()
        assert "<script" not in html
        page = Page(html)
        cells = [cell for table in page.tables for row in table for cell, _ in row]
        assert any(nasty in cell for cell in cells)
    message = replace(three_levels(), message="a < b & c")
    assert "Warning: a &lt; b &amp; c" in Summary(message)._repr_html_()


def test_html_takes_the_colours_of_its_surroundings():
    html = sleepstudy().summary()._repr_html_()
    page = Page(html)
    assert page.tags <= set("div style table caption thead tbody tr th td p".split())
    for outside in ("http", "url(", "@import", "src=", "href="):
        assert outside not in html
    colours = re.findall(r"(?:background|color|border[a-z-]*):\s*([^;}]+)", page.style)
    words = {word for value in colours for word in value.split()}
    assert words <= {"transparent", "inherit", "currentColor", "collapse"} | {
        "0",
        "1px",
        "solid",
    }
