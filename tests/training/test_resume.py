"""A run that was interrupted computes what it would have computed otherwise, to the bit."""

import hashlib
import random
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import nn

from revconsole.records.logs.events import (
    Advised,
    Checkpointed,
    EpochFinished,
    Finished,
    Measured,
    Started,
)
from revconsole.records.runs import control
from revconsole.training import requests
from revconsole.training.learning.preparing import prepare
from revconsole.training.machine import devices
from revconsole.training.step.stepping import compute_gradients
from tests.training.conftest import meant

CLOCK = {"epoch_seconds", "validation_seconds"}  # wall clock, the one thing that is not repeated


def fingerprint(weights):
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + weights[name].numpy().tobytes())
    return digest.hexdigest()


def epochs(logs):
    """What every epoch measured, without its wall clock."""
    return {
        e.epoch: {k: v for k, v in e.values.items() if k not in CLOCK}
        for log in logs
        for e in log.of(EpochFinished)
    }


def everything_random(small, wiring):
    """Everything random at once: dropout, drop-path, augmentation, signs, accumulation, a short batch."""
    return small(
        **wiring,
        model={"dropout": 0.1, "drop_path": 0.1},
        data={"augment": "crop", "crop_padding": 1, "train_limit": 64},
        train={"batch": 30, "accumulate": 3, "clip": 1.0, "label_smoothing": 0.1},
    )


def test_a_run_stopped_after_every_single_step_is_the_run_that_never_was(
    runner, small, monkeypatch
):
    """Of a scheme whose weights move from step to step; signs that are drawn are in the runs that are killed."""
    random_plan = everything_random(small, meant("coefficients"))
    monkeypatch.setattr(requests, "POLL_SECONDS", 0.0)
    whole = runner(random_plan, "whole")

    def stop_after_evaluation(event):
        if isinstance(event, EpochFinished):
            control.ask(runner.place("parts"), "stop")

    parts = []
    while not parts or parts[-1].ending.outcome == "stopped":
        # An evaluation that is stopped begins anew, so one attempt per epoch may end it.
        if not parts or parts[-1].losses:
            control.ask(runner.place("parts"), "stop")
        parts.append(runner(random_plan, "parts", watch=stop_after_evaluation))

    resumed = [part.of(Started)[0].resumed_from for part in parts]
    assert set(resumed) == {None, *range(1, whole.ending.step + 1)}
    assert {k: v for part in parts for k, v in part.losses.items()} == whole.losses
    assert epochs(parts) == epochs([whole])
    assert parts[-1].ending.values == whole.ending.values
    last = whole.ending.step
    assert fingerprint(runner.checkpoints("parts").load(last).weights) == fingerprint(
        runner.checkpoints("whole").load(last).weights
    )


class Killed(BaseException):
    """Not an Exception: nothing in the program may catch it, as nothing catches a SIGKILL."""


def test_a_run_killed_between_checkpoints_repeats_what_it_lost(runner, small):
    plan = everything_random(small, {"scheme": {"name": "bdia"}, "backward": "reversible"})
    train = plan.train.model_copy(update={"epochs": 3, "checkpoint_epochs": 2})
    plan = plan.model_copy(update={"train": train})
    whole = runner(plan, "whole")

    def kill_in_the_third_epoch(event):
        if isinstance(event, EpochFinished) and event.epoch == 3:
            raise Killed

    with pytest.raises(Killed):
        runner(plan, "killed", watch=kill_in_the_third_epoch)
    rest = runner(plan, "killed")

    resumed = rest.of(Started)[0].resumed_from
    assert 0 < resumed < whole.ending.step
    assert rest.losses == {k: v for k, v in whole.losses.items() if k > resumed}
    assert rest.ending.values == whole.ending.values


def test_a_finished_run_trains_no_further(runner, small):
    first = runner(small())
    second = runner(small())

    assert second.losses == {}
    assert isinstance(second.events[-1], Finished)
    assert second.ending.values == first.ending.values


OF_REPORTS = {
    "data_wait", "cores_used", "dead_share", "least_block_gradient", "least_gradient_block",
    "most_block_gradient", "most_gradient_block", "cpu_use", "memory_used_bytes",
}  # fmt: skip
"""Measured once per report of the meter, whose steps go by the clock."""
WALL_CLOCK = {"images_per_second", "probe_seconds", *CLOCK, *OF_REPORTS}
BY_CLOCK = (
    "device_", "resident_", "training_peak_", "gradient_of_block_", "update_ratio_of_block_",
)  # fmt: skip
ONCE_PER_ATTEMPT = {"kept_for_backward_bytes", "side_bits_bytes", "step_peak_bytes"}
RUNS_KILLED = 3


@dataclass
class Attempted:
    """The events of an attempt that was killed."""

    events: list = field(default_factory=list)

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


def values(logs):
    """Everything measured, by name and step; what was computed twice has to be the same twice."""
    found = {}
    for event in (e for log in logs for e in log.of(Measured) + log.of(EpochFinished)):
        for name, value in event.values.items():
            if name in WALL_CLOCK | ONCE_PER_ATTEMPT or name.startswith(BY_CLOCK):
                continue
            assert found.setdefault((name, event.step), value) == value, (name, event.step)
    return found


