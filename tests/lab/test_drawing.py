"""Legends: read like text, whatever number of names they hold."""

import pytest

from revconsole.lab.report import drawing
from revconsole.lab.report.figures import positions
from revconsole.records.findings.inspection import Positions


@pytest.mark.parametrize("names", [1, 2, 4, 5, 7, 9])
def test_a_legend_reads_along_its_rows_and_leaves_no_row_nearly_empty(names):
    with drawing.drawn():
        figure, (axes,) = drawing.canvas()
        for k in range(names):
            axes.plot([0, 1], [k, k], label=f"arm {k}")
        drawing.legend(figure, axes)
        figure.draw_without_rendering()
        texts = figure.legends[0].get_texts()
        corners = {text.get_text(): text.get_window_extent() for text in texts}

    read = sorted(corners, key=lambda name: (-round(corners[name].y0), corners[name].x0))
    assert read == [f"arm {k}" for k in range(names)]
    rows = [round(corner.y0) for corner in corners.values()]
    assert max(rows.count(y) for y in rows) - min(rows.count(y) for y in rows) <= 2


def test_one_long_name_among_many_does_not_put_all_below_one_another():
    with drawing.drawn():
        figure, (axes,) = drawing.canvas()
        for k in range(11):
            axes.plot(
                [0, 1], [k, k], label=drawing.label("a long name " * 5 if k == 4 else f"arm {k}")
            )
        drawing.legend(figure, axes)
        figure.draw_without_rendering()
        texts = figure.legends[0].get_texts()

    assert len({round(text.get_window_extent().x0) for text in texts}) == 2
    assert figure.legends[0].get_window_extent().width <= figure.bbox.width


@pytest.mark.parametrize("side", [2, 14])
def test_positions_keep_their_labels_and_thin_lines_between_tiles(side):
    """Of a grid of 2×2 the label of its rows was cut off, and the lines were as wide as a number."""
    same = tuple(tuple(float(k == n) for k in range(side**2)) for n in range(side**2))
    with drawing.drawn():
        figure = positions.draw(
            Positions(kind="learned", grid=(side, side), similarity=same, table=same)
        )
        figure.draw_without_rendering()
        label = figure.axes[0].yaxis.label.get_window_extent()

    assert label.x0 >= 0
    tiles = figure.axes[0].images[0].get_array()
    lines = [row for row in tiles.mask if row.all()]
    assert len(lines) == side - 1
    assert len(lines) / len(tiles) < 1 / 8
