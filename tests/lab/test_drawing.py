"""Legends: read like text, whatever number of names they hold."""

import pytest

from revconsole.lab.report import drawing


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
