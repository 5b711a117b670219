"""Memory that each arm keeps for the backward pass, as bars."""

from typing import TYPE_CHECKING

from revconsole.lab import format as form
from revconsole.lab.report import drawing
from revconsole.lab.report.numbers import arm_rows
from revconsole.lab.report.results import Results

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "memory"
MARGIN, ROW = 0.7, 0.4
"""Inches of the axis, and of a bar."""
NAME_SIGNS = 40
"""Most letters of a name beside its bar, in a figure as wide as the text."""


def caption(_results: Results) -> str:
    """The caption: what the figure shows."""
    return "Memory that the forward pass of one micro-batch keeps for its backward, parameters not counted."


def draw(results: Results) -> "Figure | None":
    """A bar with its number for each arm; None if nothing was counted."""
    rows = [(i, row) for i, row in enumerate(arm_rows(results)) if row.kept_bytes is not None]
    if not rows:
        return None
    each, unit = form.memory_unit(max(row.kept_bytes or 0.0 for _, row in rows))
    figure, (axes,) = drawing.canvas(size=(drawing.room(), MARGIN + ROW * len(rows)))
    longest = int(NAME_SIGNS * drawing.room() / drawing.WIDTH)
    for place, (index, row) in enumerate(rows):
        style, size = drawing.style(index), (row.kept_bytes or 0.0) / each
        axes.barh(
            place, size, color=style.colour, alpha=0.8, hatch=style.hatch, edgecolor="white", height=0.6
        )  # fmt: skip
        axes.annotate(
            form.memory(row.kept_bytes), (size, place), xytext=(4, 0),
            textcoords="offset points", va="center",
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), [drawing.label(row.name, longest) for _, row in rows])
    axes.invert_yaxis()
    axes.margins(x=0.2)
    axes.set_xlabel(f"kept for backward ({unit})")
    axes.grid(visible=False, axis="y")
    return figure
