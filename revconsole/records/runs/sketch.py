"""Sketch: a curve of a long run in a few numbers, for a row of a table."""

import math
from collections.abc import Sequence
from functools import reduce
from operator import add

MOST_POINTS = 48
"""Most points of a sketch; it is even, because points are merged in pairs."""
DIGITS = 4
"""Significant digits of a point; a table row is eight cells high at most."""


class Sketch:
    """Means of equally many consecutive values, merged with their neighbours when too many; NaN over what is not finite."""

    def __init__(self) -> None:
        self._means: list[float] = []
        self._ends: list[int] = []
        self._stride, self._sum, self._count = 1, 0.0, 0

    def add(self, step: int, value: float) -> None:
        """Append the value of a step."""
        self._sum += value
        self._count += 1
        if self._count == self._stride:
            self._close(step)

    def extend(self, steps: Sequence[int], values: Sequence[float]) -> None:
        """Append many values, as if one by one."""
        place = 0
        while place < len(values):
            stop = min(place + self._stride - self._count, len(values))
            self._sum = reduce(add, values[place:stop], self._sum)  # `sum` rounds in another way
            self._count += stop - place
            if self._count == self._stride:
                self._close(steps[stop - 1])
            place = stop

    def cut(self, step: int) -> None:
        """Drop what lies beyond a step. Values before it that are not yet a whole mean are dropped too."""
        while self._ends and self._ends[-1] > step:
            self._ends.pop()
            self._means.pop()
        self._sum, self._count = 0.0, 0

    def points(self) -> tuple[float, ...]:
        """The means in order, with four significant digits; the last may be of fewer values."""
        last = [self._sum / self._count] if self._count else []
        return tuple(_rounded(mean) for mean in (*self._means, *last))

    def _close(self, step: int) -> None:
        mean = self._sum / self._count
        self._means.append(mean if math.isfinite(mean) else math.nan)
        self._ends.append(step)
        self._sum, self._count = 0.0, 0
        if len(self._means) == MOST_POINTS:
            self._means = [
                (a + b) / 2 for a, b in zip(self._means[::2], self._means[1::2], strict=True)
            ]
            self._ends = self._ends[1::2]
            self._stride *= 2


def _rounded(value: float) -> float:
    """The value with few digits; every NaN is the same object, so that equal sketches compare equal."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else math.nan
