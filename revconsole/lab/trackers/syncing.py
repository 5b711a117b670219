"""Syncing: gives a tracker what it has not been given yet, and remembers what it was given.

What was sent is kept in `STORE/.trackers/RUN/`, a file for each tracker and place, and may be deleted: everything is then
sent again. A step that a resumed run trains again keeps the value that was sent first.
"""

import hashlib
import json
import math
from bisect import bisect_right
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from revconsole.errors import StoreError
from revconsole.lab.trackers.tracker import SentPoint, Tracker, failed, opened
from revconsole.records.printable import one_line
from revconsole.records.runs.run import Run

FOLDER = ".trackers"


class Sync:
    """The way of one run to one tracker."""

    def __init__(self, store: Path, run: Run, name: str, place: str = "") -> None:
        """Open the tracker. Raises UnknownName, NotLoaded and TrackerFailed."""
        mark = hashlib.sha256(place.encode()).hexdigest()[:8]
        self._name, self._path = name, store / FOLDER / run.id / f"{name}-{mark}.json"
        self._sent = _read(self._path)
        self._tracker: Tracker = opened(name, run, place)

    @property
    def where(self) -> str:
        """Where the tracker keeps the run, in words that a terminal may show."""
        return one_line(self._tracker.where)

    def push(self, run: Run) -> int:
        """Send what is new of a run; returns the number of values. Raises TrackerFailed, and StoreError if it cannot be remembered."""
        points = sorted(_new(run, self._sent), key=lambda point: (point.step, point.metric))
        if not points:
            return 0
        try:
            self._tracker.send(points)
        except Exception as error:  # noqa: BLE001  a tool may raise anything
            raise failed(self._name, error) from None
        for point in points:
            self._sent[point.metric] = point.step
        self._remember()
        return len(points)

    def close(self, run: Run) -> None:
        """Say how the run stands, and let go of the tracker. Raises TrackerFailed."""
        try:
            self._tracker.close(run)
        except Exception as error:  # noqa: BLE001  a tool may raise anything
            raise failed(self._name, error) from None

    def _remember(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part = self._path.with_suffix(".part")
            part.write_text(json.dumps(self._sent), encoding="utf-8")
            part.replace(self._path)
        except OSError as error:
            raise StoreError(f"cannot write {self._path}: {error.strerror}") from None


def _new(run: Run, sent: Mapping[str, int]) -> list[SentPoint]:
    """The values of every metric behind the step that was sent last."""
    points = []
    for name, series in run.series.items():
        last = sent.get(name, -1)
        for index in range(bisect_right(series.steps, last), series.length):
            step, value = series.step_at(index), series.value_at(index)
            wall = run.times.wall(step)
            when = wall if math.isfinite(wall) else run.summary.created
            points.append(SentPoint(metric=name, step=step, value=value, wall=when))
    return points


def _read(path: Path) -> dict[str, int]:
    """What was sent of each metric; nothing, if the file is missing or damaged."""
    with suppress(OSError, ValueError):
        kept = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(kept, dict) and all(isinstance(step, int) for step in kept.values()):
            return kept
    return {}
