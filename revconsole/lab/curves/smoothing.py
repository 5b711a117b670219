"""Smoothing: an exponential moving average that goes on where it stopped when points are added."""

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from revconsole.records.logs.columns import Pyramid
from revconsole.records.runs.run import Series


@dataclass
class Average:
    """The average so far, debiased: a constant stays that constant from the first value on.

    Values that are not finite stay in place and do not enter the average.
    """

    weight: float
    found: "array[float]" = field(default_factory=lambda: array("d"))
    average: float = 0.0
    share: float = 1.0

    def __post_init__(self) -> None:
        self.pyramid = Pyramid(self.found)

    def extend(self, values: Iterable[float]) -> None:
        """Take more values in."""
        weight, average, share, append = self.weight, self.average, self.share, self.found.append
        for value in values:
            if not math.isfinite(value):
                append(value)
                continue
            average = weight * average + (1 - weight) * value
            share *= weight
            append(average / (1 - share))
        self.average, self.share = average, share


_averages: "WeakKeyDictionary[Pyramid, Average]" = WeakKeyDictionary()
"""The last average of each column that was drawn smoothed, for as long as the column lasts."""


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """The moving average at each value; `weight` in [0, 1) is that of the past."""
    average = Average(weight)
    average.extend(values)
    return list(average.found)


def smoothed_pyramid(series: Series, weight: float) -> Pyramid:
    """The extremes of a smoothed series; costs what was added since the last time."""
    average = _averages.get(series.pyramid)
    if average is None or average.weight != weight:
        average = _averages[series.pyramid] = Average(weight)
    average.extend(series.values_from(len(average.found)))
    return average.pyramid
