"""Numbers as the manual prints them."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_xmixed.reporting._format import count, decimal, general, level_percent

HERE = Path(__file__).resolve().parent
NUMBER = re.compile(r"-?\d*\.?\d+")


@pytest.mark.parametrize(
    ("value", "width", "text"),
    [
        # printed in the manual, with the digits before rounding where they are known
        (0.03901239, 9, ".0390124"),
        (6.20989583333334, 9, "6.209896"),
        (19.3556134259248, 9, "19.35561"),
        (2.09362470042205, 9, "2.093625"),
        (1.95067, 9, "1.95067"),
        (0.091628, 9, ".091628"),
        (-0.09999549, 9, "-.0999955"),
        (-3.4952, 9, "-3.4952"),
        (2.073, 9, "2.073"),
        (0.000939, 9, ".000939"),
        (0.0000259, 9, ".0000259"),
        (45.738617, 9, "45.73862"),
        (-1014.92679357826, 10, "-1014.9268"),
        (-869.0382451, 10, "-869.03825"),
        (1430.50169, 10, "1430.5017"),
        (-253.182, 10, "-253.182"),
        (-420.927612, 10, "-420.92761"),
        (-1443093.9, 10, "-1443093.9"),
        # carries, ends of the range, powers of ten
        (0.0, 9, "0"),
        (-0.0, 9, "0"),
        (1.0, 9, "1"),
        (-40.0, 9, "-40"),
        (0.1, 9, ".1"),
        (0.99999999, 9, "1"),
        (0.9999999, 9, ".9999999"),
        (9.99999996, 9, "10"),
        (999999.96, 9, "1000000"),
        (1234567.8, 9, "1234568"),
        (9999999.4, 9, "9999999"),
        (9999999.6, 9, "1.00e+07"),
        (23667902.0, 9, "2.37e+07"),
        (0.00001, 9, ".00001"),
        (0.000001594, 9, "1.59e-06"),
        (-0.00000084, 9, "-8.40e-07"),
        (1.5e-120, 9, "1.5e-120"),
        (432, 10, "432"),
        (float("nan"), 9, "."),
        (float("inf"), 9, "inf"),
        (-math.inf, 9, "-inf"),
    ],
)
def test_general_format(value, width, text):
    assert general(value, width) == text
    assert general(np.float64(value), width) == text


def test_every_number_of_the_manual_is_printed_as_it_stands_there():
    lines = (HERE / "manual_output.txt").read_text().splitlines()
    seen = 0
    for line in lines:
        cells = [cell for cell in line.split() if NUMBER.fullmatch(cell)]
        is_row = len(cells) in (4, 6) and line.split()[-len(cells) :] == cells
        if not is_row or line[:1] in "~#" or "." not in cells[-1]:
            continue
        values = cells if len(cells) == 4 else cells[:2] + cells[4:]
        assert [general(float(cell)) for cell in values] == values
        seen += len(values)
    assert seen > 200


@given(
    value=st.floats(-1e307, 1e307),
    width=st.integers(8, 12),
)
def test_general_format_fits_and_is_as_near_as_its_digits_allow(value, width):
    text = general(value, width)
    assert len(text.removeprefix("-")) <= width - 1
    assert not re.match(r"-?0\.", text)
    if "e" not in text:
        assert abs(float(text) - value) <= 0.5000001 * 10.0 ** -(width - 2) * max(
            1.0, 10.0 ** math.ceil(math.log10(max(abs(value), 1.0)))
        )
        assert "." not in text or not text.endswith("0")
    else:
        mantissa, _, exponent = text.partition("e")
        decimals = len(mantissa.partition(".")[2])
        step = 10.0 ** (int(exponent) - decimals)
        assert abs(float(text) - value) <= 0.5000001 * step + 5e-324


@pytest.mark.parametrize(
    ("value", "width", "decimals", "text"),
    [
        (159.1775, 8, 2, "159.18"),
        (-0.134, 8, 2, "-0.13"),
        (0.1127, 5, 3, "0.113"),
        (25337.4818, 10, 2, "25337.48"),
        (4.25e-105, 10, 4, "0.0000"),
        (321599.34, 10, 2, "321599.34"),
        (1234567890.1, 10, 2, "1.235e+09"),
        (-9.7e16, 8, 2, "-9.7e+16"),
        (float("nan"), 8, 2, "."),
        (float("inf"), 8, 2, "inf"),
    ],
)
def test_fixed_decimals(value, width, decimals, text):
    assert decimal(value, width, decimals) == text


@pytest.mark.parametrize(
    ("level", "text"), [(0.95, "95"), (0.9, "90"), (0.999, "99.9"), (0.6827, "68.27")]
)
def test_level_in_percent(level, text):
    assert level_percent(level) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (432, "432"),
        (9.0, "9"),
        (9876543210, "9876543210"),
        (1e10, "1.00e+10"),
        (5.846154, "5.846154"),
    ],
)
def test_counts(value, text):
    assert count(value) == text
