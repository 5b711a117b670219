"""Running summary: what a table row shows of the events of a run, kept as they come.

What older attempts wrote beyond the step from which a new one resumed is dropped.
"""

import math
from collections.abc import Mapping, Sequence

from revconsole.records.criterion import VALIDATION_ACCURACY, Criterion
from revconsole.records.logs.block import MeasuredBlock
from revconsole.records.logs.events import (
    Advised,
    Answered,
    EpochFinished,
    Failed,
    Finished,
    HandedOver,
    LoggedEvent,
    Measured,
    Scalar,
    Started,
)
from revconsole.records.logs.times import Times
from revconsole.records.runs.sketch import Sketch
from revconsole.records.runs.standing import GivenAdvice

MOST_ADVICE = 100
"""Pieces of advice kept for the row of a run."""
LOSS = "loss"
"""Name of the training loss, whose curve a table row shows."""
UNNAMED = "alarm"
"""Name of an alarm that carries no rule."""


class RunningSummary:
    """Latest and best values of one run; memory grows only with the number of epochs.

    best: criterion for the best epoch, by default the validation accuracy.
    """

    def __init__(self, best: Criterion = VALIDATION_ACCURACY) -> None:
        self._criterion = best
        self.facts: dict[str, Scalar] = {}
        self.earlier: dict[str, tuple[Scalar, ...]] = {}
        self.epochs: list[EpochFinished] = []
        self.latest: dict[str, float] = {}
        self.peaks: dict[str, float] = {}
        self._alarmed: dict[str, tuple[int, str]] = {}
        self.advice: list[GivenAdvice] = []
        self.loss_curve = Sketch()
        self.step = 0
        self.started = False
        self.ending: Finished | Failed | HandedOver | None = None
        self.paused = False
        self._times, self._before = Times(), 0.0
        self._best: EpochFinished | None = None

    @property
    def seconds(self) -> float:
        """Seconds of training over all attempts; work repeated after a crash counts twice. See `times`."""
        return self._before + self._times.seconds

    @property
    def alarms(self) -> dict[str, str]:
        """Texts of the alarms that still stand, by rule."""
        return {rule: text for rule, (_, text) in self._alarmed.items()}

    @property
    def alarm(self) -> str:
        """The alarms that still stand in a word or two each ("diverged")."""
        return ", ".join(dict.fromkeys(rule.partition(":")[0] for rule in self._alarmed))

    def begin_attempt(self) -> None:
        """Announce that the next record belongs to a newer attempt."""
        self._before, self._times = self.seconds, Times()
        self.started, self.ending, self.paused = False, None, False

    def add(self, record: LoggedEvent) -> None:
        """Process one record. Records must come in the order written."""
        now = record.elapsed
        self._times.pass_to(now)
        match record.event:
            case Started() as event:
                self.started = True
                self._replace(event.facts)
                self.latest = {k: v for k, v in self.latest.items() if not k.startswith("test_")}
                self._supersede(event.resumed_from or 0)
                self._times.start(now, event.resumed_from or 0)
            case Measured() as event:
                self.step = event.step
                self._take(event.values)
                self._sketch(event)
                self._times.measure(event, now)
            case EpochFinished() as event:
                self.step = max(self.step, event.step)
                self._times.finish_epoch(event, now, steps=self._finish(event))
                self._take(event.values)
                self._sketch(event)
            case Answered(verb=verb) as event:
                self.paused = verb == "pause" or (self.paused and verb != "continue")
                self._times.answer(event, now)
            case Advised() as event:
                self._stand(event)
            case Finished() as event:
                self._take(event.values)
                self.ending = event
            case Failed() | HandedOver() as event:
                self.ending = event
            case _:
                pass

    def add_block(self, block: MeasuredBlock) -> None:
        """Process many measurements as if they had been added one by one."""
        self.step = block.step if block.measured else max(self.step, block.step)
        self._times.take_block(block, steps=self._finish)
        for name, column in block.columns.items():
            self.latest[name] = column.values[-1]
            if name == LOSS:
                self.loss_curve.extend(column.steps, column.values)
            if _peaks(name):
                self._peak(name, _largest(column.values))

    def best(self) -> EpochFinished | None:
        """The best epoch so far, the earliest among equals; None before the first."""
        return self._best

    def eta_seconds(self) -> float | None:
        """Remaining seconds of the run with all epochs, validations and the test; None if any part is unknown."""
        total = self.facts.get("steps")
        if not isinstance(total, int) or self.ending or self.paused:
            return None
        if (announced := self._times.announced_remaining()) is not None:
            return announced
        steps_seconds, validation = self._times.remaining(total), self._validation_seconds()
        if steps_seconds is None or validation is None:
            return None
        between = self._times.between()
        epochs = max(0.0, self._fact("epochs") - len(self.epochs))
        evaluated, tested = self._evaluated()
        test = validation * tested / evaluated if evaluated else 0.0
        return steps_seconds + epochs * (validation + between) + test

    def step_seconds(self) -> float | None:
        """Seconds per step, from recent steps; None while unknown."""
        return self._times.pace()

    def seconds_per_epoch(self) -> float | None:
        """Mean seconds per epoch with steps, validation and the time between epochs; None if no epoch recorded its time."""
        timed = [e.values for e in self.epochs if "epoch_seconds" in e.values]
        every = [v["epoch_seconds"] + v.get("validation_seconds", 0.0) for v in timed]
        known = [seconds for seconds in every if math.isfinite(seconds)]
        if not known:
            return None
        took = math.fsum(known) / len(known)
        return took + self._times.between()

    def seconds_at_end(self) -> float:
        """Seconds from the last epoch to the end of the run: the last checkpoint and the test."""
        return self._times.since_epoch() if isinstance(self.ending, Finished) else 0.0

    def _validation_seconds(self) -> float | None:
        """Seconds of a validation: timed in this attempt, else in an earlier one, else estimated from `image_seconds`."""
        timed = self._times.validation()
        if timed is None and self.epochs:
            timed = self.epochs[-1].values.get("validation_seconds")
        if timed is None and "image_seconds" in self.facts:
            timed = self._evaluated()[0] * self._fact("image_seconds")
        return timed

    def _evaluated(self) -> tuple[float, float]:
        """(images evaluated after an epoch, images evaluated at the end)."""
        return self._fact("evaluated_per_epoch"), self._fact("evaluated_at_end")

    def _fact(self, name: str) -> float:
        """A numeric fact; 0 if it is missing or not a number."""
        value = self.facts.get(name)
        return value if isinstance(value, int | float) else 0.0

    def _finish(self, epoch: EpochFinished) -> int:
        """Store the epoch; returns its number of steps."""
        before = self.epochs[-1].step if self.epochs else 0
        self.epochs.append(epoch)
        self._best = self._better(self._best, epoch)
        return max(0, epoch.step - before)

    def _replace(self, facts: Mapping[str, Scalar]) -> None:
        """Merge the facts of an attempt, and remember the earlier values of those it changes."""
        for name, value in facts.items():
            before = self.facts.get(name, value)
            if before != value:
                self.earlier[name] = (*self.earlier.get(name, ()), before)
        self.facts |= facts

    def _better(self, best: EpochFinished | None, new: EpochFinished) -> EpochFinished | None:
        """The epoch with the better value; the older one if they are equal."""
        metric, score = self._criterion.metric, self._criterion.score
        if metric not in new.values:
            return best
        higher = best is None or score(new.values[metric]) > score(best.values[metric])
        return new if higher else best

    def _take(self, values: Mapping[str, float]) -> None:
        self.latest |= values
        for name, value in values.items():
            if _peaks(name):
                self._peak(name, math.inf if math.isnan(value) else value)

    def _sketch(self, event: Measured | EpochFinished) -> None:
        """Add a loss to the curve of the table row; a block adds those of epochs, too."""
        if LOSS in event.values:
            self.loss_curve.add(event.step, event.values[LOSS])

    def _peak(self, name: str, size: float) -> None:
        self.peaks[name] = max(size, self.peaks.get(name, 0.0))

    def _stand(self, advised: Advised) -> None:
        """Record an alarm, or clear one when a note with its rule arrives; keep what a rule says of the run."""
        self._keep(advised)
        if advised.level == "alarm":
            self._alarmed[advised.rule or UNNAMED] = (self.step, advised.sentence)
        elif advised.level == "note":
            self._alarmed.pop(advised.rule, None)

    def _keep(self, advised: Advised) -> None:
        if advised.level == "note" and advised.rule in self._alarmed:
            self.advice = [each for each in self.advice if each.rule != advised.rule]
        elif advised.rule and len(self.advice) < MOST_ADVICE:
            given = GivenAdvice(
                level=advised.level,
                rule=advised.rule,
                step=self.step,
                text=advised.text,
                command=advised.command,
            )
            self.advice.append(given)

    def _supersede(self, step: int) -> None:
        """Drop epochs, alarms and advice beyond `step`."""
        self.advice = [given for given in self.advice if given.step <= step]
        self.epochs = [e for e in self.epochs if e.step <= step]
        self._alarmed = {r: alarm for r, alarm in self._alarmed.items() if alarm[0] <= step}
        self.step = step
        self.loss_curve.cut(step)
        self._best = None
        for epoch in self.epochs:
            self._best = self._better(self._best, epoch)


def _peaks(name: str) -> bool:
    """Whether the largest value of this metric is kept."""
    return name.endswith(("_bytes", "_error"))


def _largest(values: Sequence[float]) -> float:
    """The largest of the values; NaN counts as infinite."""
    if not math.isnan(sum(values)):
        return max(values)
    return max(math.inf if math.isnan(value) else value for value in values)
