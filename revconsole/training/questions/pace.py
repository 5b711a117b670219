"""Pace: the duration of a whole run, from a few of its own steps on this machine.

    seconds = steps · training step + evaluated images · evaluation + checkpoints · one + probes · one

A step includes the preparation of its batch. For a support vector machine only the fit counts. Work done once
(importing, reading data, auditing) is not included.
"""

import time
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from torch import Tensor

from revconsole.records.settings.plan import Plan
from revconsole.training.checkpoints.checkpoint import CheckpointStore, NotSaved
from revconsole.training.checkpoints.policy import CheckpointPolicy
from revconsole.training.checks.reconstruction import measure
from revconsole.training.machine import devices, precision
from revconsole.training.pairs import check_pairs, forecast_fit_seconds
from revconsole.training.setup.rebuilt import rebuilt_stacks
from revconsole.training.setup.training_state import TrainingState, prepare
from revconsole.training.step.evaluation import evaluated, image_seconds
from revconsole.training.step.progress import Progress
from revconsole.training.step.stepping import compute_gradients, update_weights

WARM_UP, LEAST, MOST = 1, 3, 9
"""Untimed steps, which allocate and compile, and the least and most timed steps after them."""
ENOUGH_SECONDS = 2.0
"""Total of timed steps after which LEAST of them suffice."""


def forecast_seconds(plan: Plan, *, data: Path) -> float:
    """Seconds that a run would train, evaluate, save and probe. data: folder of the datasets. Raises as `prepare`
    does.
    """
    with devices.threads(plan.train.threads), precision.products(plan.train.precision):
        return seconds_of(prepare(plan, data=data))


def seconds_of(state: TrainingState) -> float:
    """Seconds of a run from its realised state; trains a few steps on it."""
    if state.fitted:
        check_pairs(state)
        return forecast_fit_seconds(state)
    train, epochs = state.plan.train, state.plan.epochs
    per_epoch, at_end = evaluated(state)
    saved = epochs // train.checkpoint_epochs + state.steps // (
        train.checkpoint_steps or state.steps + 1
    )
    probed = (
        epochs // train.probe_epochs + 1
        if train.probe_epochs and rebuilt_stacks(state.encoder)
        else 0
    )
    return (
        _step_seconds(state) * state.steps
        + image_seconds(state) * (per_epoch * epochs + at_end)
        + _checkpoint_seconds(state) * saved
        + (measure(state).seconds * probed if probed else 0.0)
    )  # fmt: skip


def _step_seconds(state: TrainingState) -> float:
    """Median seconds of a few training steps, each from requesting its batch to the update."""
    timings: list[float] = []
    with closing(_batches(state)) as batches:
        while len(timings) < WARM_UP + MOST:
            began = time.perf_counter()
            batch = next(batches, None)
            if batch is None:
                break
            step = compute_gradients(state, len(timings) + 1, 1, images=batch[0], labels=batch[1])
            update_weights(state, step)
            step.loss.item()  # waits for the device
            timings.append(time.perf_counter() - began)
            timed = timings[WARM_UP:]
            if len(timed) >= LEAST and sum(timed) > ENOUGH_SECONDS:
                break
    return median(timings[WARM_UP:] or timings)


def _batches(state: TrainingState) -> Generator[tuple[Tensor, Tensor], None, None]:
    """Training batches of the plan's epochs, from the first on."""
    for epoch in range(1, state.plan.epochs + 1):
        yield from state.training_batches(epoch)


def _checkpoint_seconds(state: TrainingState) -> float:
    """Seconds to write a checkpoint; 0 if there is no space to try."""
    with TemporaryDirectory() as folder:
        policy = CheckpointPolicy(state, CheckpointStore(Path(folder)), lambda _: None)
        return _timed(policy.save)


def _timed(save: Callable[[Progress], None]) -> float:
    began = time.perf_counter()
    try:
        save(Progress())
    except NotSaved:
        return 0.0
    return time.perf_counter() - began
