"""Test accuracy against the memory kept for the backward pass: what a scheme gives for what it takes."""

import math
from collections.abc import Sequence
from itertools import pairwise
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


ALIKE = 1.02
"""Where all sizes are within this factor there is nothing to draw them against."""
NEAR, APART = 0.025, 9.0
"""Arms nearer than this share of the axis are drawn that many points apart."""


def caption(results: Results) -> str:
    """What it shows."""
    return (
        "Test accuracy against the memory kept for the backward pass; arms that keep as good as the same are drawn "
        f"side by side: {curves.about(results)}"
    )


def draw(results: Results) -> "Figure | None":
    """A point for each arm with its deviation; None for fewer than two, and where all keep the same."""
    rows = [
        (index, row.name, row.kept_bytes / form.MIB, row.accuracy)
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
    shifts = _shifts([math.log(size) if logarithmic else size for size in sizes])
    for (index, name, size, found), shift in zip(rows, shifts, strict=True):
        style = drawing.style(index)
        axes.errorbar(
            size, found.mean * 100, yerr=(found.deviation or 0.0) * 100, fmt=style.marker,
            color=style.colour, capsize=3, markersize=7, label=drawing.label(name),
            transform=drawing.beside(axes, shift),
        )  # fmt: skip
        spread = (found.deviation or 0.0) * 100
        drawing.include(axes, [(size, found.mean * 100 + sign * spread) for sign in (-1, 1)])
    axes.margins(x=0.1)
    axes.set_xlabel("kept for backward (MiB)")
    axes.set_ylabel("test accuracy (%)")
    drawing.legend(figure, axes)
    return figure


def _shifts(places: Sequence[float]) -> list[float]:
    """By how many points each is moved, so that none hides another."""
    near = NEAR * (max(places) - min(places))
    order = sorted(range(len(places)), key=lambda index: places[index])
    groups = [[order[0]]]
    for before, index in pairwise(order):
        if places[index] - places[before] > near:
            groups.append([])
        groups[-1].append(index)
    moved = [0.0] * len(places)
    for group in groups:
        for number, index in enumerate(group):
            moved[index] = APART * (number - (len(group) - 1) / 2)
    return moved
