"""Matched: what a run gains over another after as many steps, and after as much time since it began.

The last value of a run that trained longer says nothing about a shorter one. Both are therefore read where the one that
has come less far ends: at its last validated step, or after the seconds that it took until then, without the time between attempts.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from revconsole.records.runs.run import Run, Series


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedGain:
    """Values of two runs at the same place. at: a step, or seconds since each began. Values are in the metric's own unit."""

    metric: str
    at: float
    value: float
    baseline: float

    @property
    def difference(self) -> float:
        """The run's value minus that of the baseline."""
        return self.value - self.baseline


def at_equal_step(run: Run, baseline: Run) -> MatchedGain | None:
    """The newest validation of each that is no later than the last step at which both have one; None without such a step."""
    return _matched(run, baseline, lambda _, step: float(step))


def in_equal_time(run: Run, baseline: Run) -> MatchedGain | None:
    """The newest validation of each within the shorter of their times; None without one in that time."""
    return _matched(run, baseline, lambda of, step: of.times.elapsed(step))


def _matched(run: Run, baseline: Run, place: Callable[[Run, int], float]) -> MatchedGain | None:
    """The values of both at the last place that both have reached, by the metric that chooses the run's best epoch."""
    metric = run.plan.objective.best.metric
    pair = [(each, each.series.get(metric)) for each in (run, baseline)]
    ends = [
        place(each, series.step_at(series.length - 1))
        for each, series in pair
        if series is not None and series.length
    ]
    if len(ends) < 2 or not all(end == end for end in ends):  # noqa: PLR0124  NaN: a run without times
        return None
    at = min(ends)
    value, other = (_newest(each, series, at, place) for each, series in pair if series is not None)
    if value is None or other is None:
        return None
    return MatchedGain(metric=metric, at=at, value=value, baseline=other)


def _newest(
    run: Run, series: Series, at: float, place: Callable[[Run, int], float]
) -> float | None:
    """The newest value at or before a place; None if all are later."""
    until = bisect_right(range(series.length), at, key=lambda n: place(run, series.step_at(n)))
    return series.value_at(until - 1) if until else None
