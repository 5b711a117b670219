"""Pace: how long a whole run would take, from a few of its own steps on this machine.

    seconds = steps · a training step + images evaluated · an evaluation + checkpoints · one + probes · one

A step begins with the making of its batch. Of a support vector machine it is the fit alone. What is done once (importing,
reading data, auditing) is not in it.
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
"""Steps before the clock is read, as the first of all allocates and compiles; and how many after, at least and at most."""
ENOUGH_SECONDS = 2.0
"""Of steps timed: beyond it the least will do."""


def forecast_seconds(plan: Plan, *, data: Path) -> float:
    """Seconds that a run would train, evaluate, save and probe. data: the folder of the datasets. Raises what `prepare` raises."""
    with devices.threads(plan.train.threads), precision.products(plan.train.precision):
        return seconds_of(prepare(plan, data=data))


def seconds_of(state: TrainingState) -> float:
    """The same of a plan that is realised already. It trains a few steps."""
    if state.fitted:
        check_pairs(state)
        return forecast_fit_seconds(state)
    train, epochs = state.plan.train, state.plan.epochs
    each, end = evaluated(state)
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
        + image_seconds(state) * (each * epochs + end)
        + _checkpoint_seconds(state) * saved
        + (measure(state).seconds * probed if probed else 0.0)
    )  # fmt: skip


def _step_seconds(state: TrainingState) -> float:
    """The median of a few training steps, each from asking for its batch to the update."""
    found: list[float] = []
    with closing(_batches(state)) as batches:
        while len(found) < WARM_UP + MOST:
            began = time.perf_counter()
            batch = next(batches, None)
            if batch is None:
                break
            step = compute_gradients(state, len(found) + 1, 1, images=batch[0], labels=batch[1])
            update_weights(state, step)
            step.loss.item()  # waits for the device
            found.append(time.perf_counter() - began)
            timed = found[WARM_UP:]
            if len(timed) >= LEAST and sum(timed) > ENOUGH_SECONDS:
                break
    return median(found[WARM_UP:] or found)


def _batches(state: TrainingState) -> Generator[tuple[Tensor, Tensor], None, None]:
    """Those of the first epochs."""
    for epoch in range(1, state.plan.epochs + 1):
        yield from state.training_batches(epoch)


def _checkpoint_seconds(state: TrainingState) -> float:
    """To write one; nothing where there is no room to try."""
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
