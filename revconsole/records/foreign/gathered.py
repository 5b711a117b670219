"""Gathered: what has been read of one run of another tool so far, in bounded memory, whatever the tool."""

import math
import reprlib
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from revconsole.records.logs.clock import Clock
from revconsole.records.logs.columns import MetricColumn
from revconsole.records.logs.events import Scalar
from revconsole.records.printable import one_line

MOST_POINTS = 20_000_000
"""Points of one run that are kept, 16 bytes each."""
MOST_METRICS, MOST_SETTINGS, MOST_FAULTS = 2000, 2000, 20
LONGEST_NAME, LONGEST_TEXT = 200, 400
DEEPEST = 6
BRIEFLY = reprlib.Repr()
"""Lists as text, in bounded time: YAML can repeat a list in itself until it has more elements than there are atoms."""
BRIEFLY.maxlist = BRIEFLY.maxtuple = BRIEFLY.maxdict = 40
BRIEFLY.maxlevel, BRIEFLY.maxstring, BRIEFLY.maxother = 2, LONGEST_TEXT, LONGEST_TEXT
FURTHEST_STEP = 2**53
"""Steps beyond are damage; no program counts so far."""
CLOCK_SECONDS = 1.0
"""Least time between two steps whose times are kept."""
EARLIEST, LATEST_AHEAD = 946_684_800.0, 366 * 86400.0
"""Times before the year 2000, or more than a year from now, are damage."""

Ending = Literal["", "finished", "failed", "stopped"]


@dataclass(slots=True)
class Gathered:
    """What the files of a run have said: points by metric, settings, times, its end, and what was wrong with them."""

    columns: dict[str, MetricColumn] = field(default_factory=dict)
    settings: dict[str, Scalar] = field(default_factory=dict)
    name: str = ""
    """What the tool calls the run; empty if it has no name of its own."""
    tags: tuple[str, ...] = ()
    note: str = ""
    archived: bool = False
    """Whether the tool leaves the run out of its own lists."""
    ending: Ending = ""
    """How the run ended, if the tool records that; empty while it trains, and for tools that do not."""
    reason: str = ""
    steps: int | None = None
    """Steps of the whole run, if the tool says so."""
    step: int = 0
    """The newest step."""
    epoch: int = 0
    """Epochs that have ended, if the tool says so."""
    points: int = 0
    began: float | None = None
    """Seconds since 1970 of the first thing that was recorded, if the tool keeps times."""
    last: float | None = None
    axes: dict[str, str] = field(default_factory=dict)
    """The metric over whose values one is drawn, where that is not the step."""
    left_out: Counter[str] = field(default_factory=Counter)
    """How many of each kind of thing were recorded that is not shown here, as images."""
    damaged: int = 0
    """Records that were left out because they are damaged."""
    faults: list[str] = field(default_factory=list)
    """What was wrong, in words, each once."""
    clock: Clock = field(default_factory=Clock)

    def point(self, name: str, step: float, value: float, *, own_axis: bool = False) -> None:
        """Add one value of a metric; names and steps that cannot be are counted as damage. own_axis: the step is none of the run's."""
        column = self.columns.get(name)
        if column is None:
            column = self._new_column(name)
            if column is None:
                return
        whole = int(step) if -FURTHEST_STEP < step < FURTHEST_STEP else None
        if whole is None or self.points >= MOST_POINTS:
            self._refuse_point(whole)
            return
        if whole != step:
            self.say(
                f"steps of {one_line(name, 60)} have fractions: each stands at the whole step before it"
            )
        column.append(whole, value)
        self.points += 1
        if not own_axis:
            self.step = max(self.step, whole)

    def at(self, step: float, wall: float) -> None:
        """Note when a step was recorded, in seconds since 1970."""
        if not self.moment(wall) or self.began is None or not -FURTHEST_STEP < step < FURTHEST_STEP:
            return
        elapsed = wall - self.began
        times = self.clock.times()
        if elapsed >= 0 and (not times.length or elapsed - times.seconds[-1] >= CLOCK_SECONDS):
            self.clock.add(int(step), elapsed)

    def moment(self, wall: float) -> bool:
        """Take a time into the span of the run; returns whether it is one."""
        if not EARLIEST < wall < time.time() + LATEST_AHEAD:
            return False
        if self.began is None:
            self.began = wall
            self.clock.begin(wall=wall, step=-1)
        self.last = wall if self.last is None else max(self.last, wall)
        return True

    def setting(self, name: str, value: object) -> None:
        """Take one setting; a table of settings is taken by its parts, a list as text."""
        for key, scalar in _parts(name, value, depth=0):
            if len(self.settings) < MOST_SETTINGS or key in self.settings:
                self.settings[key] = scalar
            else:
                self.say(f"more than {MOST_SETTINGS:,} settings: the rest is left out")
                return

    def end(self, how: Ending, reason: str = "") -> None:
        """Note how the run ended."""
        self.ending, self.reason = how, one_line(reason)

    def cut(self, step: int) -> None:
        """Drop the points from `step` on: the tool says that the run began again there."""
        self.columns = {name: column.until(step - 1) for name, column in self.columns.items()}
        self.points = sum(len(column.values) for column in self.columns.values())

    def damage(self, what: str) -> None:
        """Count one damaged record, and say what is wrong."""
        self.damaged += 1
        self.say(what)

    def say(self, what: str) -> None:
        """Say something about the files of the run, once."""
        text = one_line(what, LONGEST_TEXT)
        if text not in self.faults and len(self.faults) < MOST_FAULTS:
            self.faults.append(text)

    def _new_column(self, name: str) -> MetricColumn | None:
        safe = one_line(name, LONGEST_NAME)
        if safe in self.columns:  # two names that differ in what cannot be shown
            return self.columns[safe]
        if len(self.columns) >= MOST_METRICS or not safe:
            self.say(
                f"more than {MOST_METRICS:,} metrics: the rest is left out"
                if safe
                else "a metric has no name"
            )
            return None
        column = self.columns[safe] = MetricColumn()
        return column

    def _refuse_point(self, step: int | None) -> None:
        if step is None:
            self.damage("a step is no number, or beyond all counting")
        else:
            self.say(f"more than {MOST_POINTS:,} points: the rest is left out")


def number(value: object) -> float | None:
    """A number of JSON or text as float, with NaN and infinities by any of their names; None for anything else."""
    if isinstance(value, bool):
        return float(value)
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return math.inf if isinstance(value, int) else None


def _parts(name: str, value: object, depth: int) -> list[tuple[str, Scalar]]:
    """The parts of a table by dotted key; any other value, and what is too deep or empty, is one part."""
    key = one_line(name, LONGEST_NAME)
    if isinstance(value, dict) and value and depth < DEEPEST:
        inner: list[tuple[str, Scalar]] = []
        for each, content in value.items():
            inner += _parts(f"{name}.{each}" if name else str(each), content, depth + 1)
            if len(inner) > MOST_SETTINGS:
                break
        return inner
    if value is None or isinstance(value, bool | int | float):
        return [(key, value)]
    return [(key, one_line(value if isinstance(value, str) else BRIEFLY.repr(value), LONGEST_TEXT))]
