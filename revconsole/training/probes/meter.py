"""Meter: reads the results of steps and reports them, without stalling the device.

Reading a number from a GPU waits for all work before it. Steps therefore leave their tensors here, and they are read
together once the oldest is half a second old; that single wait also measures the speed. The first step is reported at
once and later ones at doubling intervals, so that a pace is known early, from steps that neither load nor allocate.
"""

import math
import time
from collections.abc import Callable

import torch

from revconsole.errors import RunFailed
from revconsole.records.logs.events import Event, Measured
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.footprint import Footprint
from revconsole.training.step.progress import Progress
from revconsole.training.step.stepping import TrainingStep

FLUSH_SECONDS = 0.5
"""Longest time that a measurement stays unreported."""
FIRST_SECONDS = 1 / 32
"""Longest time right after the first step."""


class Meter:
    """Steps that have been computed and not yet reported."""

    def __init__(
        self,
        state: TrainingState,
        emit: Callable[[Event], None],
        progress: Progress,
        footprint: Footprint,
    ) -> None:
        self._state, self._emit, self._progress = state, emit, progress
        self._footprint = footprint
        self._waiting: list[TrainingStep] = []
        self._longest = 0.0
        self._since = self._latest = time.perf_counter()

    def restart(self) -> None:
        """Restart the speed measurement; what went before (evaluation, a pause) was not training."""
        self._since = self._latest = time.perf_counter()

    def add(self, step: TrainingStep) -> None:
        """Take in the results of a step before its update.

        Raises RunFailed for a loss or gradient that is not finite: at once on the CPU, where reading is free, on
        other devices at the next flush.
        """
        self._waiting.append(step)
        now = time.perf_counter()
        last, self._latest = now - self._latest, now
        broken = self._state.device.type == "cpu" and not _finite(step, self._state)
        if broken or now - self._since + last > self._longest:
            self.flush()
            self._longest = min(FLUSH_SECONDS, max(FIRST_SECONDS, 2 * self._longest))

    def flush(self) -> None:
        """Report every step so far. Raises RunFailed at the first that is not finite."""
        if not self._waiting:
            return
        steps, self._waiting = self._waiting, []
        read = torch.stack(
            [torch.stack([s.loss, s.norm, s.correct.to(s.loss.dtype)]) for s in steps]
        ).tolist()  # waits for the device
        now = time.perf_counter()
        seconds, self._since = now - self._since, now
        speed = sum(step.images for step in steps) / max(seconds, 1e-9)

        self._progress.running.seconds += seconds
        for step, (loss, norm, correct) in zip(steps, read, strict=True):
            more = self._footprint.now() if step is steps[-1] else {}
            learnt = {"loss": loss, "learning_rate": step.rate, "gradient_norm": norm}
            values = ({} if step.machine else learnt) | {"images_per_second": speed}
            self._emit(Measured(step=step.number, epoch=step.epoch, values=values | more))
            self._count(step, loss, norm, correct)

    def _count(self, step: TrainingStep, loss: float, norm: float, correct: float) -> None:
        """Add a step to the current epoch."""
        if not math.isfinite(loss) or not (math.isfinite(norm) or self._state.precision.scaled):
            raise not_finite(self._state, self._progress, step, loss)
        running = self._progress.running
        running.images += step.images
        running.correct += round(correct)
        running.loss += loss * step.images
        self._progress.loss = loss


def _finite(step: TrainingStep, state: TrainingState) -> bool:
    return math.isfinite(step.loss.item()) and (
        state.precision.scaled or math.isfinite(step.norm.item())
    )


def not_finite(
    state: TrainingState, progress: Progress, step: TrainingStep, loss: float
) -> RunFailed:
    """The error for a loss or gradient that became infinite or NaN, with likely causes."""
    train = state.plan.train
    what = f"the loss became {loss}" if not math.isfinite(loss) else "the gradient is not finite"
    before = (
        "it was so from the start"
        if progress.loss is None
        else f"the last good loss was {progress.loss:.4g}"
    )
    causes = ["the learning rate is too high (try a tenth of it, or a warm-up)"]
    if train.precision == "fp16":
        causes.insert(0, "fp16 overflowed (try bf16)")
    if train.clip is None:
        causes.append("one bad batch (try train.clip = 1)")
    return RunFailed(
        f"{what} at step {step.number} of epoch {step.epoch}; {before}, learning rate {step.rate:.3g}, "
        f"precision {train.precision}. Likely causes: {'; '.join(causes)}. Nothing was saved of it"
    )
