"""Every command line of the manual, pasted, prints what the manual prints."""

import re
from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sklearn_xmixed import xtmixed
from sklearn_xmixed.reporting import FixedBlock, FixedRow
from sklearn_xmixed.stata import generate, to_command
from tests.conftest import manual_data
from tests.test_summary_manual import PRINTED, assert_printed

# as they stand there; the names of the weights in the last two are those of the data,
# which the text has in several spellings
COMMANDS = {
    "example 1": ("pig", ". xtmixed weight week || id:"),
    "example 2": ("pig", ". xtmixed weight week || id: week"),
    "example 3": (
        "pig",
        ". xtmixed weight week || id: week, covariance(unstructured) variance",
    ),
    "REML": ("pig", ". xtmixed weight week || id: week, reml"),
    "example 4": (
        "productivity",
        ". xtmixed gsp private emp hwy water other unemp || region: || state:",
    ),
    "example 5": (
        "productivity",
        ". xtmixed gsp private emp hwy water other unemp || region: hwy unemp || state:,\n"
        "> nolog nogroup nofetable",
    ),
    "example 5, blocks": (
        "productivity",
        ". xtmixed gsp private emp hwy water other unemp || region: hwy unemp,\n"
        "> cov(identity) || region: || state:, nolog nogroup nofetable",
    ),
    "example 6": (
        "childweight",
        ". xtmixed weight age c.age#c.age || id: age, nolog",
    ),
    "example 6, gender": (
        "childweight",
        ". xtmixed weight i.girl i.girl#c.age c.age#c.age || id: age, nolog",
    ),
    "example 6, blocks": (
        "childweight",
        ". xtmixed weight i.girl i.girl#c.age c.age#c.age || id: boy boyXage, noconstant\n"
        "> || id: girl girlXage, noconstant nolog nofetable",
    ),
    "example 7": (
        "veneer",
        ". xtmixed gcf followup base_gcf cda age || patient: followup, cov(un) || tooth:,\n"
        "> reml nolog",
    ),
    "example 8": (
        "ovary",
        ". xtmixed follicles sin1 cos1 || mare:, residuals(ar 2, t(time)) reml nolog",
    ),
    "example 9": (
        "exercise",
        ". xtmixed strength i.program##i.day || id:,\n"
        "> noconstant residuals(unstructured, t(day)) nolog",
    ),
    "example 9, exponential": (
        "exercise",
        ". xtmixed strength i.program##i.day || id:, noconstant\n"
        "> residuals(exponential, t(day)) nolog nofetable",
    ),
    "example 10": ("pig", ". xtmixed weight week || _all: R.week || _all: R.id"),
    "example 11": (
        "productivity",
        ". xtmixed gsp private emp hwy water other unemp || region: R.state,\n"
        "> cov(exchangeable) variance",
    ),
    "example 12": (
        "pisa2000",
        ". xtmixed isei female high_school college one_for both_for test_lang\n"
        "> [pw=w_fstuwt] || id_school:, pweight(wnrschbw) pwscale(size)",
    ),
    "example 12, gk": (
        "pisa2000",
        ". xtmixed isei female high_school college one_for both_for test_lang\n"
        "> [pw=w_fstuwt/wnrschbw] || id_school:, pweight(wnrschbw) pwscale(gk)",
    ),
}


@cache
def data(name):
    frame = manual_data(name)
    if name == "childweight":
        for new, expression in (
            ("boy", "!girl"),
            ("boyXage", "boy*age"),
            ("girlXage", "girl*age"),
        ):
            frame[new] = generate(expression, frame)
    if name == "exercise":
        frame = frame[generate("inlist(day, 0, 4, 6, 8, 12)", frame) != 0]
    return frame


@cache
def fit(name):
    frame, command = COMMANDS[name]
    return xtmixed(command, data(frame), show=False)


