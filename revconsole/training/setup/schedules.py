"""The learning rate of every step, a pure function of the step: resuming needs a position and no state.

Steps count from 1. With n steps in all, the first w of them warm-up, and e whole epochs behind (of a run that was
lengthened, n of a step is the length that the run had when that step was planned):

    warm-up      peak · step / w, then
    constant     peak
    cosine       peak · (final + (1 − final) · (1 + cos(π (step − 1 − w) / (n − w))) / 2)
    step         peak · factor^⌊e / every⌋
    exponential  peak · factor^e
    one-cycle    no warm-up; half a cosine from start · peak up to the peak, which is at step rise · n, then another
                 down to final · peak at step n
"""

import math
from dataclasses import dataclass

from revconsole.records.sections import Schedule
from revconsole.records.sections.schedule import (
    Constant,
    Cosine,
    Exponential,
    OneCycle,
    StepSchedule,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """A schedule applied to a run of known length."""

    schedule: Schedule
    peak: float
    steps_per_epoch: int
    steps: int
    """Optimiser steps of the whole run."""
    earlier: tuple[int, ...] = ()
    """Lengths in steps before the run was lengthened, ascending; rates up to the last of them stay as they were."""

    def length_at(self, step: int) -> int:
        """Length of the run in steps, as planned when that step was trained."""
        return next((end for end in self.earlier if step <= end), self.steps)

    @property
    def lengthening(self) -> str:
        """What a lengthened run does at its old end, in a sentence; empty for any other run."""
        if not self.earlier:
            return ""
        old = self.earlier[-1]
        return (
            f"lengthened from {old:,} to {self.steps:,} steps: up to step {old:,} all is as it was planned, and the "
            f"learning rate is {self.at(old):.3g} there; from step {old + 1:,} on the {self.schedule.name} schedule is "
            f"that of {self.steps:,} steps and begins with {self.at(old + 1):.3g}"
        )

    @property
    def warmup(self) -> int:
        """Number of steps of linear rise."""
        if isinstance(self.schedule, OneCycle):
            return 0
        if self.schedule.warmup_steps is not None:
            return self.schedule.warmup_steps
        return round(self.schedule.warmup_epochs * self.steps_per_epoch)

    def at(self, step: int) -> float:
        """The learning rate of a step."""
        if step <= self.warmup:
            return self.peak * step / self.warmup
        epochs_behind = (step - 1) // self.steps_per_epoch
        match self.schedule:
            case Constant():
                return self.peak
            case Cosine(final=final):
                way = (step - 1 - self.warmup) / (self.length_at(step) - self.warmup)
                return self.peak * (final + (1 - final) * _half_cosine(way))
            case StepSchedule(every_epochs=every, factor=factor):
                return self.peak * factor ** (epochs_behind // every)
            case Exponential(factor=factor):
                return self.peak * factor**epochs_behind
            case OneCycle() as cycle:
                return self.peak * self._cycle(cycle, step)

    def _cycle(self, cycle: OneCycle, step: int) -> float:
        """The rate as a fraction of the peak, with peak and end at the steps of torch's OneCycleLR."""
        steps = self.length_at(step)
        peak, end = cycle.rise * steps - 1, steps - 1
        if step - 1 < peak:  # a peak at the first step has no rise
            return 1 + (cycle.start - 1) * _half_cosine((step - 1) / peak)
        return cycle.final + (1 - cycle.final) * _half_cosine((step - 1 - peak) / (end - peak))


def _half_cosine(way: float) -> float:
    """Half a cosine from 1 to 0 as `way` goes from 0 to 1."""
    return (1 + math.cos(math.pi * way)) / 2
