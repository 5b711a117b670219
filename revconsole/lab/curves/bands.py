"""Bands: runs that differ only in their seed as one curve, their mean, with the deviation around it."""

import math
from collections.abc import Iterator, Sequence
from statistics import fmean, stdev

from revconsole.lab.curves.points import CurvePoints
from revconsole.records.runs.run import Run, Series
from revconsole.records.settings.typing_again import flat_settings


def arms(runs: Sequence[Run]) -> list[tuple[Run, ...]]:
    """The runs in groups that differ only in their seed, each with its seeds once; in the order of their first run."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(repr(flat_settings(run.plan)), []).append(run)
    return [part for group in groups.values() for part in _once_each(group)]


def _once_each(group: Sequence[Run]) -> list[tuple[Run, ...]]:
    """The group itself if every run has a seed of its own; else each run for itself."""
    seeds = {run.plan.seed for run in group}
    return [tuple(group)] if len(seeds) == len(group) else [(run,) for run in group]


def mean(every: Sequence[Series]) -> Series | None:
    """The mean of series at each step, over those that got as far; None if they were not measured at the same steps."""
    steps = max((series.steps for series in every), key=len)
    if any(series.steps != steps[: series.length] for series in every):
        return None
    longest = len(steps)
    columns = [[*series.values, *[None] * (longest - series.length)] for series in every]
    values = [
        fmean([value for value in row if value is not None]) for row in zip(*columns, strict=True)
    ]
    return Series(every[0].metric, steps, values, longest)


def band(
    members: Sequence[CurvePoints], xs: Sequence[float], ys: Sequence[float]
) -> Iterator[tuple[float, float, float]]:
    """Yield (x, low, high) around the mean `ys`: one standard deviation of the members, where two or more got as far."""
    lasts = [points.x_at(points.length - 1) for points in members]
    for x, y in zip(xs, ys, strict=True):
        there = [
            reading.y
            for points, last in zip(members, lasts, strict=True)
            if last >= x and (reading := points.at(x)) is not None and math.isfinite(reading.y)
        ]
        if len(there) > 1:
            deviation = stdev(there)
            yield x, y - deviation, y + deviation
