"""Block: many measurements of one attempt, metric by metric instead of line by line."""

import math
from dataclasses import dataclass, field
from typing import TypeVar

from revconsole.records.logs.columns import MetricColumn
from revconsole.records.logs.events import EpochFinished, Measured

OF_STEPS = frozenset({"loss", "images_per_second"})
"""What training steps measure, one or both, and nothing else does."""
REPORTED = "resident_bytes"
"""What comes with the last step of each report, and with what is measured before the first step."""
PROBE = "probe_seconds"
"""How long a probe of the reversible backward took, which is no training."""
LEFT = "seconds_left"
"""How long a run that is fitted will still take, as it says itself: its steps do not take equally long."""

Mark = tuple[int, float]
"""A step, and the seconds since the attempt began."""
Number = TypeVar("Number", int, float)


@dataclass(slots=True)
class Marks:
    """How far an epoch has come: its first and latest report, its latest step.

    said: how many seconds were said to be left, and when, since the attempt began.
    """

    first: Mark | None = None
    latest: Mark | None = None
    step: Mark | None = None
    said: tuple[float, float] | None = None

    def add(self, event: Measured, elapsed: float) -> None:
        """Take in what was measured."""
        mark = (event.step, elapsed)
        if math.isfinite(event.values.get(LEFT, math.nan)):
            self.said = (event.values[LEFT], elapsed)
        if OF_STEPS.isdisjoint(event.values):
            return
        self.step = mark
        if REPORTED in event.values:
            self.first, self.latest = self.first or mark, mark

    def join(self, later: "Marks", *, rested: float) -> None:
        """Take in what came later in the epoch, by a clock that stood still for the seconds rested."""
        self.first = self.first or _earlier(later.first, rested)
        self.latest = _earlier(later.latest, rested) or self.latest
        self.step = _earlier(later.step, rested) or self.step
        self.said = _earlier(later.said, rested) or self.said


def _earlier(mark: tuple[Number, float] | None, seconds: float) -> tuple[Number, float] | None:
    return None if mark is None else (mark[0], mark[1] - seconds)


@dataclass(slots=True)
class MeasuredBlock:
    """What consecutive `Measured` and `EpochFinished` events amount to.

    columns: the points of each metric, in the order in which the metrics came up. step: as far as these
    events say; the last word, if any of them was `Measured`. elapsed: of the latest.

    For the clock: ends: elapsed at each of `epochs`. first_of_all: elapsed at the first event, whether it is of
    training, as all but a `Measured` of no step are, and whether it is `REPORTED`. probed: seconds. reached: how far the
    first of `epochs` came. marks: how far the one after the last.
    """

    columns: dict[str, MetricColumn] = field(default_factory=dict)
    epochs: list[EpochFinished] = field(default_factory=list)
    measured: bool = False
    step: int = 0
    elapsed: float = 0.0
    ends: list[float] = field(default_factory=list)
    first_of_all: tuple[float, bool, bool] | None = None
    probed: float = 0.0
    reached: Marks = field(default_factory=Marks)
    marks: Marks = field(default_factory=Marks)

    @property
    def empty(self) -> bool:
        """Whether there was no event."""
        return not (self.measured or self.epochs)

    def add(self, event: Measured | EpochFinished, elapsed: float) -> None:
        """Take the next event in. Raises what an array raises if it cannot hold a step or a value."""
        self.elapsed = max(self.elapsed, elapsed)
        if isinstance(event, Measured):
            self.measured, self.step = True, event.step
            self._time(event, elapsed)
        else:
            self.step = max(self.step, event.step)
            self.first_of_all = self.first_of_all or (elapsed, True, False)
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
            of_steps = not OF_STEPS.isdisjoint(values)
            self.first_of_all = (elapsed, of_steps, REPORTED in values)
        self.probed += values.get(PROBE, 0.0)
        self.marks.add(event, elapsed)
