"""MeasuredBlock: many consecutive measurements of one attempt, stored metric by metric instead of line by line."""

import math
from dataclasses import dataclass, field
from typing import TypeVar

from revconsole.records.logs.columns import MetricColumn
from revconsole.records.logs.events import EpochFinished, Measured

OF_STEPS = frozenset({"loss", "images_per_second"})
"""Metrics that only training steps measure; a step measures at least one of them."""
REPORTED = "resident_bytes"
"""Metric that accompanies the last step of each report, and the measurements before the first step."""
PROBE = "probe_seconds"
"""Metric: seconds that a probe of the reversible backward took; they do not count as training."""
LEFT = "seconds_left"
"""Metric: remaining seconds as a fitted model (SVM) estimates them itself, because its steps differ in length."""

Mark = tuple[int, float]
"""(step, seconds since the attempt began)."""
Number = TypeVar("Number", int, float)


@dataclass(slots=True)
class Marks:
    """Progress within one epoch: its first and its latest report.

    announced: (remaining seconds as the run itself estimates them, seconds since the attempt began when it said so).
    """

    first: Mark | None = None
    latest: Mark | None = None
    announced: tuple[float, float] | None = None

    def add(self, event: Measured, elapsed: float) -> None:
        """Update the marks from one measurement. elapsed: seconds since the attempt began."""
        mark = (event.step, elapsed)
        if math.isfinite(event.values.get(LEFT, math.nan)):
            self.announced = (event.values[LEFT], elapsed)
        if REPORTED in event.values and not OF_STEPS.isdisjoint(event.values):
            self.first, self.latest = self.first or mark, mark

    def join(self, later: "Marks", *, rested: float) -> None:
        """Merge the marks of a later part of the same epoch. rested: paused seconds to subtract from its clock."""
        self.first = self.first or _earlier(later.first, rested)
        self.latest = _earlier(later.latest, rested) or self.latest
        self.announced = _earlier(later.announced, rested) or self.announced


def _earlier(mark: tuple[Number, float] | None, seconds: float) -> tuple[Number, float] | None:
    return None if mark is None else (mark[0], mark[1] - seconds)


def is_timed(event: Measured | EpochFinished) -> bool:
    """Whether the time of the event's step is kept: that of a report or of the end of an epoch, a few in a second."""
    return isinstance(event, EpochFinished) or REPORTED in event.values


@dataclass(slots=True)
class MeasuredBlock:
    """The combined content of consecutive `Measured` and `EpochFinished` events.

    columns: the points of each metric, in order of first appearance. step: the newest step; a `Measured` event
    overrides an epoch's. elapsed: seconds since the attempt began at the latest event.

    Fields for `Times`: ends: elapsed seconds at each of `epochs`. first_of_all: for the first event (elapsed seconds,
    whether it belongs to training); only a `Measured` without step metrics does not. probed: seconds spent in probes. reached: marks within the first of `epochs`. marks: marks
    after the last of `epochs`. timed: elapsed seconds at the steps that are timed, see `is_timed`.
    """

    columns: dict[str, MetricColumn] = field(default_factory=dict)
    epochs: list[EpochFinished] = field(default_factory=list)
    measured: bool = False
    step: int = 0
    elapsed: float = 0.0
    ends: list[float] = field(default_factory=list)
    first_of_all: tuple[float, bool] | None = None
    probed: float = 0.0
    reached: Marks = field(default_factory=Marks)
    marks: Marks = field(default_factory=Marks)
    timed: MetricColumn = field(default_factory=MetricColumn)

    @property
    def empty(self) -> bool:
        """Whether the block holds no event."""
        return not (self.measured or self.epochs)

    def add(self, event: Measured | EpochFinished, elapsed: float) -> None:
        """Append one event. Raises what `array` raises if it cannot hold a step or a value."""
        self.elapsed = max(self.elapsed, elapsed)
        if is_timed(event):
            self.timed.append(event.step, elapsed)
        if isinstance(event, Measured):
            self.measured, self.step = True, event.step
            self._time(event, elapsed)
        else:
            self.step = max(self.step, event.step)
            self.first_of_all = self.first_of_all or (elapsed, True)
            self.epochs.append(event)
            self.ends.append(elapsed)
            if len(self.ends) == 1:
                self.reached = self.marks
            self.marks = Marks()
        for name, value in event.values.items():
            column = self.columns.get(name)
            if column is None:
                column = self.columns[name] = MetricColumn()
            column.append(event.step, value)

    def _time(self, event: Measured, elapsed: float) -> None:
        values = event.values
        if self.first_of_all is None:
            self.first_of_all = (elapsed, not OF_STEPS.isdisjoint(values))
        self.probed += values.get(PROBE, 0.0)
        self.marks.add(event, elapsed)
