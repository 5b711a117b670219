"""Derived columns: what is computed from every value of a series, and continues where it stopped when values are added."""

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from revconsole.lab.curves.smoothing import Average
from revconsole.records.logs.columns import NOWHERE, Pyramid
from revconsole.records.runs.run import Series

ROUGH = 4.0
"""A series is noisy if its values travel more than this many times their range."""
LEAST_NOISY = 24
"""Fewest values that can be called noisy."""


@dataclass(slots=True)
class Tally:
    """Counts over the values of a series, and how far they travel: the sum of their absolute differences."""

    length: int = 0
    not_finite: int = 0
    not_positive: int = 0
    travelled: float = 0.0
    last: float = math.nan

    def extend(self, values: Iterable[float]) -> None:
        """Take in more values."""
        for value in values:
            self.length += 1
            if not math.isfinite(value):
                self.not_finite += 1
                continue
            self.not_positive += value <= 0
            if math.isfinite(self.last):
                self.travelled += abs(value - self.last)
            self.last = value


@dataclass
class Highest:
    """The largest value so far at each value; one that is not finite does not count."""

    values: "array[float]" = field(default_factory=lambda: array("d"))
    top: float = -math.inf

    def __post_init__(self) -> None:
        self.pyramid = Pyramid(self.values)

    @property
    def length(self) -> int:
        """The number of values taken in so far."""
        return len(self.values)

    def extend(self, values: Iterable[float]) -> None:
        """Take in more values."""
        for value in values:
            self.top = max(self.top, value if math.isfinite(value) else self.top)
            self.values.append(self.top if math.isfinite(self.top) else math.nan)


_averages: "WeakKeyDictionary[Pyramid, Average]" = WeakKeyDictionary()
_tallies: "WeakKeyDictionary[Pyramid, Tally]" = WeakKeyDictionary()
_highest: "WeakKeyDictionary[Pyramid, Highest]" = WeakKeyDictionary()
"""What was derived last from each column; an entry lasts as long as its column."""


def average(series: Series, weight: float) -> Average:
    """The moving average of a series. Costs only the values added since the last call."""
    found = _averages.get(series.pyramid)
    if found is None or found.weight != weight:
        found = _averages[series.pyramid] = Average(weight)
    found.extend(series.values_from(len(found.values)))
    return found


def tally(series: Series) -> Tally:
    """The counts of a series. Costs only the values added since the last call."""
    found = _tallies.setdefault(series.pyramid, Tally())
    found.extend(series.values_from(found.length))
    return found


def highest(series: Series, present: Series | None) -> Highest:
    """The largest value so far of a series that is a peak. present: what it is the peak of; a peak is never below it.

    Two counters of the kernel disagree by a little, so the recorded peak alone can be below the present.
    """
    peak = _highest.setdefault(series.pyramid, Highest())
    new = series.values_from(peak.length)
    if present is not None and present.length:
        beside = present.values_from(peak.length)
        if present.length == 1:
            beside = list(present.values_from(0)) * len(new)
        aligned = len(beside) == len(new)
        new = [max(a, b) for a, b in zip(new, beside, strict=True)] if aligned else new
    peak.extend(new)
    return peak


def is_rough(series: Series) -> bool:
    """Whether a metric of steps jumps about so much that it is smoothed unless asked otherwise."""
    counts = tally(series)
    if series.metric.per != "step" or series.length < LEAST_NOISY:
        return False
    extremes = series.pyramid.extremes(0, series.length)
    reach = extremes.high - extremes.low
    return extremes.low_at != NOWHERE and reach > 0 and counts.travelled > ROUGH * reach
