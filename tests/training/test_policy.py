"""When checkpoints are made, and that one which cannot be written is no reason to stop training."""

import resource
import shutil
from collections import namedtuple

import pytest

from revconsole.errors import StoreError
from revconsole.records.logs.events import Advised, Checkpointed, EpochFinished, Finished
from revconsole.records.runs import control
from revconsole.training import requests

Usage = namedtuple("Usage", "total used free")  # noqa: PYI024  as shutil's


def saved(log):
    return [event.step for event in log.of(Checkpointed)]


def failures(log):
    return [a.text for a in log.of(Advised) if a.level == "warning" and "not written" in a.text]


def still(small, **train):
    """A plan of 3 epochs of 4 steps whose first epoch stays the best."""
    rate = {"name": "sgd", "learning_rate": 1e-6}
    return small(train={"epochs": 3, "checkpoint_epochs": 3} | train, optimizer=rate)


class FullDisk:
    """Files of this process stay small for as long as it is full."""

    def __init__(self):
        self.limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def set(self, full):
        size = 4000 if full else self.limits[0]
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, self.limits[1]))


@pytest.fixture
def disk():
    full = FullDisk()
    yield full
    full.set(False)


def test_a_checkpoint_every_so_many_steps_besides_those_of_epochs(runner, small):
    log = runner(still(small, checkpoint_steps=3))

    # After 4, the best epoch, it is three steps to 7 and to 10; 12 is the last.
    assert saved(log) == [3, 4, 7, 10, 12]


def test_a_checkpoint_every_so_many_minutes(runner, small):
    often = runner(still(small, checkpoint_minutes=1e-9), "often")
    seldom = runner(still(small, checkpoint_minutes=1000.0), "seldom")

    assert set(saved(often)) == set(range(1, 13))
    assert saved(seldom) == [4, 12]


def test_a_checkpoint_within_an_epoch_holds_the_sums_of_its_images(runner, small):
    plan = still(small, checkpoint_steps=1)
    runner(plan)
    running = runner.checkpoints().load(11).state["progress"]["running"]

    assert running["images"] == 3 * 32
    assert running["loss"] > 0


def test_as_many_are_kept_as_the_plan_says(runner, small):
    runner(still(small, checkpoint_steps=1, keep_checkpoints=3))

    assert runner.checkpoints().steps() == [12, 11, 10, 4]


def test_a_full_disk_is_said_and_training_goes_on_until_there_is_room(runner, small, disk):
    def fill(event):
        if isinstance(event, Checkpointed) and event.epoch == 1:
            disk.set(True)
        if isinstance(event, Advised) and "step 8" in event.text:
            disk.set(False)

    plan = still(small, checkpoint_steps=2)
    whole = runner(plan, "whole")
    log = runner(plan, watch=fill)

    assert [text.split(" was")[0] for text in failures(log)] == [
        "the checkpoint of step 6", "the checkpoint of step 8"
    ]  # fmt: skip
    assert "it takes 0.0 MiB and " in failures(log)[0]
    assert failures(log)[0].endswith("training goes on and tries again when the next is due")
    assert list(dict.fromkeys(saved(log))) == [2, 4, 10, 12]
    assert log.losses == whole.losses
    assert log.ending == whole.ending


def test_a_last_checkpoint_that_fails_is_a_warning(runner, small, disk):
    log = runner(
        still(small), watch=lambda e: disk.set(isinstance(e, EpochFinished) and e.epoch == 3)
    )

    assert failures(log)
    assert isinstance(log.events[-1], Finished)
    assert runner.checkpoints().steps() == [4]


def test_a_run_that_ends_without_any_checkpoint_fails(runner, small, disk):
    disk.set(True)
    with pytest.raises(StoreError, match=r"cannot write the checkpoint of step 12 .* make room"):
        runner(still(small))


def test_a_stop_whose_checkpoint_cannot_be_written_fails_loudly(runner, small, disk, monkeypatch):
    monkeypatch.setattr(requests, "POLL_SECONDS", 0.0)
    control.ask(runner.place(), "stop")
    disk.set(True)
    with pytest.raises(StoreError, match="cannot write the checkpoint of step 1 "):
        runner(still(small))


def test_the_last_are_tested_where_the_best_could_not_be_written(runner, small, disk):
    def fill(event):
        if isinstance(event, EpochFinished):
            disk.set(event.epoch == 1)

    log = runner(still(small), watch=fill)

    said = [a.text for a in log.of(Advised)]
    assert any(t.startswith("the weights of the best epoch, 1, could not be written") for t in said)
    assert isinstance(log.events[-1], Finished)


def test_nothing_is_written_where_there_is_too_little_room(runner, small, monkeypatch):
    """The log is on the same disk, and has to be written still."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(
        StoreError, match=r"No space left on device, it takes 0.0 MiB and 0.0 MiB are"
    ):
        runner(still(small))

    assert list(runner.checkpoints().folder.iterdir()) == []
