"""Statistics of a few seeds: mean with sample deviation, and the paired t-test of a difference.

Student 1908. With few seeds the test only finds differences that are large beside the deviation of the differences; a test
that finds none does not show that there is none.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LEVEL = 0.05
"""Significance level: a difference with a larger p is not distinguishable from chance."""
FEWEST = 3
"""Fewest pairs that are tested."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanSpread:
    """Mean and sample deviation of n values; a single value has no deviation."""

    mean: float
    deviation: float | None
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanDifference:
    """Mean of the values minus the baseline. p: two-sided; None if not tested, for the reason in `why_untested`."""

    mean: float
    pairs: int
    p: float | None = None
    why_untested: str = ""

    @property
    def distinguishable(self) -> bool:
        """Whether the difference is distinguishable from chance at `LEVEL`."""
        return self.p is not None and self.p <= LEVEL and self.pairs >= FEWEST


def spread(values: Sequence[float]) -> MeanSpread | None:
    """Mean and sample deviation (divided by n - 1); None without values."""
    if not values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return MeanSpread(mean=statistics.fmean(values), deviation=deviation, n=len(values))


def difference(
    values: Mapping[int, float], baseline: Mapping[int, float], *, copies: bool = False
) -> MeanDifference | None:
    """Mean difference of values and baseline, both by seed; None if one of them has no values.

    The test is paired by seed and needs the same seeds on both sides. copies: whether several seeds of either side gave one
    result, which is not a sample and is not tested.
    """
    if not values or not baseline:
        return None
    mean = statistics.fmean(values.values()) - statistics.fmean(baseline.values())
    if copies:
        return MeanDifference(mean=mean, pairs=0, why_untested="several seeds gave one result")
    if values.keys() != baseline.keys():
        return MeanDifference(mean=mean, pairs=0, why_untested="different seeds")
    gains = [values[seed] - baseline[seed] for seed in values]
    if len(gains) < FEWEST:
        seeds = "1 seed" if len(gains) == 1 else f"{len(gains)} seeds"
        return MeanDifference(mean=mean, pairs=len(gains), why_untested=seeds)
    if math.isclose(max(gains), min(gains), abs_tol=1e-12):
        return MeanDifference(mean=mean, pairs=len(gains), why_untested="the same for every seed")
    return MeanDifference(mean=mean, pairs=len(gains), p=_paired_p(values, baseline))


def two_sided_p(t: float, freedom: int) -> float:
    """Probability that |T| is |t| or more, for Student's T with a whole number of degrees of freedom.

    The finite series in the cosine of arctan(t / sqrt(freedom)), which a console can evaluate at every redraw; scipy, which
    the tests compare it with, takes a second to import. Source: Abramowitz and Stegun 1964, 26.7.3 and 26.7.4.
    """
    angle = math.atan(abs(t) / math.sqrt(freedom))
    odd, squared = freedom % 2, math.cos(angle) ** 2
    term = total = math.cos(angle) if odd else 1.0
    for k in range(2 + odd, freedom - 1, 2):
        term *= squared * (k - 1) / k
        total += term
    if freedom == 1:
        return 1 - 2 * angle / math.pi
    inside = math.sin(angle) * total
    return max(0.0, 1 - (2 * (angle + inside) / math.pi if odd else inside))


def _paired_p(values: Mapping[int, float], baseline: Mapping[int, float]) -> float:
    gains = [values[seed] - baseline[seed] for seed in values]
    error = statistics.stdev(gains) / math.sqrt(len(gains))
    return two_sided_p(statistics.fmean(gains) / error, len(gains) - 1)
