"""Times: how long an attempt has trained, and how fast, from the times of its events.

Training begins with the attempt's first measurement: what comes before it (importing torch, claiming, reading data,
the audit) is no training. Nor are pauses, nor probes of the reversible backward, which plain runs do not have. Steps,
evaluations, checkpoints and the final test are.

Steps are reported many at once, all with the time of the report. So steps are timed from one report to another, as the
last step of each marks it by the memory that comes with it, and not from step to step. The first step of an attempt is
in no pace: whatever loads, compiles or allocates does so then.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from revconsole.records.logs.block import OF_STEPS, PROBE, REPORTED, Mark, Marks, MeasuredBlock
from revconsole.records.logs.events import Answered, EpochFinished, Measured

FORECAST = frozenset({"evaluated_per_epoch", "evaluated_at_end", "image_seconds"})
"""Facts of a run that only its ETA is made of: images evaluated after each epoch and at the end, seconds for one."""
MOST_EPOCHS = 512
"""Of the latest, by which the pace is judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The end of an epoch: at which step of the run, when, and what it took, each None where that is not known.

    training: of how many steps. validation. between: what else was done since the end of the epoch before.
    """

    step: int
    at: float
    steps: int
    training: float
    validation: float | None
    between: float | None


class Times:
    """The times of one attempt, in seconds since it began, pauses taken out."""

    def __init__(self) -> None:
        self._introduced = self._last = self._rested = self._probed = 0.0
        self._began: float | None = None
        self._resting: float | None = None
        self._reports = False
        self._start: Mark = (0, 0.0)
        self._marks = Marks()
        self._ends: deque[End] = deque(maxlen=MOST_EPOCHS)

    @property
    def seconds(self) -> float:
        """Of training, so far."""
        if self._began is None:
            return 0.0
        rested = self._rested + (0.0 if self._resting is None else self._last - self._resting)
        return max(0.0, self._last - self._began - rested - self._probed)

    def pass_to(self, elapsed: float) -> None:
        """Something happened then."""
        self._last = max(self._last, elapsed)

    def start(self, elapsed: float, step: int) -> None:
        """The attempt has said with what it goes on, after so many steps of the run."""
        self._introduced, self._start = elapsed, (step, elapsed)

    def answer(self, event: Answered, elapsed: float) -> None:
        """A pause begins, or whatever else was asked ends it."""
        if self._resting is not None:
            self._rested += elapsed - self._resting
        self._resting = elapsed if event.verb == "pause" else None

    def measure(self, event: Measured, elapsed: float) -> None:
        """Take in the measurements of a step, of a probe, or those before the first step."""
        of_steps, reported = not OF_STEPS.isdisjoint(event.values), REPORTED in event.values
        self._begin(elapsed, training=of_steps, reported=reported)
        self._probed += event.values.get(PROBE, 0.0)
        self._marks.add(event, elapsed - self._rested)

    def finish_epoch(self, event: EpochFinished, elapsed: float, *, steps: int) -> None:
        """Take in the end of an epoch of so many steps."""
        self._begin(elapsed, training=True, reported=False)
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
        """Take in many measurements at once, as if they had come one by one. steps: of an epoch."""
        if block.first_of_all is not None:
            elapsed, training, reported = block.first_of_all
            self._begin(elapsed, training=training, reported=reported)
        self._probed += block.probed
        self._marks.join(block.reached, rested=self._rested)
        for event, elapsed in zip(block.epochs, block.ends, strict=True):
            self.finish_epoch(event, elapsed, steps=steps(event))
        self._marks.join(block.marks, rested=self._rested)
        self.pass_to(block.elapsed)

    def pace(self) -> float | None:
        """Seconds of a step: of the later half of the time trained, and of the epoch under way; None while unknown."""
        ends = self._recent()
        steps, seconds = sum(e.steps for e in ends), sum(e.training for e in ends)
        passed = self._passed()
        if passed is not None:
            steps, seconds = steps + passed[0], seconds + passed[1]
        return seconds / steps if steps > 0 else None

    def validation(self) -> float | None:
        """Seconds of a validation; None before any was timed."""
        known = [e.validation for e in self._recent() if e.validation is not None]
        return fmean(known) if known else None

    def between(self) -> float:
        """Seconds of what is done between two epochs, beside the validation."""
        known = [e.between for e in self._recent() if e.between is not None]
        if known:
            return fmean(known)
        pace, first = self.pace(), self._marks.first
        if not self._ends or pace is None or first is None:
            return 0.0
        return max(0.0, first[1] - self._start[1] - pace * (first[0] - self._start[0]))

    def since_epoch(self) -> float:
        """Seconds since the last epoch ended; 0 before any has."""
        return max(0.0, self._last - self._rested - self._ends[-1].at) if self._ends else 0.0

    def said(self) -> float | None:
        """Seconds to the end of the run, as it said itself in the epoch under way; None where it does not."""
        if self._marks.said is None:
            return None
        left, at = self._marks.said
        return max(0.0, left - (self._last - self._rested - at))

    def left(self, steps: int) -> float | None:
        """Seconds until the last of so many steps of the run, and what is still to do before the next one.

        Other epochs' ends are not in it. None while unknown.
        """
        pace, mark = self.pace(), self._mark()
        step, at = mark or self._start
        if pace is None and step < steps:
            return None
        passed = self._last - self._rested - at
        pending = 0.0 if mark or not self._ends else max(0.0, self.between() - passed)
        return pending + max(0.0, (pace or 0.0) * max(0, steps - step) - (passed if mark else 0.0))

    def _begin(self, elapsed: float, *, training: bool, reported: bool) -> None:
        """Training begins with the first measurement; with the introduction, where that is of training already."""
        if self._began is not None:
            return
        self._began, self._reports = (self._introduced if training else elapsed), reported
        self._start = (self._start[0], self._began - self._rested)

    def _mark(self) -> Mark | None:
        """The last report of the epoch under way; where an attempt does not mark them, the last step."""
        return self._marks.latest if self._reports else self._marks.step

    def _passed(self) -> tuple[int, float] | None:
        """Steps of the epoch under way, and their seconds: from one report to another, where an attempt marks them."""
        mark = self._mark()
        since = self._marks.first if self._reports else self._start
        if mark is None or since is None or since[0] >= mark[0]:
            return None
        return mark[0] - since[0], mark[1] - since[1]

    def _recent(self) -> list[End]:
        """The epochs of the later half of the time trained, at least the last."""
        half = (self._last - self._rested + (self._began or 0.0)) / 2
        return [e for e in self._ends if e.at > half] or list(self._ends)[-1:]
