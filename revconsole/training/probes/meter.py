"""Meter: reads the results of steps and reports them, without stalling the device.

Reading a number from a GPU waits for all work before it. Steps therefore leave their tensors here, and they are read
together once the oldest is half a second old; that single wait also measures the speed. The first step is reported at
once and later ones at doubling intervals, so that a pace is known early, from steps that neither load nor allocate.
"""

import math
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from typing import Any

import torch

from revconsole.errors import RunFailed
from revconsole.records.logs.events import Event, Measured
from revconsole.training.probes.gradients import BlockGradients
from revconsole.training.probes.host_use import HostUse
from revconsole.training.probes.updates import BlockUpdates
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.footprint import Footprint
from revconsole.training.step.progress import Progress
from revconsole.training.step.stepping import TrainingStep

FLUSH_SECONDS = 0.5
"""Longest time that a measurement stays unreported."""
FIRST_SECONDS = 1 / 32
"""Longest time right after the first step."""


class Meter:
    """Steps that have been computed and not yet reported. declared: names of the run's metrics; None reports all."""

    def __init__(
        self,
        state: TrainingState,
        emit: Callable[[Event], None],
        progress: Progress,
        footprint: Footprint,
        declared: Collection[str] | None = None,
    ) -> None:
        self._state, self._emit, self._progress = state, emit, progress
        self._footprint, self._gradients = footprint, BlockGradients(state)
        self._updates = BlockUpdates(state)
        self._machine, self._declared = HostUse(state.device), declared
        self._waiting: list[TrainingStep] = []
        self._longest = 0.0
        self.restart()

    def restart(self) -> None:
        """Restart the speed measurement; what went before (evaluation, a pause) was not training."""
        self._since = self._latest = time.perf_counter()
        self._computed, self._waited = time.process_time(), 0.0

    def fetched(self, batches: Iterator[Any]) -> Iterator[Any]:
        """The batches; the time spent waiting for each is measured."""
        with closing(batches):  # type: ignore[type-var]
            while True:
                began = time.perf_counter()
                batch = next(batches, None)
                self._waited += time.perf_counter() - began
                if batch is None:
                    return
                yield batch

    def add(self, step: TrainingStep) -> None:
        """Take in the results of a step before its update.

        Raises RunFailed for a loss or gradient that is not finite: at once on the CPU, where reading is free, on
        other devices at the next flush.
        """
        self._updates.end()
        self._waiting.append(step)
        now = time.perf_counter()
        last, self._latest = now - self._latest, now
        broken = self._state.device.type == "cpu" and not _finite(step, self._state)
        if broken or now - self._since + last > self._longest:
            self.flush()
            self._longest = min(FLUSH_SECONDS, max(FIRST_SECONDS, 2 * self._longest))
            self._updates.begin()

    def end_epoch(self) -> None:
        """Report the rest of an epoch, and the memory of the rank that has most."""
        self._footprint.agree()
        self.flush()

    def flush(self) -> None:
        """Report every step so far. Raises RunFailed at the first that is not finite."""
        if not self._waiting:
            return
        steps, self._waiting = self._waiting, []
        began = time.perf_counter()
        read = torch.stack(
            [torch.stack([s.loss, s.norm, s.correct.to(s.loss.dtype)]) for s in steps]
        ).tolist()  # waits for the device
        now = time.perf_counter()
        waits = self._shares(now - began, now - self._since)
        seconds, self._since = now - self._since, now
        speed = sum(step.images for step in steps) / max(seconds, 1e-9)

        self._progress.running.seconds += seconds
        for step, (loss, norm, correct) in zip(steps, read, strict=True):
            more = self._of_report(waits, norm) if step is steps[-1] else {}
            learnt = {"loss": loss, "learning_rate": step.rate, "gradient_norm": norm}
            values = self._of_the_run(learnt | {"images_per_second": speed} | more)
            self._emit(Measured(step=step.number, epoch=step.epoch, values=values))
            self._count(step, loss, norm, correct)

    def _shares(self, read: float, seconds: float) -> dict[str, float]:
        """Shares of the time since the last report: waiting for batches, waiting for the device, computing."""
        computed = time.process_time()
        spent, self._computed = computed - self._computed, computed
        waited, self._waited = self._waited, 0.0
        seconds = max(seconds, 1e-9)
        if self._state.device.type == "cpu":
            return {"data_wait": min(1.0, waited / seconds), "cores_used": spent / seconds}
        return {"data_wait": min(1.0, waited / seconds), "device_wait": min(1.0, read / seconds)}

    def _of_report(self, waits: dict[str, float], norm: float) -> dict[str, float]:
        """What is measured once per report."""
        of_blocks = self._gradients.values(norm) | self._updates.values()
        return self._footprint.now() | waits | of_blocks | self._machine.now()

    def _of_the_run(self, values: dict[str, float]) -> dict[str, float]:
        """Those of the values that the run declares."""
        declared = self._declared
        return {k: v for k, v in values.items() if declared is None or k in declared}

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
