"""Statistics of a few seeds: mean with sample deviation; a difference with its paired t-test, interval and effect size.

Sources: Student 1908 (the test), Holm 1979 (several tests together), Hedges 1981 (effect sizes of few pairs). With few seeds
the test only finds differences that are large beside the deviation of the differences; a test that finds none does not show
that there is none.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

LEVEL = 0.05
"""Significance level: a difference with a larger p is not distinguishable from chance."""
FEWEST = 3
"""Fewest pairs that are tested."""
POWER = 0.8
"""Probability with which a difference of the size `detectable` is found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanSpread:
    """Mean and sample deviation of n values; a single value has no deviation."""

    mean: float
    deviation: float | None
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanDifference:
    """Mean of the values minus the baseline. p: two-sided; None if not tested, for the reason in `why_untested`.

    deviation: sample deviation of the paired differences. single_p: the p of this test alone, where `p` is corrected for
    `together` tests.
    """

    mean: float
    pairs: int
    p: float | None = None
    why_untested: str = ""
    deviation: float | None = None
    single_p: float | None = None
    together: int = 1

    @property
    def distinguishable(self) -> bool:
        """Whether the difference is distinguishable from chance at `LEVEL`."""
        return self.p is not None and self.p <= LEVEL and self.pairs >= FEWEST

    @property
    def half_width(self) -> float | None:
        """Half the width of the interval that covers the true difference with probability 1 - LEVEL, for this test alone."""
        return self._errors(quantile(LEVEL, self.pairs - 1)) if self.deviation else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The ends of that interval."""
        half = self.half_width
        return None if half is None else (self.mean - half, self.mean + half)

    @property
    def detectable(self) -> float | None:
        """About the smallest true difference that so many pairs with this deviation find with probability `POWER`.

        Shifted central quantiles instead of the noncentral t: 5 % too small for 3 pairs, 2 % for 4, less for more.
        """
        if not self.deviation:
            return None
        freedom = self.pairs - 1
        return self._errors(quantile(LEVEL, freedom) + quantile(2 * (1 - POWER), freedom))

    @property
    def effect(self) -> float | None:
        """Mean difference in units of the deviation of the paired differences, with Hedges's correction for few pairs."""
        if not self.deviation:
            return None
        half = (self.pairs - 1) / 2
        correction = math.exp(math.lgamma(half) - math.lgamma(half - 0.5)) / math.sqrt(half)
        return correction * self.mean / self.deviation

    def _errors(self, number: float) -> float:
        """So many standard errors of the mean difference."""
        return number * (self.deviation or 0.0) / math.sqrt(self.pairs)


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
    deviation = statistics.stdev(gains)
    p = two_sided_p(statistics.fmean(gains) / (deviation / math.sqrt(len(gains))), len(gains) - 1)
    return MeanDifference(mean=mean, pairs=len(gains), p=p, single_p=p, deviation=deviation)


def corrected(gains: Sequence[MeanDifference | None]) -> list[MeanDifference | None]:
    """Differences that are tested together: their p such that a false claim among all of them has probability `LEVEL` at most.

    Holm 1979: the smallest of m is multiplied by m, the next by m - 1, and none becomes smaller than one before it.
    """
    tested = [(gain.p, place) for place, gain in enumerate(gains) if gain and gain.p is not None]
    found, least = list(gains), 0.0
    for rank, (p, place) in enumerate(sorted(tested)):
        least = max(least, min(1.0, p * (len(tested) - rank)))
        if gain := gains[place]:
            found[place] = replace(gain, p=least, together=len(tested))
    return found


def quantile(p: float, freedom: int) -> float:
    """The t whose `two_sided_p` is p, by bisection."""
    low, high = 0.0, 1.0
    while two_sided_p(high, freedom) > p:
        high *= 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided_p(middle, freedom) > p else (low, middle)
    return high


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
