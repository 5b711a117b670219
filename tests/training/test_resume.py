"""A run that was interrupted computes what it would have computed otherwise, to the bit."""

import hashlib
import os
import signal
import subprocess
import sys
import time

import pytest

from revconsole.records import control
from revconsole.records.events import EpochFinished, Finished, Started
from revconsole.training import door, orders

CLOCK = {"epoch_seconds"}  # wall clock, the one thing that is not repeated
PATIENCE_SECONDS = 60.0


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


@pytest.fixture
def random_plan(small, wiring):
    """Everything random at once: dropout, drop-path, augmentation, signs, accumulation, a short batch."""
    return small(
        **wiring,
        model={"dropout": 0.1, "drop_path": 0.1},
        data={"augment": "crop", "crop_padding": 1},
        train={"batch": 30, "accumulate": 3, "clip": 1.0, "label_smoothing": 0.1},
    )


def test_a_run_stopped_after_every_single_step_is_the_run_that_never_was(
    runner, random_plan, monkeypatch
):
    monkeypatch.setattr(orders, "LOOK_SECONDS", 0.0)
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


def test_a_run_killed_between_checkpoints_repeats_what_it_lost(runner, random_plan):
    plan = random_plan.model_copy(
        update={"train": random_plan.train.model_copy(update={"epochs": 3, "checkpoint_epochs": 2})}
    )
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


@pytest.mark.slow
def test_a_process_killed_by_sigkill_is_resumed_to_the_same_curve(store, small):
    plan = small(
        scheme={"name": "bdia", "grid_bits": 9},
        backward="reversible",
        model={"dropout": 0.1},
        train={"epochs": 40, "checkpoint_epochs": 4},
    )
    whole, killed = store.create(plan, {}), store.create(plan, {})
    command = [sys.executable, "-m", "revconsole.training", str(store.root), killed]
    child = subprocess.Popen(command, env=os.environ)
    follow, until = store.follow(killed), time.monotonic() + PATIENCE_SECONDS
    while follow.run().summary.epoch < 5 and time.monotonic() < until and child.poll() is None:
        os.sched_yield()
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert 5 <= follow.run().summary.epoch < 40
    assert store.read(killed).summary.state == "lost"

    for run_id in (killed, whole):
        outcome = door.execute(store, run_id, store.claim(run_id, store.next_attempt(run_id)))
        assert outcome == "completed"
    again, once = store.read(killed), store.read(whole)
    assert again.summary.attempt == 2
    for name in ("loss", "gradient_norm", "train_loss", "validation_accuracy", "test_loss"):
        assert again.series[name].steps == once.series[name].steps
        assert again.series[name].values == once.series[name].values
    assert not store.read(killed).summary.damaged_lines


def test_a_finished_run_trains_no_further(runner, small):
    first = runner(small())
    second = runner(small())

    assert second.losses == {}
    assert isinstance(second.events[-1], Finished)
    assert second.ending.values == first.ending.values
