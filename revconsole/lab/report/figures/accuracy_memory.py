"""Test accuracy against the memory kept for the backward pass: what a scheme gives for what it takes."""

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
"""Between sizes further apart than this factor the axis is logarithmic."""


SEE_THROUGH = 0.75
"""Opacity of a point: arms stand where they are, and may lie on one another."""
ALIKE = 1.02
"""Where all sizes are within this factor there is nothing to draw them against."""


def caption(results: Results) -> str:
    """The caption: what the figure shows."""
    return f"Test accuracy against the memory kept for the backward pass: {curves.about(results)}"


def draw(results: Results) -> "Figure | None":
    """A point for each arm with its deviation; None for fewer than two, and where all keep the same."""
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
    for index, name, size, found in rows:
        style = drawing.style(index)
        axes.errorbar(
            size / each, found.mean * 100, yerr=(found.deviation or 0.0) * 100, fmt=style.marker,
            color=style.colour, alpha=SEE_THROUGH, capsize=3, markersize=7, label=drawing.label(name),
        )  # fmt: skip
    axes.margins(x=0.1)
    axes.set_xlabel(f"kept for backward ({unit})")
    axes.set_ylabel("test accuracy (%)")
    drawing.legend(figure, axes)
    return figure
