"""Test accuracy against the memory kept for the backward pass: the trade-off of each scheme."""

from typing import TYPE_CHECKING

from revconsole.lab import format as form
from revconsole.lab.report import drawing
from revconsole.lab.report.figures import curves
from revconsole.lab.report.numbers import arm_rows
from revconsole.lab.report.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "accuracy-memory"
LOGARITHMIC_FROM = 8.0
"""Ratio of the largest to the smallest size above which the axis is logarithmic."""


SEE_THROUGH = 0.75
"""Opacity of a point, because points may overlap."""
ALIKE = 1.02
"""Ratio of sizes below which all sizes count as the same and no figure is drawn."""


def caption(results: Results) -> str:
    """The caption: what the figure shows."""
    return f"Test accuracy against the memory kept for the backward pass: {curves.about(results)}"


def draw(results: Results) -> "Figure | None":
    """A point with its deviation for each arm; None for fewer than two arms, and if all keep the same memory."""
    rows = [
        (index, row.name, row.kept_bytes, row.accuracy)
        for index, row in enumerate(arm_rows(results))
        if row.kept_bytes and row.accuracy
    ]
    sizes = [size for _, _, size, _ in rows]
    if len(rows) < 2 or max(sizes) < ALIKE * min(sizes):
        return None
    figure, (axes,) = drawing.canvas()
    logarithmic = max(sizes) > LOGARITHMIC_FROM * min(sizes)
    if logarithmic:
        drawing.logarithmic(axes)
    each, unit = form.memory_unit(max(sizes))
    for index, name, size, accuracy in rows:
        style = drawing.style(index)
        axes.errorbar(
            size / each, accuracy.mean * 100, yerr=(accuracy.deviation or 0.0) * 100, fmt=style.marker,
            color=style.colour, alpha=SEE_THROUGH, capsize=3, markersize=7, label=drawing.label(name),
        )  # fmt: skip
    axes.margins(x=0.1)
    axes.set_xlabel(f"kept for backward ({unit})")
    axes.set_ylabel("test accuracy (%)")
    drawing.legend(figure, axes)
    return figure
