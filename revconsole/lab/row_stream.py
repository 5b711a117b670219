"""Row stream: what a run records, as JSON rows in the order in which they become known.

    {"run": "dk8t9qa8", "name": "small", "kind": "state", "state": "running", "reason": "", "attempt": 1, "time": 1764400000.0}
    {"run": …, "kind": "values", "step": 12, "epoch": 1.2, "time": …, "seconds": 3.4, "values": {"loss": 2.1, …}}
    {"run": …, "kind": "log", "level": "warning", "text": "…", "time": …}

Times are in seconds since 1970, `seconds` is the time since the run began; null where unknown. Values are in the units that
`show --json` names. A step that is taken again after a resume is not repeated.
"""

import math
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any

from revconsole.lab.rows import finite
from revconsole.records.runs.run import Run, Series

Row = dict[str, Any]


class RowStream:
    """The rows of one run that have not been given yet. now: the clock of states, in seconds since 1970."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._state: tuple[object, ...] = ()
        self._last: dict[str, int] = {}
        self._logged = 0.0
        self._said: set[str] = set()

    def new(self, run: Run) -> Iterator[Row]:
        """The rows that the newest reading of the run has and the ones before had not: state, values, log; an end comes last."""
        state = [] if self._of_state(run) == self._state else [self._state_row(run)]
        if state and not run.summary.ended:
            yield from state
        yield from self._values(run)
        yield from self._log(run)
        if state and run.summary.ended:
            yield from state
        self._state = self._of_state(run)

    def _of_state(self, run: Run) -> tuple[object, ...]:
        s = run.summary
        return (s.state, s.reason, s.attempt, s.alarm)

    def _state_row(self, run: Run) -> Row:
        s = run.summary
        told: Row = {"state": s.state, "reason": s.reason, "alarm": s.alarm or None}
        if s.ended:
            told |= {"step": s.step, "test_accuracy": s.test_accuracy, "test_loss": s.test_loss}
        return self._row(run, "state", told | {"attempt": s.attempt, "time": self._now()})

    def _values(self, run: Run) -> Iterator[Row]:
        """A row for each step with new values, ascending."""
        each = run.facts.get("steps_per_epoch")
        found: dict[int, dict[str, float]] = {}
        for name, series in run.series.items():
            for index in range(self._first(name, series), series.length):
                found.setdefault(series.step_at(index), {})[name] = series.value_at(index)
            if series.length:
                self._last[name] = max(self._last.get(name, -1), series.step_at(series.length - 1))
        for step in sorted(found):
            epoch = step / each if isinstance(each, int) and each > 0 else None
            yield self._row(
                run,
                "values",
                {
                    "step": step,
                    "epoch": epoch,
                    "time": _known(run.times.wall(step)),
                    "seconds": _known(run.times.elapsed(step)),
                    "values": finite(found[step]),
                },
            )

    def _first(self, name: str, series: Series) -> int:
        """The index of the first point after the last step that was given."""
        if name not in self._last:
            return 0
        return bisect_right(range(series.length), self._last[name], key=series.step_at)

    def _log(self, run: Run) -> Iterator[Row]:
        """The lines that are new; those of one moment are told apart by their text."""
        for line in run.log:
            if line.time < self._logged or (line.time == self._logged and line.text in self._said):
                continue
            if line.time > self._logged:
                self._logged, self._said = line.time, set()
            self._said.add(line.text)
            yield self._row(run, "log", {"level": line.level, "text": line.text, "time": line.time})

    def _row(self, run: Run, kind: str, told: Row) -> Row:
        return {"run": run.id, "name": run.summary.name, "kind": kind, **finite(told)}


def _known(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) else None
