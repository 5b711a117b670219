"""Batches made ahead of a run: the run is the same, resumes to the same, and ends with its threads."""

import threading

import pytest

from revconsole.records.logs.events import Measured
from revconsole.records.runs import control

AUGMENTED = {
    "augment": "crop", "crop_padding": 1, "rand_augment": 5, "erasing": 0.5, "mixup": 0.5, "image_size": 12,
}  # fmt: skip


class CutOffError(Exception):
    """Ends an attempt as abruptly as a test can."""


@pytest.fixture
def fed(small):
    """A function: a small run with dropout and augmentation, its batches made so far ahead."""

    def made(prefetch, **changes):
        return small(
            data=AUGMENTED | {"prefetch": prefetch},
            model={"dropout": 0.2, "drop_path": 0.1},
            train={"batch": 16, "checkpoint_steps": 1, **changes},
        )

    return made


def at_work():
    return [thread for thread in threading.enumerate() if thread.name.startswith("data")]


def at(step, act):
    """Watch a run, and act once when that step is reported."""

    def watch(event):
        if isinstance(event, Measured) and event.step == step and "loss" in event.values:
            act()

    return watch


def cut():
    raise CutOffError


@pytest.mark.parametrize("prefetch", [1, 5, None])
def test_a_run_is_the_same_to_the_bit(fed, runner, prefetch):
    plain, ahead = runner(fed(0), "plain"), runner(fed(prefetch), "ahead")
    assert len(plain.losses) == 14
    assert ahead.losses == plain.losses
    assert ahead.ending.weights_sha256 == plain.ending.weights_sha256
    assert at_work() == []


def test_a_run_that_was_cut_off_goes_on_to_the_same(fed, runner):
    plain = runner(fed(0), "plain")
    with pytest.raises(CutOffError):
        runner(fed(3), "ahead", watch=at(10, cut))
    assert at_work() == []
    resumed = runner(fed(3), "ahead")
    assert min(resumed.losses) in {10, 11}
    assert resumed.losses.items() <= plain.losses.items()
    assert resumed.ending.weights_sha256 == plain.ending.weights_sha256


def test_a_run_that_is_stopped_leaves_no_thread(fed, runner):
    place = runner.place("stopped")
    long = fed(4, epochs=100_000)
    log = runner(long, "stopped", watch=at(3, lambda: control.ask(place, "stop")))
    assert log.ending.outcome == "stopped"
    assert log.ending.step < 7 * 100_000
    assert at_work() == []
