"""The parts of a plot that need no screen: ticks, limits, gaps, letters."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.text import Text

from revconsole.lab.curves import heat, ticks
from revconsole.lab.curves.canvas import CURSOR, Mark, drawn, letters, pieces, with_cursor
from revconsole.lab.curves.cells import DOTS, Cells, Ink, usual_marker
from revconsole.lab.curves.figures import Curve, Figure
from revconsole.lab.curves.measured import measured_points
from revconsole.lab.curves.scales import Scale

ROUNDING = 1e-9


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0, 97, 5, [0, 20, 40, 60, 80]),
        (0.1, 0.9, 4, [0.2, 0.4, 0.6, 0.8]),
        (0, 1, 2, [0, 1]),
        (0.5, 2.5, 4, [1, 2]),
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


@pytest.mark.parametrize("most", range(2, 12))
@pytest.mark.parametrize(("low", "high"), [(0.5, 2.5), (0.3, 2.4), (-0.7, 0.9), (15.0, 85.0)])
def test_a_tick_label_says_the_value_of_its_place(low, high, most):
    places = ticks.round_ticks(low, high, most)
    for place in places:
        assert float(ticks.label(place, places)) == pytest.approx(place, abs=1e-9)


def test_a_short_logarithmic_axis_has_plain_numbers_and_a_long_one_powers():
    assert [text for _, text in Scale(0.01, 100.0, logarithmic=True).ticks(9)] == [
        "0.01", "0.1", "1", "10", "100",
    ]  # fmt: skip
    assert Scale(1e-9, 1e-5, logarithmic=True).ticks(2)[0][1] == "1e-9"


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


def figure(*curves, **more):
    xs = [x for curve in curves for x in (*curve.xs, *curve.gaps)]
    ends = {"left": min(xs), "right": max(xs)} | more
    return Figure(title="loss", x_label="step", y_label="nats", curves=curves, **ends)


def curve(ys, **more):
    return Curve(label="", run_id="", xs=tuple(map(float, range(len(ys)))), ys=tuple(ys), **more)


def rows(picture):
    return ["".join(text for text, _ in line) for line in picture.lines]


BLUE, RED = Mark(letter="A", colour=(0, 0, 255)), Mark(letter="B", colour=(255, 0, 0))


@pytest.mark.parametrize("marker", DOTS)
def test_a_picture_has_the_size_asked_for_and_its_last_tick_at_the_end(marker):
    lines = rows(drawn(figure(curve([1.0, 2.0, 3.0] * 175)), [BLUE], 60, 12, marker=marker))

    assert {len(line) for line in lines} == {60}
    assert len(lines) == 12
    assert lines[-1].rstrip().endswith("524 step")
    assert lines[-1].strip().startswith("0")


def test_ascii_draws_with_nothing_that_ascii_lacks():
    gone = figure(curve([1.0, 2.0, 1.5], gaps=(1.5,)))
    assert "".join(
        rows(with_cursor(drawn(gone, [BLUE], 40, 10, marker="ascii"), 1.0, "ascii"))
    ).isascii()


@pytest.mark.parametrize("marker", DOTS)
def test_the_cursor_stands_in_every_blank_cell_of_its_column_and_hides_nothing(marker):
    plain = drawn(figure(curve([1.0, 2.0, 1.5, 3.0])), [BLUE], 40, 12, marker=marker)
    marked = with_cursor(plain, 1.0, marker)
    across = plain.columns * DOTS[marker][0]
    column = plain.first + round((across - 1) / 3) // DOTS[marker][0]
    for old, new in zip(rows(plain)[:-2], rows(marked)[:-2], strict=True):
        assert new[:column] + new[column + 1 :] == old[:column] + old[column + 1 :]
        assert new[column] == (CURSOR[marker] if old[column] == " " else old[column])
    assert rows(plain)[-2:] == rows(marked)[-2:], "not below the plot"
    assert with_cursor(plain, 99.0, marker) is plain, "outside"


def test_curves_with_equal_ends_both_carry_their_letter():
    lines = rows(drawn(figure(curve([1.0, 2.0]), curve([3.0, 2.0])), [BLUE, RED], 40, 10))
    ends = [line[-2:].strip() for line in lines[:-1]]
    assert sorted(filter(None, ends)) == ["A", "B"]


def test_the_curve_in_front_covers_the_others_and_they_are_faint():
    same = [float(n % 3) for n in range(30)]
    pair = figure(curve(same), curve(same))
    marks = [BLUE, Mark(letter="B", colour=RED.colour, faint=True)]
    inks = {ink for line in drawn(pair, marks, 40, 8, front=0).lines for _, ink in line}

    assert Ink(BLUE.colour) in inks
    assert [i for i in inks if i.colour == RED.colour] == [
        Ink(RED.colour, faint=True)
    ]  # its letter


def test_a_value_that_is_not_finite_is_crossed_where_it_happened():
    picture = drawn(figure(curve([1.0] * 11, gaps=(10.0,))), [BLUE], 40, 8)
    bottom = rows(picture)[-2]
    assert bottom.index("×") == picture.first + picture.columns - 1


def test_a_column_of_the_picture_stands_for_a_place_on_its_axis():
    picture = drawn(figure(curve([1.0] * 101)), [BLUE], 60, 8)
    assert picture.x_of(0) == 0
    assert picture.x_of(60) == 100
    assert picture.x_of(picture.first + picture.columns // 2) == pytest.approx(50, abs=2)


def test_what_is_outside_the_window_is_not_drawn_but_lines_go_to_its_edge():
    whole = curve([0.0, 10.0, 0.0, 10.0])
    lines = rows(drawn(figure(whole, left=1.5, right=2.5), [BLUE], 40, 8))
    dots = [i for line in lines[:-1] for i, c in enumerate(line) if "⠁" <= c <= "⣿"]
    assert min(dots) <= 4
    assert max(dots) >= 36


def test_a_cell_shows_the_stroke_of_the_highest_rank_and_one_stroke_adds_to_its_own():
    cells = Cells(1, 1, "braille")
    cells.begin(rank=1)
    cells.dot(0, 0, Ink((1, 2, 3)))
    cells.dot(1, 3, Ink((1, 2, 3)))
    cells.begin()
    cells.dot(0, 3, Ink((9, 9, 9)))
    assert cells.lines() == [[("⢁", Ink((1, 2, 3)))]]


def test_curves_that_lie_on_each_other_are_both_seen():
    same = [1.0, 1.2, 1.4, 2.0]
    lines = drawn(figure(curve(same), curve(same)), [BLUE, RED], 60, 10).lines
    dots = {BLUE.colour: 0, RED.colour: 0}
    for line in lines:
        for text, ink in line:
            if ink.colour:
                dots[ink.colour] += sum(letter > "⠀" for letter in text)
    assert min(dots.values()) > 0.4 * sum(dots.values())


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm", "LANG": "en_GB.UTF-8"}, "braille"),
        ({"TERM": "linux", "LANG": "en_GB.UTF-8"}, "ascii"),
        ({"TERM": "xterm", "LANG": "C"}, "ascii"),
        ({"TERM": "xterm", "LC_ALL": "C", "LANG": "en_GB.UTF-8"}, "ascii"),
    ],
)
def test_dots_are_those_that_the_terminal_can_show(environment, expected):
    assert usual_marker(environment) == expected


def test_each_measured_point_of_a_benchmark_is_its_letter_in_a_frame_with_round_ends():
    points = Curve(label="a", run_id="a", xs=(10.0, 97.0), ys=(1.3, 1.0))
    other = Curve(label="b", run_id="b", xs=(20.0, 60.0), ys=(1.4, 1.2))
    figure = Figure(title="t", x_label="MiB", y_label="× plain", curves=(points, other))
    marks = [Mark(letter=letter, colour=(255, 0, 0)) for letter in "PQ"]

    text = Text.from_ansi(measured_points(figure, marks, 60, 16)).plain

    lines = text.splitlines()
    assert [text.count(letter) for letter in "PQ"] == [2, 2]
    assert len(lines) == 16
    assert {len(line) for line in lines} == {60}
    assert "MiB" in text
    assert " 0 " in lines[-2]


ANY = st.one_of(st.floats(width=32), st.sampled_from([0.0, math.nan, math.inf, -math.inf]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(ANY, ANY), min_size=1, max_size=6), ANY, st.booleans(), st.booleans())
def test_no_number_on_either_axis_keeps_a_chart_from_being_drawn(points, x, log_x, log_y):
    xs, ys = zip(*points, strict=True)
    band = tuple((a, b, b) for a, b in points)
    curve = Curve(
        label="a", run_id="", xs=xs, ys=ys, raw=tuple(points), gaps=(x, *xs[:1]), band=band
    )
    figure = Figure(
        title="", x_label="", y_label="", curves=(curve,), logarithmic=log_y, logarithmic_x=log_x
    )
    mark = Mark(letter="A", colour=(0, 0, 0))
    picture = drawn(figure, [mark], 40, 8, marker="ascii")
    assert len(with_cursor(picture, x, "ascii").lines) == 8
    assert len(heat.drawn(figure, 40, 8, marker="ascii", cursor=x).lines) == 8


def test_a_single_huge_place_on_the_axis_is_drawn():
    curve = Curve(label="a", run_id="", xs=(1e38,), ys=(1e38,))
    figure = Figure(title="", x_label="", y_label="", curves=(curve,), left=1e38, right=1e38)
    mark = Mark(letter="A", colour=(0, 0, 0))
    assert len(with_cursor(drawn(figure, [mark], 40, 8), 1e38, "braille").lines) == 8
    assert len(heat.drawn(figure, 40, 8, cursor=1e38).lines) == 8


@pytest.mark.parametrize(
    ("ys", "top"), [([0.2, 2.3], "2.5"), ([0.0, 1.0], "1"), ([0.031, 0.94], "1")]
)
def test_a_short_axis_says_its_upper_end_and_says_it_truly(ys, top):
    for height in range(5, 12):
        lines = rows(drawn(figure(curve(ys)), [BLUE], 40, height))
        labels = [line[: line.index("│")].strip() for line in lines if "│" in line]
        assert any(labels[:2]), height
        assert not labels[0] or float(labels[0]) == float(top), height


def test_the_end_of_an_axis_that_would_take_many_columns_has_no_label():
    lines = rows(drawn(figure(curve([1.234567] * 2)), [BLUE], 40, 6))
    assert max(line.index("│") for line in lines if "│" in line) <= 6


def test_a_letter_on_the_way_does_not_hide_a_crossing():
    there_and_back = [float(n) for n in range(41)]
    crossing = figure(curve(there_and_back), curve(there_and_back[::-1]), curve([20.0] * 41))
    marks = [BLUE, RED, Mark(letter="C", colour=(0, 255, 0))]
    lines = rows(drawn(crossing, marks, 60, 15))
    gutter = lines[0].index("│") + 1
    middle = [line[gutter + 26 : gutter + 30] for line in lines[5:8]]
    assert not set("ABC") & set("".join(middle)), lines
    assert all(sum(line[gutter:-2].count(letter) for line in lines) == 1 for letter in "ABC")


@pytest.mark.parametrize("most", range(2, 12))
@pytest.mark.parametrize(
    ("low", "high"),
    [(1.3e-8, 1.5e-7), (1.1e-8, 8e-8), (2.05, 2.95), (0.5, 4.2), (3.1e-4, 2e-3), (1e-7, 3e-7), (2.1e-7, 2.2e-7)],
)  # fmt: skip
def test_ticks_of_a_short_logarithmic_axis_are_round_and_say_their_place(low, high, most):
    found = Scale(low, high, logarithmic=True).ticks(most)
    assert 2 <= len(found) <= most
    for place, text in found:
        assert low * (1 - 1e-9) <= place <= high * (1 + 1e-9)
        assert float(text) == pytest.approx(place, rel=1e-9)
    digits = {len(text.partition("e")[0].replace(".", "").lstrip("0")) for _, text in found}
    assert "e" not in found[0][1] or max(digits) - min(digits) <= 1, found


def test_letters_at_the_ends_stand_in_the_order_of_the_values():
    """Also where the nearest free row of the more important curve would be that of another."""
    marks = [BLUE, RED, Mark(letter="C", colour=(0, 255, 0))]
    for ends in ([99.0, 97.0, 95.0], [1.0, 2.0, 3.0], [50.0, 51.0, 49.0]):
        curves = [curve([50.0, end]) for end in ends] + [curve([0.0, 100.0])]
        lines = rows(drawn(figure(*curves), [*marks, Mark(letter="D", colour=(9, 9, 9))], 40, 12))
        at = {
            letter: n for n, line in enumerate(lines) for letter in "ABCD" if line[-2:-1] == letter
        }
        assert sorted("ABC", key=at.get) == sorted("ABC", key=lambda each: -ends["ABC".index(each)])
        assert len(set(at.values())) == 4


def test_a_curve_of_one_point_has_its_letter_once():
    lines = "".join(rows(drawn(figure(curve([1.0]), curve([2.0])), [BLUE, RED], 40, 9)))
    assert lines.count(BLUE.letter) == lines.count(RED.letter) == 1
