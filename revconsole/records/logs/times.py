"""Times: how long an attempt has trained, and how fast, from the times of its events.

Training begins with the attempt's first measurement: importing torch, claiming the run, reading data and the audit
come before it. Pauses do not count, nor do probes of the reversible backward, which plain runs do not have. Steps,
evaluations, checkpoints and the final test count.

Many steps are reported at once, all with the time of the report. The pace is therefore measured from one report to
the next (the last step of a report carries the memory metric), not from step to step. The first step of an attempt is
excluded because it loads, compiles and allocates.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from revconsole.records.logs.block import OF_STEPS, PROBE, Mark, Marks, MeasuredBlock
from revconsole.records.logs.events import Answered, EpochFinished, Measured

FORECAST = frozenset({"evaluated_per_epoch", "evaluated_at_end", "image_seconds"})
"""Facts of a run that only serve its ETA: images evaluated per epoch and at the end, seconds per image."""
MOST_EPOCHS = 512
"""Number of latest epochs that the pace may be computed from."""


class End(NamedTuple):
    """One finished epoch. Times are in seconds without pauses; None means unknown.

    step: step of the run at its end. at: time of its end. training: seconds for the last `steps` steps. validation:
    seconds of its validation. between: other seconds since the end of the epoch before.
    """

    step: int
    at: float
    steps: int
    training: float
    validation: float | None
    between: float | None


class Times:
    """The times of one attempt, in seconds since it began, without pauses."""

    def __init__(self) -> None:
        self._introduced = self._last = self._rested = self._probed = 0.0
        self._began: float | None = None
        self._resting: float | None = None
        self._start: Mark = (0, 0.0)
        self._marks = Marks()
        self._ends: deque[End] = deque(maxlen=MOST_EPOCHS)

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        if self._began is None:
            return 0.0
        rested = self._rested + (0.0 if self._resting is None else self._last - self._resting)
        return max(0.0, self._last - self._began - rested - self._probed)

    def pass_to(self, elapsed: float) -> None:
        """Move the clock forward to `elapsed`."""
        self._last = max(self._last, elapsed)

    def start(self, elapsed: float, step: int) -> None:
        """Record that the attempt continues after `step` steps of the run."""
        self._introduced, self._start = elapsed, (step, elapsed)

    def answer(self, event: Answered, elapsed: float) -> None:
        """Record an answered request: a pause begins, any other request ends one."""
        if self._resting is not None:
            self._rested += elapsed - self._resting
        self._resting = elapsed if event.verb == "pause" else None

    def measure(self, event: Measured, elapsed: float) -> None:
        """Record the measurements of a step or of a probe, or those before the first step."""
        self._begin(elapsed, training=not OF_STEPS.isdisjoint(event.values))
        self._probed += event.values.get(PROBE, 0.0)
        self._marks.add(event, elapsed - self._rested)

    def finish_epoch(self, event: EpochFinished, elapsed: float, *, steps: int) -> None:
        """Record the end of an epoch of `steps` steps."""
        self._begin(elapsed, training=True)
        at, values = elapsed - self._rested, event.values
        since = self._ends[-1].at if self._ends else self._start[1]
        training = values.get("epoch_seconds", at - since)
        validation = values.get("validation_seconds")
        between = max(0.0, at - since - training - (validation or 0.0)) if self._ends else None
        passed = None if self._ends else self._passed()
        if passed is not None and passed[1] * steps < training * passed[0]:
            steps, training = passed
        self._ends.append(
            End(step=event.step, at=at, steps=steps, training=training, validation=validation, between=between)
        )  # fmt: skip
        self._start, self._marks = (event.step, at), Marks()

    def take_block(self, block: MeasuredBlock, *, steps: Callable[[EpochFinished], int]) -> None:
        """Record many measurements as if they had arrived one by one. steps: number of steps of an epoch."""
        if block.first_of_all is not None:
            elapsed, training = block.first_of_all
            self._begin(elapsed, training=training)
        self._probed += block.probed
        self._marks.join(block.reached, rested=self._rested)
        for event, elapsed in zip(block.epochs, block.ends, strict=True):
            self.finish_epoch(event, elapsed, steps=steps(event))
        self._marks.join(block.marks, rested=self._rested)
        self.pass_to(block.elapsed)

    def pace(self) -> float | None:
        """Seconds per step over the later half of the time trained and the current epoch; None while unknown."""
        ends = self._recent()
        steps, seconds = sum(e.steps for e in ends), sum(e.training for e in ends)
        passed = self._passed()
        if passed is not None:
            steps, seconds = steps + passed[0], seconds + passed[1]
        return seconds / steps if steps > 0 else None

    def validation(self) -> float | None:
        """Mean seconds of a recent validation; None before the first was timed."""
        timed = [e.validation for e in self._recent() if e.validation is not None]
        return _mean(timed) if timed else None

    def between(self) -> float:
        """Mean seconds between two epochs, without the validation."""
        timed = [e.between for e in self._recent() if e.between is not None]
        if timed:
            return _mean(timed)
        pace, first = self.pace(), self._marks.first
        if not self._ends or pace is None or first is None:
            return 0.0
        return max(0.0, first[1] - self._start[1] - pace * (first[0] - self._start[0]))

    def since_epoch(self) -> float:
        """Seconds since the last epoch ended; 0 before the first has."""
        return max(0.0, self._last - self._rested - self._ends[-1].at) if self._ends else 0.0

    def announced_remaining(self) -> float | None:
        """Remaining seconds as the run itself estimated them in the current epoch; None if it did not."""
        if self._marks.announced is None:
            return None
        left, at = self._marks.announced
        return max(0.0, left - (self._last - self._rested - at))

    def remaining(self, steps: int) -> float | None:
        """Seconds until step `steps` of the run, with the rest of the pause between epochs; None while unknown.

        The validations of later epochs are not included.
        """
        pace, mark = self.pace(), self._marks.latest
        step, at = mark or self._start
        if pace is None and step < steps:
            return None
        passed = self._last - self._rested - at
        pending = 0.0 if mark or not self._ends else max(0.0, self.between() - passed)
        return pending + max(0.0, (pace or 0.0) * max(0, steps - step) - (passed if mark else 0.0))

    def _begin(self, elapsed: float, *, training: bool) -> None:
        """Start the training clock at the first measurement, or at the introduction if that measurement is a training step."""
        if self._began is not None:
            return
        self._began = self._introduced if training else elapsed
        self._start = (self._start[0], self._began - self._rested)

    def _passed(self) -> tuple[int, float] | None:
        """(steps, seconds) of the current epoch between its first and last report."""
        first, latest = self._marks.first, self._marks.latest
        if first is None or latest is None or first[0] >= latest[0]:
            return None
        return latest[0] - first[0], latest[1] - first[1]

    def _recent(self) -> list[End]:
        """The epochs that ended in the later half of the time trained, at least the last one."""
        half = (self._last - self._rested + (self._began or 0.0)) / 2
        return [e for e in self._ends if e.at > half] or list(self._ends)[-1:]


def _mean(values: Sequence[float]) -> float:
    """The mean; NaN, where `fmean` raises, for infinities of both signs, which a damaged log may hold."""
    return sum(values) / len(values)