def test_a_run_killed_anywhere_within_its_epochs_is_the_run_that_never_was(runner, small):
    random_plan, draw = everything_random(small, meant("bdia")), random.Random("bdia")
    train = {"probe_epochs": 1, "threads": None, "epochs": 4}
    plan = random_plan.model_copy(
        update={"train": random_plan.train.model_copy(update=train | {"checkpoint_steps": 1})}
    )
    whole = runner(plan, "whole")
    logs = []

    def kill(after):
        """After so many events that are no declarations, wherever in the program that is."""
        left = iter(range(after, -1, -1))
        log = Attempted()
        logs.append(log)

        def watch(event):
            log.events.append(event)
            if isinstance(event, Measured | Checkpointed) and next(left) == 0:
                raise Killed

        return watch

    for _ in range(RUNS_KILLED):
        steps = draw.randint(1, 3)
        plan = plan.model_copy(
            update={"train": plan.train.model_copy(update={"checkpoint_steps": steps})}
        )
        with pytest.raises(Killed):
            runner(plan, "killed", watch=kill(draw.randint(3, 6)))
    logs.append(runner(plan, "killed"))

    assert len({log.of(Started)[0].resumed_from for log in logs}) > 1
    assert values(logs) == values([whole])
    assert logs[-1].ending == whole.ending
    assert len(whole.ending.weights_sha256) == 64


def test_the_hash_is_of_the_last_weights_and_not_of_the_best(runner, small):
    plan = small(train={"epochs": 6}, optimizer={"name": "sgd", "learning_rate": 1e-6})
    log = runner(plan)
    last = runner.checkpoints().load(log.ending.step).weights
    best = next(event.step for event in log.of(Checkpointed) if event.best)

    assert best < log.ending.step
    assert log.ending.weights_sha256 == sha256_of(last, runner, plan)
    assert runner(plan).ending == log.ending  # a run that is over and is resumed


def sha256_of(weights, runner, plan):
    """As the documentation of the event has it."""
    digest = hashlib.sha256()
    for name in prepare(plan, data=runner.folder).model.state_dict():
        there = weights[name]
        digest.update(f"{name} {there.dtype} {tuple(there.shape)}\n".encode())
        digest.update(there.numpy().tobytes())
    return digest.hexdigest()


def test_a_stopped_run_has_the_hash_of_where_it_stopped(runner, small, monkeypatch):
    monkeypatch.setattr(requests, "POLL_SECONDS", 0.0)
    control.ask(runner.place(), "stop")
    log = runner(small())

    weights = runner.checkpoints().load(log.ending.step).weights
    assert log.ending.outcome == "stopped"
    assert log.ending.weights_sha256 == sha256_of(weights, runner, small())


class Drawing(nn.Module):
    """Somebody's own layer, which draws from the generators of Python and numpy."""

    def forward(self, x):
        return x * (1 + random.random() + np.random.random())  # noqa: NPY002  the global generator is the point


def test_what_a_model_draws_from_python_and_numpy_is_repeated_too(realise):
    def loss(number):
        setting = realise()
        setting.model.norm = nn.Sequential(Drawing(), setting.model.norm, Drawing())
        images, labels = next(setting.training_batches(1))
        step = compute_gradients(setting, number, 1, images=images, labels=labels)
        return step.loss.item()

    first = loss(1)
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002  as above
    assert loss(1) == first
    assert loss(2) != first


def begun(runner, plan):
    """The events of an attempt that is killed with its first loss: threads that wait for one another take long."""
    log = Attempted()

    def watch(event):
        log.events.append(event)
        if isinstance(event, Measured) and "loss" in event.values:
            raise Killed

    with pytest.raises(Killed):
        runner(plan, watch=watch)
    return log


def kill_after_the_first_epoch(event):
    if isinstance(event, Checkpointed):
        raise Killed


def test_a_resumed_run_has_the_threads_it_began_with(runner, small):
    plan = small(train={"threads": None, "epochs": 3})
    usual = torch.get_num_threads()
    with devices.threads(2 if usual == 1 else 1):
        threads = torch.get_num_threads()
        with pytest.raises(Killed):
            runner(plan, watch=kill_after_the_first_epoch)
    rest = begun(runner, plan)

    assert rest.of(Started)[0].resumed_from == 4
    assert rest.of(Started)[0].facts["threads"] == threads != usual
    assert not [a for a in rest.of(Advised) if "decides bits" in a.text]
    assert torch.get_num_threads() == usual


def test_what_decides_bits_and_has_changed_is_said(runner, small):
    plan = small(train={"epochs": 3})
    with pytest.raises(Killed):
        runner(plan, watch=kill_after_the_first_epoch)
    other = plan.model_copy(update={"train": plan.train.model_copy(update={"threads": 2})})
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        rest = begun(runner, other)
    finally:
        torch.set_float32_matmul_precision(before)

    said = [a.text for a in rest.of(Advised) if "decides bits" in a.text]
    assert len(said) == 1
    assert "CPU threads was 1, is 2; float32 matmul precision was highest, is high" in said[0]
