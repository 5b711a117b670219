"""Pace: the duration of a whole run, from a few of its own steps on this machine.

    seconds = steps · training step + evaluated images · evaluation + checkpoints · one + probes · one

A step includes the preparation of its batch. The evaluations of a support vector machine are not included, nor is
work done once (importing, reading data, auditing).
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from revconsole.records import host
from revconsole.records.foresight import measured as before
from revconsole.records.foresight.measured import KeptPace
from revconsole.records.runs.pace import pace_key
from revconsole.records.settings.plan import Plan
from revconsole.training.checkpoints.checkpoint import CheckpointStore, NotSaved
from revconsole.training.checkpoints.policy import CheckpointPolicy
from revconsole.training.checks.reconstruction import measure
from revconsole.training.learning.preparing import learning_of, prepare
from revconsole.training.machine import devices, precision
from revconsole.training.setup.rebuilt import rebuilt_stacks
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.progress import Progress


def kept(plan: Plan, *, data: Path) -> KeptPace:
    """The pace of such plans on this device: measured once, and kept in the user's cache for the runs, which record it as
    foreseen. data: folder of the datasets. Raises as `prepare` does.
    """
    key, name = pace_key(plan), devices.device_name(devices.choose(plan.train.device))
    known = before.known(key, name)
    if known is not None:
        return known
    with devices.threads(plan.train.threads), precision.products(plan.train.precision):
        found = measured(prepare(plan, data=data))
    before.keep(key, name, found)
    return found


def seconds_of(state: TrainingState) -> float:
    """Seconds of a run from its realised state; trains a few steps on it."""
    return measured(state).seconds(state.plan.epochs)


def measured(state: TrainingState) -> KeptPace:
    """The pace of a run from its realised state; trains a few steps on it."""
    train, epochs, learning = state.plan.train, state.plan.epochs, learning_of(state.plan)
    saved = epochs // train.checkpoint_epochs + state.steps // (
        train.checkpoint_steps or state.steps + 1
    )
    probed = (
        epochs // train.probe_epochs + 1
        if train.probe_epochs and rebuilt_stacks(state.encoder)
        else 0
    )
    began, load = time.time(), os.getloadavg()[0]
    training = learning.training_seconds(state)
    evaluation, at_end = learning.evaluation_seconds(state)
    recurring = (
        training.usual
        + evaluation * epochs
        + _checkpoint_seconds(state) * saved
        + (measure(state).seconds * probed if probed else 0.0)
    )
    return KeptPace(
        epoch_seconds=recurring / epochs,
        end_seconds=at_end,
        step_seconds=training.of_step(state.steps),
        steps=training.timed,
        at=began,
        load=load,
        cores=host.cores(),
    )


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
