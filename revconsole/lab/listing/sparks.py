"""Sparks: curves in one line or in a few, from the short curve of a row; nothing is read for them."""

import math
from collections.abc import Sequence
from itertools import pairwise

from revconsole.lab.curves.cells import Cells, Ink, Marker

BARS = "▁▂▃▄▅▆▇"
"""Without the full block, so that the curves of two rows do not touch."""
NOT_FINITE = "×"
PLAIN_BARS, PLAIN_GAP = "_.-^", "x"
"""On a terminal without Unicode."""


def sparkline(values: Sequence[float], width: int, marker: Marker = "braille") -> str:
    """A curve in one line of `width` cells at most: each cell is the mean of its share; × where a value is not finite."""
    if not values:
        return ""
    cells = min(width, len(values))
    edges = [place * len(values) // cells for place in range(cells + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, span = _range(means)
    bars, gap = (PLAIN_BARS, PLAIN_GAP) if marker == "ascii" else (BARS, NOT_FINITE)
    return "".join(
        bars[round((mean - low) / span * (len(bars) - 1))] if math.isfinite(mean) else gap
        for mean in means
    )


def small_curve(values: Sequence[float], width: int, height: int, marker: Marker) -> list[str]:
    """A curve as `height` lines, `width` cells wide, from the lowest value to the highest; gaps where not finite."""
    cells = Cells(width, height, marker)
    low, span = _range(values)
    before = None
    for x, value in enumerate(_stretched(values, cells.width)):
        here = None
        if math.isfinite(value):
            here = (x, round((1 - (value - low) / span) * (cells.height - 1)))
            cells.line(before or here, here, Ink())
        before = here
    return ["".join(text for text, _ in line) for line in cells.lines()]


def _stretched(values: Sequence[float], count: int) -> list[float]:
    """`count` values along the straight lines between the given ones."""
    if len(values) < 2:
        return list(values) * count
    places = [n * (len(values) - 1) / (count - 1) for n in range(count)]
    return [
        values[int(p)] + (p - int(p)) * (values[min(int(p) + 1, len(values) - 1)] - values[int(p)])
        for p in places
    ]


def _range(values: Sequence[float]) -> tuple[float, float]:
    """The lowest finite value, and the span up to the highest; 1 for a flat curve."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    return low, (high - low) or 1.0
