"""What is measured is reported, in time, once, and only while it is finite."""

import itertools
import math
import re
import time
from pathlib import Path

import pytest
import torch

from revconsole.errors import RunFailed
from revconsole.records.logs.events import EpochFinished, Measured, MetricDeclared, Started
from revconsole.training.learning.by_gradients import declared
from revconsole.training.probes.meter import FLUSH_SECONDS, Meter
from revconsole.training.step.footprint import Footprint
from revconsole.training.step.progress import Progress
from revconsole.training.step.stepping import TrainingStep

PER_STEP = {"loss", "learning_rate", "gradient_norm", "images_per_second"}
PER_EPOCH = {
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "epoch_seconds",
    "validation_seconds",
    "classes_unpredicted",
    "largest_prediction",
}


def step(number, *, loss=1.0, norm=2.0):
    return TrainingStep(
        number=number, epoch=1, images=8, rate=0.5,
        loss=torch.tensor(loss), correct=torch.tensor(3), norm=torch.tensor(norm),
    )  # fmt: skip


@pytest.fixture
def emitted():
    return []


@pytest.fixture
def meter(realise, emitted):
    setting = realise()
    return Meter(setting, emitted.append, Progress(), Footprint(setting))


def test_a_run_declares_everything_it_measures(runner, small):
    log = runner(small())
    declared = {metric.name: metric for metric in log.of(MetricDeclared)}
    measured = {name for e in log.of(Measured) + log.of(EpochFinished) for name in e.values} | set(
        log.ending.values
    )

    assert measured == set(declared)
    assert measured >= PER_STEP | PER_EPOCH | {"resident_bytes", "kept_for_backward_bytes"}
    assert all(m.meaning.endswith(".") and m.per in {"step", "epoch"} for m in declared.values())
    assert log.events.index(log.of(MetricDeclared)[-1]) < log.events.index(log.of(Measured)[0])


def test_every_metric_stands_on_its_page(realise):
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    wired = realise(scheme={"name": "bdia"}, backward="reversible", train={"probe_epochs": 1})
    names = {re.sub(r"\d+$", "N", metric.name) for metric in declared(wired)}

    assert {f"`{name}`" for name in names} - set(re.findall(r"`\w+`", page)) == set()


def test_every_step_is_reported_once_with_every_value(runner, small):
    log = runner(small())
    steps = [e for e in log.of(Measured) if "loss" in e.values]

    assert [e.step for e in steps] == list(range(1, 9))
    assert [e.epoch for e in steps] == [1] * 4 + [2] * 4
    assert all(e.values.keys() >= PER_STEP for e in steps)
    assert [e.values.keys() for e in log.of(EpochFinished)] == [PER_EPOCH] * 2


def test_the_first_loss_is_that_of_guessing(runner, small):
    assert runner(small()).losses[1] == pytest.approx(math.log(10), rel=0.15)


def test_the_mean_of_an_epoch_weighs_images_and_not_steps(runner, small):
    """112 images in batches of 32, 32, 32 and 16."""
    log = runner(small())
    losses, epoch = log.losses, log.of(EpochFinished)[0]

    expected = (32 * (losses[1] + losses[2] + losses[3]) + 16 * losses[4]) / 112
    assert epoch.values["train_loss"] == pytest.approx(expected, rel=1e-12)


class Clock:
    """Stands still until a test moves it: a busy machine stops a process for longer than what is tested takes."""

    process_time = staticmethod(time.process_time)

    def __init__(self, now):
        self.now = now

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(meter, monkeypatch):
    """The clock that the meter looks at."""
    stopped = Clock(meter._since)
    monkeypatch.setattr("revconsole.training.probes.meter.time", stopped)
    return stopped


def test_a_step_that_would_be_late_is_reported_at_once(meter, emitted):
    meter._since -= FLUSH_SECONDS
    meter.add(step(1))

    assert [event.step for event in emitted] == [1]


