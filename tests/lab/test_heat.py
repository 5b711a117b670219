"""Heat maps: a row for each block, shades that say how high."""

from dataclasses import replace

from revconsole.lab.curves import heat, legend
from revconsole.lab.curves.figures import Curve, Figure


def of_blocks(*rows, **more):
    curves = tuple(
        Curve(label=f"block {n}", run_id="", xs=tuple(map(float, range(len(ys)))), ys=tuple(ys))
        for n, ys in enumerate(rows)
    )
    ends = {"left": 0.0, "right": float(len(rows[0]) - 1)} | more
    return Figure(
        title="gradient", x_label="step", y_label="", curves=curves, by_block=True, **ends
    )


def texts(figure, width=26, height=4, marker="ascii"):
    picture = heat.drawn(figure, width, height, marker=marker)
    return ["".join(text for text, _ in line) for line in picture.lines]


def test_every_block_has_a_row_and_the_highest_the_darkest_sign():
    lines = texts(of_blocks([1e-6] * 22, [1e-3] * 22, [1.0] * 22))
    assert [line[0] for line in lines[:3]] == ["0", "1", "2"]
    assert {line[2:24] for line in lines[:1]} == {"." * 22}
    assert lines[2][2:24] == "#" * 22
    assert lines[1][2] not in ".#"


def test_many_blocks_share_rows_and_none_is_left_out():
    figure = of_blocks(*([[1.0] * 22] * 11), [100.0] * 22)
    lines = texts(figure, height=4)
    assert lines[2][3:20] == "#" * 17


def test_between_two_measurements_the_earlier_one_holds_and_a_gap_is_crossed():
    sparse = Curve(label="", run_id="", xs=(0.0, 10.0), ys=(1.0, 100.0), gaps=(20.0,))
    figure = replace(of_blocks([1.0]), curves=(sparse,), right=20.0)
    line = texts(figure, height=2)[0]
    assert line[2:12] == "." * 10
    assert line[23] == "x"
    assert set(line[13:22]) == {"#"}


def test_the_cursor_crosses_every_row():
    picture = heat.drawn(of_blocks([1.0] * 22, [2.0] * 22), 26, 3, marker="ascii", cursor=10.0)
    assert all("".join(t for t, _ in line)[12] == ":" for line in picture.lines[:2])


def test_the_legend_says_when_the_values_are_smoothed_and_by_how_much():
    figure = of_blocks([1e-6] * 4, [1.0] * 4)
    smoothed = replace(figure, curves=tuple(replace(c, weight=0.9) for c in figure.curves))
    assert not any("smoothed" in "".join(form) for _, form in legend.headings(figure, []))
    *told, (_, last) = legend.headings(smoothed, [])
    assert all("smoothed 0.9" in "".join(form) for _, form in told)
    assert last == []
