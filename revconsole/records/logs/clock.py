"""Clock: when the steps of a run were taken, over all its attempts."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTimes:
    """Times of some steps, as windows onto columns that only grow; times between them are interpolated.

    seconds: since the run began, without the time between two attempts. walls: seconds since 1970.
    """

    steps: Sequence[int] = ()
    seconds: Sequence[float] = ()
    walls: Sequence[float] = ()
    length: int = 0

    def elapsed(self, step: int) -> float:
        """Seconds from the beginning of the run to a step; NaN without times."""
        return self._at(step, self.seconds)

    def wall(self, step: int) -> float:
        """When a step was taken, in seconds since 1970; NaN without times."""
        return self._at(step, self.walls)

    def step_at(self, wall: float) -> int | None:
        """The newest timed step that is not later than a time of day; None without one."""
        right = bisect_right(self.walls, wall, hi=self.length)
        return self.steps[right - 1] if right else None

    def _at(self, step: int, times: Sequence[float]) -> float:
        if not self.length:
            return float("nan")
        right = bisect_left(self.steps, step, hi=self.length)
        if right in {self.length, 0} or self.steps[right] == step:
            return times[min(right, self.length - 1)]
        left = right - 1
        share = (step - self.steps[left]) / (self.steps[right] - self.steps[left])
        return times[left] + share * (times[right] - times[left])


class Clock:
    """Collects the times of steps as the events of a run are read."""

    def __init__(self) -> None:
        self._steps = array("q")
        self._seconds, self._walls = array("d"), array("d")
        self._before, self._began = 0.0, 0.0

    def begin(self, *, wall: float, step: int) -> None:
        """A new attempt begins at a time of day, after `step`; what older attempts did beyond that is forgotten."""
        keep = bisect_left(self._steps, step + 1)
        self._steps = self._steps[:keep]  # readers may hold windows onto the old columns
        self._seconds, self._walls = self._seconds[:keep], self._walls[:keep]
        self._before, self._began = self._seconds[-1] if keep else 0.0, wall

    def add(self, step: int, elapsed: float) -> None:
        """Note that `step` was taken this many seconds after its attempt began. Steps that do not grow are left out."""
        if self._steps and step <= self._steps[-1]:
            return
        self._steps.append(step)
        self._seconds.append(self._before + elapsed)
        self._walls.append(self._began + elapsed)

    def times(self) -> StepTimes:
        """The times noted so far."""
        return StepTimes(
            steps=self._steps, seconds=self._seconds, walls=self._walls, length=len(self._steps)
        )