def one_line_each(model):
    """Names as tests/manual_output.txt has them: whole, 2.program#4.day as 2#4."""
    short = re.compile(r"(\d+)\.program#(\d+)\.day")
    return tuple(
        FixedBlock((FixedRow(short.sub(r"\1#\2", name), name),))
        for name in model.fixed_names_
    )


def test_every_printed_output_has_its_command():
    assert list(COMMANDS) == list(PRINTED)


@pytest.mark.parametrize("name", PRINTED)
def test_the_output_is_the_printed_one(name):
    model = fit(name)
    # last digits belong to the optimum, not to where the search ended
    model = model.set_params(tol=1e-18).fit(data(COMMANDS[name][0]))
    text = str(model.summary(fixed_blocks=one_line_each(model)))
    assert_printed(text, name)


@pytest.mark.parametrize("name", PRINTED)
def test_the_command_comes_back(name):
    model = fit(name)
    again = xtmixed(to_command(model), data(COMMANDS[name][0]), show=False)
    assert str(again) == str(model)
    assert repr(again.to_estimator()) == repr(model.to_estimator())


def stub_lines(model):
    """Names of the table of coefficients, as they are written."""
    text = str(model.summary(header=False, random_table=False, lr_test=False))
    return [line.partition("|")[0] for line in text.splitlines()[3:-1]]


def test_levels_of_factors_stand_under_their_names():
    assert stub_lines(fit("example 6, gender")) == [
        "      1.girl ",
        "             ",
        "  girl#c.age ",
        "          0  ",
        "          1  ",
        "             ",
        " c.age#c.age ",
        "             ",
        "       _cons ",
    ]
    model = fit("example 9")
    assert stub_lines(model) == [
        "   2.program ",
        "             ",
        "         day ",
        "          4  ",
        "          6  ",
        "          8  ",
        "         12  ",
        "             ",
        " program#day ",
        "        2 4  ",
        "        2 6  ",
        "        2 8  ",
        "       2 12  ",
        "             ",
        "       _cons ",
    ]
    interaction = model.coef_table().loc["2.program#12.day"]
    assert_allclose(interaction.estimate, 0.3212829, rtol=1e-6)


@pytest.mark.parametrize(
    ("line", "same"),
    [
        ("xtmixed (weight week) (id:)", "example 1"),
        ("xtmixed weight week || _all: R.id", "example 1"),
        ("quietly xtmixed weight week || id:week", "example 2"),
        ("xtmixed weight week || _all: R.week || id:", "example 10"),
    ],
)
def test_other_ways_to_write_a_model(line, same):
    model = xtmixed(line, data("pig"), show=False)
    assert_allclose(model.log_likelihood_, fit(same).log_likelihood_, rtol=1e-9)
    assert_allclose(model.coef_, fit(same).coef_, rtol=1e-6)


def test_example_7_with_two_residual_variances():
    line = COMMANDS["example 7"][1] + " residuals(independent, by(followup))"
    model = xtmixed(line, data("veneer"), show=False)
    assert_allclose(model.log_likelihood_, -420.45760, rtol=0, atol=5e-6)


def test_mixed_prints_variances():
    line = COMMANDS["example 3"][1].removesuffix(" variance")
    model = xtmixed(line.replace("xtmixed", "mixed"), data("pig"), show=False)
    assert str(model) == str(fit("example 3"))
    model = xtmixed(
        line.replace("xtmixed", "mixed") + " stddev", data("pig"), show=False
    )
    assert "sd(week)" in str(model)


def test_prediction_repeats_the_columns():
    model, frame = fit("example 9"), data("exercise")
    some = frame[(frame["day"] == 12) & (frame["program"] == 2)]
    assert_allclose(
        model.predict(some, kind="fixed"), 79.6875 + 1.360119 + 1.623576 + 0.3212829
    )
    other = frame.head(2).assign(day=5)  # a day that no one saw
    assert np.isnan(model.predict(other)).all()