def test_the_first_step_is_reported_at_once_and_the_next_ones_soon(meter, emitted, clock):
    """So that a pace is known soon, in which nothing is that only the first step does."""
    meter.restart()
    clock.now += 1 / 64
    meter.add(step(1))
    assert [event.step for event in emitted] == [1]
    assert "resident_bytes" in emitted[0].values

    waits, number = [], 1
    while len(waits) < 7:
        number += 1
        clock.now += 1 / 64
        meter.add(step(number))
        if emitted[-1].step == number:
            waits.append(number - sum(waits) - 1)
    assert waits[0] <= 2
    assert all(later <= 2 * max(2, earlier) for earlier, later in itertools.pairwise(waits))
    assert max(waits) <= FLUSH_SECONDS * 64


def test_memory_comes_with_the_last_step_of_a_report(meter, emitted, clock):
    for number in (1, 2, 3):
        clock.now += 1e-6  # on any machine all three steps are one moment
        meter.add(step(number))
    meter.flush()

    assert ["resident_bytes" in e.values for e in emitted] == [True, False, True]
    assert emitted[2].values["resident_bytes"] > 50e6


def test_speed_is_images_by_wall_clock_without_pauses(meter, emitted):
    meter.add(step(1))
    time.sleep(0.2)  # a pause
    began = time.perf_counter()
    meter.restart()
    meter.add(step(2))
    meter.add(step(3))
    meter.flush()
    fastest = 16 / max(1e-9, time.perf_counter() - began)

    assert emitted[1].values["images_per_second"] == emitted[2].values["images_per_second"]
    assert emitted[1].values["images_per_second"] >= fastest


@pytest.mark.parametrize(("loss", "norm"), [(math.nan, 1.0), (math.inf, 1.0), (1.0, math.nan)])
def test_a_step_that_is_not_finite_is_reported_and_refused_at_once(meter, emitted, loss, norm):
    meter.add(step(1, loss=1.25))
    with pytest.raises(RunFailed) as failure:
        meter.add(step(2, loss=loss, norm=norm))

    assert [e.step for e in emitted] == [1, 2]
    sentence = str(failure.value)
    for part in ("at step 2 of epoch 1", "last good loss was 1.25", "learning rate 0.5", "float32"):
        assert part in sentence
    assert meter._progress.running.images == 8


def test_a_run_that_diverges_keeps_no_checkpoint_of_it(runner, small):
    plan = small(
        optimizer={"name": "sgd", "learning_rate": 100.0},
        schedule={"name": "constant"},
        train={"epochs": 50, "checkpoint_epochs": 1},
    )
    with pytest.raises(RunFailed, match=r"Likely causes: the learning rate is too high"):
        runner(plan)

    for saved in runner.checkpoints().steps():
        weights = runner.checkpoints().load(saved).weights
        assert all(torch.isfinite(tensor).all() for tensor in weights.values())


def test_facts_tell_with_what_a_run_was_trained(runner, small, monkeypatch):
    monkeypatch.setenv("REVCONSOLE_SECRET", "hunter2")
    facts = runner(small(scheme={"name": "bdia"}, backward="reversible")).of(Started)[0].facts

    expected = {
        "device": "cpu", "steps": 8, "epochs": 2, "steps_per_epoch": 4, "train_images": 112,
        "validation_images": 16, "test_images": 360, "classes": 10, "threads": 1,
        "torch": torch.__version__, "error_growth": 0.0,
    }  # fmt: skip
    assert {name: facts[name] for name in expected} == expected
    assert facts["parameters"] == facts["trainable_parameters"] > 1000
    assert facts.keys() >= {"fingerprint", "python", "timm", "revconsole", "host", "commit"}
    assert facts["what_was_read"].endswith(
        "112 to train on, 16 to validate on, 360 to test on (1,309 of the others not used)"
    )
    assert "hunter2" not in str(facts)
