"""Fold: from events to what they amount to. `Tally` keeps what a row shows, `Fold` every point as well.

A new attempt that resumed from step k supersedes whatever older attempts wrote beyond k: those points are
dropped here, so a curve never shows a step twice.
"""

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from revconsole.records.events import (
    Advised,
    Answered,
    Checkpointed,
    EpochFinished,
    Failed,
    Finished,
    HandedOver,
    Logged,
    Measured,
    MetricDeclared,
    Record,
    Scalar,
    Started,
)
from revconsole.records.run import Line, Series

LOG_LINES = 1000
"""Lines of log kept for the screen; the file has them all."""
RECENT = 50
"""Steps from which the speed is judged for the ETA."""


class Tally:
    """The latest and the best of one run, in constant memory per epoch."""

    def __init__(self) -> None:
        self.facts: dict[str, Scalar] = {}
        self.epochs: list[EpochFinished] = []
        self.latest: dict[str, float] = {}
        self.peaks: dict[str, float] = {}
        self.step = 0
        self.started = False
        self.ending: Finished | Failed | HandedOver | None = None
        self.paused = False
        self._recent: deque[tuple[int, float]] = deque(maxlen=RECENT)
        self._first: float | None = None
        self._last = self._before = 0.0

    @property
    def seconds(self) -> float:
        """Time of all attempts, each from its first event to its last."""
        return self._before + self._last

    def begin_attempt(self) -> None:
        """The next record belongs to a newer attempt."""
        self._before, self._first, self._last = self.seconds, None, 0.0
        self.started, self.ending, self.paused = False, None, False
        self._recent.clear()

    def add(self, record: Record) -> None:
        """Take one record in, in the order written."""
        now = self._clock(record)
        self._last = max(self._last, now)
        match record.event:
            case Started() as event:
                self.started = True
                self.facts |= event.facts
                self._supersede(event.resumed_from or 0)
            case Measured() as event:
                self.step = event.step
                self._take(event.values)
                if "loss" in event.values:
                    self._recent.append((event.step, now))
            case EpochFinished() as event:
                self.step = max(self.step, event.step)
                self.epochs.append(event)
                self._take(event.values)
            case Answered(verb=verb):
                self.paused = verb == "pause" or (self.paused and verb != "continue")
                self._recent.clear()
            case Finished() as event:
                self._take(event.values)
                self.ending = event
            case Failed() | HandedOver() as event:
                self.ending = event
            case _:
                pass

    def best(self) -> EpochFinished | None:
        """The first epoch with the highest validation accuracy."""
        scored = [e for e in self.epochs if "validation_accuracy" in e.values]
        return max(scored, key=lambda e: e.values["validation_accuracy"], default=None)

    def eta_seconds(self) -> float | None:
        """Seconds to the last step at the speed of the last steps; None while unknown."""
        total, seconds = self.facts.get("steps"), self.step_seconds()
        if not isinstance(total, int) or seconds is None or self.ending or self.paused:
            return None
        return seconds * max(0, total - self.step)

    def step_seconds(self) -> float | None:
        """Seconds of one step, as the last ones went; None while unknown."""
        if len(self._recent) < 2:
            return None
        (step, since), (now_step, now) = self._recent[0], self._recent[-1]
        return (now - since) / max(1, now_step - step)

    def _clock(self, record: Record) -> float:
        """Seconds of the attempt until a record, by the wall clock only where nothing else was written."""
        if record.elapsed is not None:
            return record.elapsed
        self._first = record.time if self._first is None else self._first
        return max(0.0, record.time - self._first)

    def _take(self, values: Mapping[str, float]) -> None:
        self.latest |= values
        for name, value in values.items():
            if name.endswith(("_bytes", "_error")):
                size = math.inf if math.isnan(value) else value
                self.peaks[name] = max(size, self.peaks.get(name, 0.0))

    def _supersede(self, step: int) -> None:
        self.epochs = [e for e in self.epochs if e.step <= step]
        self.step = step


class Fold:
    """All of one run: the tally, every metric as a series, and the log."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._metrics: dict[str, MetricDeclared] = {}
        self._columns: dict[str, tuple[list[int], list[float]]] = {}
        self._log: deque[Line] = deque(maxlen=LOG_LINES)

    def begin_attempt(self) -> None:
        """The next record belongs to a newer attempt."""
        self.tally.begin_attempt()

    def add(self, record: Record) -> None:
        """Take one record in, in the order written."""
        self.tally.add(record)
        match record.event:
            case Started(resumed_from=step):
                self._supersede(step or 0)
            case MetricDeclared() as metric:
                self._metrics[metric.name] = metric
            case Measured(step=step, values=values) | EpochFinished(step=step, values=values):
                self._append(step, values)
            case Finished(step=step, values=values):
                self._append(step, values)
            case _:
                pass
        self._log.extend(_lines(record))

    def series(self) -> dict[str, Series]:
        """Every metric with at least one point. Costs nothing per point."""
        return {
            name: Series(self._metric(name), steps, values, len(values))
            for name, (steps, values) in self._columns.items()
        }

    def log(self) -> tuple[Line, ...]:
        """The last lines of the log, oldest first."""
        return tuple(self._log)

    def _append(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            steps, column = self._columns.setdefault(name, ([], []))
            column.append(value)
            steps.append(step)

    def _metric(self, name: str) -> MetricDeclared:
        unknown = MetricDeclared(name=name, unit="", per="step", direction="none", meaning="")
        return self._metrics.get(name, unknown)

    def _supersede(self, step: int) -> None:
        """Drop points beyond `step`, into new lists: readers may still hold windows onto the old ones."""
        for name, (steps, values) in self._columns.items():
            keep = bisect_right(steps, step)
            self._columns[name] = (steps[:keep], values[:keep])


def _lines(record: Record) -> Iterable[Line]:
    def line(level: Any, text: str) -> Line:
        return Line(time=record.time, level=level, text=text)

    match record.event:
        case Logged(text=text):
            yield line("log", text)
        case Advised(level=level, text=text):
            yield line(level, text)
        case Answered(verb=verb, by=by, step=step):
            yield line("note", f"{verb} at step {step}, asked by {by}")
        case Checkpointed(step=step, best=True):
            yield line("log", f"checkpoint of step {step}: best validation accuracy so far")
        case HandedOver(step=step, to=to):
            yield line("note", f"handed over to {to} at step {step}")
        case Failed(reason=reason):
            yield line("alarm", reason)
        case Finished(outcome=outcome, step=step, by=by):
            yield line("log", f"{outcome} at step {step}" + (f", asked by {by}" if by else ""))
        case _:
            return
