"""Numbers as people read them."""

import math

import pytest

from revconsole.lab import format as shown


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.0, "0.0 %"),
        (0.9716, "97.2 %"),
        (1.0, "100.0 %"),
        (None, shown.UNKNOWN),
        (math.nan, "NaN"),
    ],
)
def test_a_fraction_is_shown_in_percent(fraction, text):
    assert shown.percent(fraction) == text


@pytest.mark.parametrize("fraction", [0.9995, 0.9996, 0.99999, math.nextafter(1, 0)])
def test_less_than_all_right_is_never_shown_as_all_right(fraction):
    assert shown.percent(fraction).startswith("99.9")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0.00 MiB"),
        (1_572_864, "1.50 MiB"),
        (10 * 2**20, "10.0 MiB"),
        (2_000 * 2**20, "2,000 MiB"),
        (None, shown.UNKNOWN),
    ],
)
def test_bytes_are_shown_in_mebibytes(size, text):
    assert shown.mebibytes(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (3599.7, "1 h 00 min"),
        (90_000, "1 d 1 h"),
        (math.inf, "∞"),
        (None, shown.UNKNOWN),
    ],
)
def test_seconds_are_shown_in_the_units_that_matter(seconds, text):
    assert shown.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0:00"), (42, "0:42"), (725, "12:05"), (11_045, "3:04:05"), (90_000, "1 d 1 h")],
)
def test_seconds_are_shown_as_a_clock_in_narrow_columns(seconds, text):
    assert shown.clock(seconds) == text


def test_differences_carry_their_sign_and_unit():
    assert shown.points(0.012) == "+1.2 pp"
    assert shown.points(-0.012) == "-1.2 pp"
    assert shown.ratio(0.25).endswith("0.25")
    assert shown.count(85_800_194) == "85,800,194"
    assert shown.value(0.123456) == "0.1235"
