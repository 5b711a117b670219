"""Smoothing: an exponential moving average that continues where it stopped when points are added."""

import math
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from revconsole.records.logs.columns import Pyramid


@dataclass
class Average:
    """A debiased moving average: a constant series stays constant. Values that are not finite stay in place and do not enter."""

    weight: float
    values: "array[float]" = field(default_factory=lambda: array("d"))
    average: float = 0.0
    share: float = 1.0

    def __post_init__(self) -> None:
        self.pyramid = Pyramid(self.values)

    def extend(self, values: Iterable[float]) -> None:
        """Add values to the series and their averages to `values`."""
        weight, average, share, append = self.weight, self.average, self.share, self.values.append
        for value in values:
            if not math.isfinite(value):
                append(value)
                continue
            share *= weight
            average += (value - average) * ((1 - weight) / (1 - share))
            append(average)
        self.average, self.share = average, share


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """The moving average at each value. weight: that of the past, in [0, 1)."""
    average = Average(weight)
    average.extend(values)
    return list(average.values)
