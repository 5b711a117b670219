"""Columns: the points of one metric in memory, with a pyramid of extremes that makes decimation cheap."""

import math
import threading
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

BRANCHES = 64
"""Entries of one pyramid level that are summarised by one entry of the next."""
NOWHERE = -1


@dataclass(slots=True)
class Extremes:
    """The lowest and highest finite value and the first that is not finite, by index, the first of equal ones, or NOWHERE."""

    low: float = math.inf
    low_at: int = NOWHERE
    high: float = -math.inf
    high_at: int = NOWHERE
    gap_at: int = NOWHERE

    @property
    def points(self) -> tuple[tuple[int, float], ...]:
        """(index, value) of the lowest and highest value by index; one pair if they coincide, none if nothing is finite."""
        if self.low_at == NOWHERE:
            return ()
        low, high = (self.low_at, self.low), (self.high_at, self.high)
        return (low,) if self.low_at == self.high_at else (min(low, high), max(low, high))

    def join(self, later: "Extremes") -> None:
        """Merge the extremes of values that come later in the column."""
        if later.low < self.low:
            self.low, self.low_at = later.low, later.low_at
        if later.high > self.high:
            self.high, self.high_at = later.high, later.high_at
        if self.gap_at == NOWHERE:
            self.gap_at = later.gap_at


@dataclass(slots=True)
class Level:
    """Extremes of consecutive blocks of a column. Only full blocks are stored, so entries never change."""

    low: "array[float]" = field(default_factory=lambda: array("d"))
    low_at: "array[int]" = field(default_factory=lambda: array("q"))
    high: "array[float]" = field(default_factory=lambda: array("d"))
    high_at: "array[int]" = field(default_factory=lambda: array("q"))
    gap_at: "array[int]" = field(default_factory=lambda: array("q"))

    def append(self, extremes: Extremes) -> None:
        """Append the extremes of the next block."""
        self.low.append(extremes.low)
        self.low_at.append(extremes.low_at)
        self.high.append(extremes.high)
        self.high_at.append(extremes.high_at)
        self.gap_at.append(extremes.gap_at)

    def extremes(self, start: int, stop: int) -> Extremes:
        """Extremes over the blocks [start, stop), which must not be empty."""
        lows, highs, gaps = self.low[start:stop], self.high[start:stop], self.gap_at[start:stop]
        low, high = min(lows), max(highs)
        return Extremes(
            low,
            self.low_at[start + lows.index(low)],
            high,
            self.high_at[start + highs.index(high)],
            NOWHERE if max(gaps) == NOWHERE else next(at for at in gaps if at != NOWHERE),
        )


class Pyramid:
    """Extremes of any range of a growing column in logarithmic time; it grows when queried. Safe to share between threads."""

    def __init__(self, values: Sequence[float]) -> None:
        self._values, self._levels = values, [Level()]
        self._lock = threading.Lock()

    def extremes(self, start: int, stop: int) -> Extremes:
        """Extremes of `values[start:stop]`, which must not be empty."""
        with self._lock:
            self._grow(stop)
            extremes = Extremes()
            for level, first, last in _cover(start, stop, len(self._levels)):
                if level:
                    extremes.join(self._levels[level - 1].extremes(first, last))
                else:
                    extremes.join(_extremes(self._values[first:last], first))
        return extremes

    def _grow(self, length: int) -> None:
        """Complete every block that lies within the first `length` values."""
        lowest = self._levels[0]
        for block in range(len(lowest.low), length // BRANCHES):
            start = block * BRANCHES
            lowest.append(_extremes(self._values[start : start + BRANCHES], start))
        for number, below in enumerate(self._levels, 1):
            full = len(below.low) // BRANCHES
            if full and number == len(self._levels):
                self._levels.append(Level())  # which this loop comes to next
            for block in range(len(self._levels[number].low) if full else 0, full):
                start = block * BRANCHES
                self._levels[number].append(below.extremes(start, start + BRANCHES))


class MetricColumn:
    """The points of one metric in the order measured, 16 bytes each. ascending: whether the steps never decrease."""

    __slots__ = ("_ordered", "_pyramid", "ascending", "steps", "values")

    def __init__(
        self,
        steps: "array[int] | None" = None,
        values: "array[float] | None" = None,
        *,
        ascending: bool = True,
    ) -> None:
        self.steps = array("q") if steps is None else steps
        self.values = array("d") if values is None else values
        self.ascending = ascending
        self._pyramid: Pyramid | None = None
        self._ordered: MetricColumn | None = None

    @property
    def ordered(self) -> "MetricColumn":
        """The points by step, those of one step in the order measured: this column if they are, else a copy, which does not grow."""
        if self.ascending:
            return self
        if self._ordered is None or len(self._ordered.steps) != len(self.steps):
            places = sorted(range(len(self.steps)), key=self.steps.__getitem__)
            steps = array("q", map(self.steps.__getitem__, places))
            self._ordered = MetricColumn(steps, array("d", map(self.values.__getitem__, places)))
        return self._ordered

    @property
    def pyramid(self) -> Pyramid:
        """The pyramid over the values, made once and kept."""
        if self._pyramid is None:
            self._pyramid = Pyramid(self.values)
        return self._pyramid

    def append(self, step: int, value: float) -> None:
        """Append one point."""
        if self.steps and step < self.steps[-1]:
            self.ascending = False
        self.steps.append(step)
        self.values.append(value)

    def extend(self, more: "MetricColumn") -> None:
        """Append the points of another column."""
        if self.steps and more.steps and more.steps[0] < self.steps[-1]:
            self.ascending = False
        self.ascending = self.ascending and more.ascending
        self.steps.extend(more.steps)
        self.values.extend(more.values)

    def until(self, step: int) -> "MetricColumn":
        """A new column with the points up to `step`; this one stays as it is, because readers may hold windows onto it."""
        if self.ascending:
            keep = bisect_right(self.steps, step)
            return MetricColumn(self.steps[:keep], self.values[:keep])
        shorter = MetricColumn()
        for at, value in zip(self.steps, self.values, strict=True):
            if at <= step:
                shorter.append(at, value)
        return shorter


def _extremes(values: Sequence[float], start: int) -> Extremes:
    """Extremes of a short list of values; `start` is the index of the first one in the column."""
    if math.isfinite(sum(values)):
        low, high = min(values), max(values)
        return Extremes(low, start + values.index(low), high, start + values.index(high))
    finite = [i for i, value in enumerate(values) if math.isfinite(value)]
    gap = next((i for i, value in enumerate(values) if not math.isfinite(value)), None)
    extremes = Extremes(gap_at=NOWHERE if gap is None else start + gap)
    if finite:
        low_at, high_at = min(finite, key=values.__getitem__), max(finite, key=values.__getitem__)
        extremes.low, extremes.low_at = values[low_at], start + low_at
        extremes.high, extremes.high_at = values[high_at], start + high_at
    return extremes


def _cover(start: int, stop: int, levels: int) -> list[tuple[int, int, int]]:
    """(level, first, last) of the fewest full blocks, in order, that tile [start, stop); level 0 means single values."""
    before, after = [], []
    level = 0
    while level < levels:
        inner_start, inner_stop = -(-start // BRANCHES), stop // BRANCHES
        if inner_start >= inner_stop:
            break
        before.append((level, start, inner_start * BRANCHES))
        after.append((level, inner_stop * BRANCHES, stop))
        start, stop, level = inner_start, inner_stop, level + 1
    return [part for part in (*before, (level, start, stop), *after[::-1]) if part[1] < part[2]]
