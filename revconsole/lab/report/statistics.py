"""Statistics of a few seeds: mean with sample deviation, and the paired t-test of a difference.

Student 1908. With as few seeds as are usual here the test finds only differences that are large beside the spread of
their differences; that it finds none does not say that there is none.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LEVEL = 0.05
"""A difference with a larger p is not told from chance."""
FEWEST = 3
"""Pairs below which no test is trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanSpread:
    """Mean of n values, and their sample deviation, which one value does not have."""

    mean: float
    deviation: float | None
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanDifference:
    """Mean of values minus baseline. p: two-sided, None where `why_untested` says why."""

    mean: float
    pairs: int
    p: float | None = None
    why_untested: str = ""

    @property
    def distinguishable(self) -> bool:
        """Whether the difference is told from chance."""
        return self.p is not None and self.p <= LEVEL and self.pairs >= FEWEST


def spread(values: Sequence[float]) -> MeanSpread | None:
    """Mean and sample deviation (divided by n - 1); None of no values."""
    if not values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else None
    return MeanSpread(mean=statistics.fmean(values), deviation=deviation, n=len(values))


def difference(
    values: Mapping[int, float], baseline: Mapping[int, float], *, copies: bool = False
) -> MeanDifference | None:
    """Values minus baseline, both by seed; None if either has none.

    Tested in pairs of one seed, where both have the very same seeds: other seeds are other runs, and no pairs.
    copies: whether of either several seeds gave one answer, which is no sample and is not tested.
    """
    if not values or not baseline:
        return None
    mean = statistics.fmean(values.values()) - statistics.fmean(baseline.values())
    if copies:
        return MeanDifference(mean=mean, pairs=0, why_untested="one answer for several seeds")
    if values.keys() != baseline.keys():
        return MeanDifference(mean=mean, pairs=0, why_untested="other seeds")
    gains = [values[seed] - baseline[seed] for seed in values]
    if len(gains) < FEWEST:
        seeds = "1 seed" if len(gains) == 1 else f"{len(gains)} seeds"
        return MeanDifference(mean=mean, pairs=len(gains), why_untested=seeds)
    if math.isclose(max(gains), min(gains), abs_tol=1e-12):
        return MeanDifference(mean=mean, pairs=len(gains), why_untested="the same for every seed")
    return MeanDifference(mean=mean, pairs=len(gains), p=_paired_p(values, baseline))


def _paired_p(values: Mapping[int, float], baseline: Mapping[int, float]) -> float:
    from scipy import stats  # a second of import: only where there is something to test

    seeds = list(values)
    return float(stats.ttest_rel([values[s] for s in seeds], [baseline[s] for s in seeds]).pvalue)
