"""The parts of a plot that need no screen: ticks, limits, gaps, letters."""

import pytest

from revconsole.lab.curves import ticks
from revconsole.lab.curves.canvas import letter_places, letters, pieces
from revconsole.lab.curves.figures import Curve

ROUNDING = 1e-9


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0, 97, 5, [0, 20, 40, 60, 80]),
        (0.1, 0.9, 4, [0.2, 0.4, 0.6, 0.8]),
        (0, 1, 2, [0, 1]),
        (3, 3, 4, [3]),
        (868.06, 868.48, 2, [868.06]),
    ],
)
def test_ticks_are_round_and_few(low, high, most, expected):
    found = ticks.round_ticks(low, high, most)
    assert len(found) <= most
    assert found[: len(expected)] == pytest.approx(expected, abs=ROUNDING)


@pytest.mark.parametrize(
    "values", [[1.0], [0.0, 0.0], [5.0, 5.0], [-3.0, 2.0], [1e-9, 2e-9], [1e12, 3e12]]
)
def test_limits_hold_every_value_and_have_a_height(values):
    low, high = ticks.limits(values)
    slack = ROUNDING * max(abs(v) for v in (*values, 1e-9))
    assert low - slack <= min(values) <= max(values) <= high + slack
    assert low < high


def test_limits_hold_still_while_values_move_a_little():
    assert ticks.limits([0.31, 2.28]) == ticks.limits([0.34, 2.25])


def test_tick_labels_tell_neighbours_apart():
    assert [ticks.label(t, [0.0, 0.05, 0.1]) for t in (0.0, 0.05, 0.1)] == ["0.00", "0.05", "0.10"]
    assert ticks.label(20_000, [0, 20_000]) == "20,000"


def test_a_logarithmic_axis_has_whole_powers_of_ten():
    assert ticks.whole_limits([-7.2, -2.9]) == (-8, -2)
    assert ticks.whole_limits([-7.0]) == (-7, -6)
    assert ticks.whole_ticks(-8, -2, 4) == [-8, -6, -4, -2]
    assert ticks.whole_ticks(-8, -2, 20) == list(range(-8, -1))


def test_a_curve_breaks_where_values_were_not_finite():
    curve = Curve(label="", run_id="", xs=(1, 2, 4, 5), ys=(1, 2, 4, 5), gaps=(3, 9))
    assert pieces(curve) == [([1, 2], [1, 2]), ([4, 5], [4, 5])]


def test_initials_mark_curves_where_they_differ_and_an_alphabet_where_not():
    assert letters(["train", "validation"]) == ["T", "V"]
    assert letters(["demo-a", "demo-b"]) == ["A", "B"]
    assert letters([""]) == ["A"]


def test_every_curve_carries_its_letter_at_its_end():
    curve = Curve(label="", run_id="", xs=tuple(range(10)), ys=tuple(range(10)))
    assert letter_places(curve, 0, 2)[-1] == (9, 9)
    assert letter_places(Curve(label="", run_id="", xs=(), ys=()), 0, 1) == []
