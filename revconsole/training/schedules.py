"""The learning rate of every step, a pure function of the step: resuming needs a position and no state.

Steps count from 1. With n steps in all, the first w of them warm-up, and e whole epochs behind:

    warm-up      peak · step / w, then
    constant     peak
    cosine       peak · (final + (1 − final) · (1 + cos(π (step − 1 − w) / (n − w))) / 2)
    step         peak · factor^⌊e / every⌋
    exponential  peak · factor^e
"""

import math
from dataclasses import dataclass

from revconsole.records.sections import Constant, Cosine, Exponential, Schedule, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """A schedule, laid over a run of known length."""

    schedule: Schedule
    peak: float
    steps_per_epoch: int
    epochs: int

    @property
    def warmup(self) -> int:
        """Steps of linear rise."""
        return round(self.schedule.warmup_epochs * self.steps_per_epoch)

    def at(self, step: int) -> float:
        """The learning rate of that step."""
        if step <= self.warmup:
            return self.peak * step / self.warmup
        epochs_behind = (step - 1) // self.steps_per_epoch
        match self.schedule:
            case Constant():
                return self.peak
            case Cosine(final=final):
                return self.peak * (final + (1 - final) * self._half_cosine(step))
            case Step(every_epochs=every, factor=factor):
                return self.peak * factor ** (epochs_behind // every)
            case Exponential(factor=factor):
                return self.peak * factor**epochs_behind

    def _half_cosine(self, step: int) -> float:
        """From 1 at the first step after the warm-up towards 0."""
        steps = self.steps_per_epoch * self.epochs
        return (1 + math.cos(math.pi * (step - 1 - self.warmup) / (steps - self.warmup))) / 2
