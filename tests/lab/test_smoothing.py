"""Smoothing of curves: debiased, and honest about what is not finite."""

import math

import pytest

from revconsole.lab.curves.smoothing import smoothed

ROUNDING = 1e-12
"""A few operations in float64."""


def test_a_constant_stays_that_constant_from_the_first_value_on():
    assert smoothed([3.0] * 20, 0.98) == pytest.approx([3.0] * 20, abs=ROUNDING)


def test_it_is_the_weighted_mean_of_what_came_before():
    first, second = smoothed([1.0, 4.0], 0.9)
    assert first == pytest.approx(1.0, abs=ROUNDING)
    assert second == pytest.approx((0.9 * 1.0 + 4.0) / 1.9, abs=ROUNDING)


def test_values_that_are_not_finite_stay_and_do_not_spread():
    before, gap, after = smoothed([2.0, math.nan, 2.0], 0.9)
    assert (before, after) == pytest.approx((2.0, 2.0), abs=ROUNDING)
    assert math.isnan(gap)
