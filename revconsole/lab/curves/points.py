"""Points: every point of a curve, not only those that are drawn, and the value at a place on its axis."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from revconsole.lab.curves.axes import Place
from revconsole.records.logs.columns import Pyramid
from revconsole.records.runs.run import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class PointReading:
    """A point of a curve: its step, its place on the axis, the value drawn there and the value as recorded."""

    step: int
    x: float
    y: float
    raw: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CurvePoints:
    """A series with the values that are drawn, each times `scale`, at the places of its steps.

    drawn: a value for each of the series' values; None draws them as recorded. ordered: whether later steps are never further left.
    """

    series: Series
    drawn: Sequence[float] | None
    pyramid: Pyramid
    place: Place
    scale: float
    ordered: bool
    end: float = math.inf

    @property
    def length(self) -> int:
        """The number of points."""
        return self.series.length

    def reading(self, index: int) -> PointReading:
        """The point at an index."""
        step = self.series.step_at(index)
        raw = self.series.value_at(index)
        drawn = raw if self.drawn is None else self.drawn[index]
        return PointReading(
            step=step, x=self.place(step), y=drawn * self.scale, raw=raw * self.scale
        )

    def near(self, x: float) -> int | None:
        """The index of the point nearest to a place on the axis; None without a point that has a place."""
        if not self.length:
            return None
        if not self.ordered:
            places = ((abs(self.x_at(i) - x), i) for i in range(self.length))
            return min(((d, i) for d, i in places if math.isfinite(d)), default=(0.0, None))[1]
        right = self.first_from(x)
        near = (i for i in (right - 1, right) if 0 <= i < self.length)
        return min(near, key=lambda i: abs(self.x_at(i) - x))

    def at(self, x: float) -> PointReading | None:
        """The point nearest to a place on the axis; None without points."""
        index = self.near(x)
        return None if index is None else self.reading(index)

    def known_at(self, x: float) -> PointReading | None:
        """The point nearest to a place that the run has reached; None beyond it."""
        return None if self.ordered and x > self.end else self.at(x)

    def first_from(self, x: float) -> int:
        """The index of the first point at `x` or right of it. Needs ordered points."""
        return bisect_left(range(self.length), x, key=self.x_at)

    def stretch(self, left: float, right: float) -> tuple[int, int]:
        """The points between two places, with one neighbour on each side: [start, stop)."""
        if not self.ordered:
            return 0, self.length
        start, stop = self.first_from(left), self.first_from(right)
        return max(0, start - 1), min(self.length, stop + 1)

    def x_at(self, index: int) -> float:
        """The place of the point at an index."""
        return self.place(self.series.step_at(index))
