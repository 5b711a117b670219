"""Test accuracy against the memory kept for the backward pass: what a scheme gives for what it takes."""

from typing import TYPE_CHECKING

from revconsole.lab import format as form
from revconsole.lab.report import drawing
from revconsole.lab.report.figures import curves
from revconsole.lab.report.results import Results
from revconsole.lab.report.table import arm_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "accuracy-memory"
LOGARITHMIC_FROM = 8.0
"""Between sizes further apart than this factor the axis is logarithmic."""


def caption(results: Results) -> str:
    """What it shows."""
    return f"Test accuracy against the memory kept for the backward pass: {curves.about(results)}"


def draw(results: Results) -> "Figure | None":
    """A point for each arm with its deviation; None for fewer than two."""
    rows = [
        (index, row.name, row.kept_bytes / form.MIB, row.accuracy)
        for index, row in enumerate(arm_rows(results))
        if row.kept_bytes and row.accuracy
    ]
    sizes = [size for _, _, size, _ in rows]
    if len(rows) < 2:
        return None
    figure, (axes,) = drawing.canvas()
    for index, name, size, found in rows:
        style = drawing.style(index)
        axes.errorbar(
            size, found.mean * 100, yerr=(found.deviation or 0.0) * 100, fmt=style.marker,
            color=style.colour, capsize=3, markersize=7, label=drawing.label(name),
        )  # fmt: skip
    if max(sizes) > LOGARITHMIC_FROM * min(sizes):
        drawing.logarithmic(axes)
    axes.margins(x=0.1)
    axes.set_xlabel("kept for backward (MiB)")
    axes.set_ylabel("test accuracy (%)")
    drawing.legend(figure, axes)
    return figure
