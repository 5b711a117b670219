"""Axes: what the horizontal axis of a figure counts, and where on it a step of a run is."""

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence

from revconsole.lab.curves.units import unit_of
from revconsole.records.runs.run import Run

STEP, EPOCH, ELAPSED, WALL = "step", "epoch", "elapsed", "wall"
KINDS = (STEP, EPOCH, ELAPSED, WALL)
"""The horizontal axes of every run; any other axis is the name of a metric."""
WORDS = {STEP: "step", EPOCH: "epoch", ELAPSED: "time", WALL: "clock"}
Place = Callable[[int], float]
"""From a step to its place on the axis; NaN where it has none."""


def ordered(horizontal: str) -> bool:
    """Whether later steps are never further left."""
    return horizontal in KINDS


def place(run: Run, horizontal: str) -> Place:
    """Where the steps of a run are on the axis. On that of a metric a step is at the metric's newest value."""
    if horizontal == EPOCH:
        each = run.facts.get("steps_per_epoch")
        divisor = each if isinstance(each, int) and each > 0 else 1
        return lambda step: step / divisor
    if horizontal == ELAPSED:
        return run.times.elapsed
    if horizontal == WALL:
        return run.times.wall
    if horizontal == STEP:
        return float
    return _along(run, horizontal)


def _along(run: Run, metric: str) -> Place:
    series = run.series.get(metric)
    if series is None or not series.length:
        return lambda _: float("nan")
    steps, values = series.steps, series.values
    _, scale = unit_of(series.metric)

    def at(step: int) -> float:
        index = bisect_right(steps, step) - 1
        return values[index] * scale if index >= 0 else float("nan")

    return at


def extent(runs: Sequence[Run], horizontal: str) -> tuple[float, float]:
    """The ends of the axis: from the start to the newest step of any run; those of its values for the axis of a metric."""
    if horizontal not in KINDS:
        return _of_metric(runs, horizontal)
    places = [(place(run, horizontal), newest(run)) for run in runs]
    ends = [end for at, step in places if math.isfinite(end := at(step))]
    starts = [start for at, _ in places if math.isfinite(start := at(0))]
    low = min(starts, default=0.0) if horizontal == WALL else 0.0
    return low, max([*ends, low + 1.0])


def newest(run: Run) -> int:
    """The newest step of which anything is known."""
    lasts = [series.step_at(series.length - 1) for series in run.series.values() if series.length]
    return max([run.summary.step, *lasts])


def _of_metric(runs: Sequence[Run], metric: str) -> tuple[float, float]:
    every = [run.series[metric] for run in runs if metric in run.series]
    extremes = [(s.pyramid.extremes(0, s.length), unit_of(s.metric)[1]) for s in every if s.length]
    lows = [e.low * scale for e, scale in extremes if math.isfinite(e.low)]
    highs = [e.high * scale for e, scale in extremes if math.isfinite(e.high)]
    low = min(lows, default=0.0)
    return low, max([*highs, low + 1e-9])
