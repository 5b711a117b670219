"""Test accuracy against the value that a study varies."""

from typing import TYPE_CHECKING

from revconsole.lab.report import drawing, wording
from revconsole.lab.report.figures import curves
from revconsole.lab.report.numbers import arm_rows
from revconsole.lab.report.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "accuracy-swept"
LOGARITHMIC_FROM = 4.0
"""Ratio of the largest to the smallest value, all above 0, above which the axis is logarithmic."""


def caption(results: Results) -> str:
    """The caption: what the figure shows."""
    swept = wording.full_name(results.swept)
    return f"Test accuracy against {swept}; grey strokes are single seeds: {curves.about(results)}"


def draw(results: Results) -> "Figure | None":
    """Mean and single runs against the varied value; None for a study that varies nothing."""
    rows = sorted(
        (row.swept, arm, row.accuracy)
        for arm, row in enumerate(arm_rows(results))
        if row.swept is not None and row.accuracy is not None
    )
    if len(rows) < 2:
        return None
    figure, (axes,) = drawing.canvas()
    values = [value for value, _, _ in rows]
    first = drawing.style(0)
    for value, arm, _ in rows:
        single = list(results.arms[arm].by_seed("test_accuracy").values())
        axes.plot(
            [value] * len(single), [100 * a for a in single], "_", color="#555555", markersize=9, zorder=3,
        )  # fmt: skip
    axes.errorbar(
        values, [accuracy.mean * 100 for _, _, accuracy in rows],
        yerr=[(accuracy.deviation or 0.0) * 100 for _, _, accuracy in rows],
        fmt=first.line + first.marker, color=first.colour, capsize=3, markersize=5,
    )  # fmt: skip
    if values[0] > 0 and values[-1] > LOGARITHMIC_FROM * values[0]:
        drawing.logarithmic(axes)
    axes.set_xticks(values, [f"{value:g}" for value in values])
    axes.minorticks_off()
    axes.set_xlabel(wording.full_name(results.swept))
    axes.set_ylabel("test accuracy (%)")
    return figure
