"""How long a run would take, from what is known before it begins."""

from dataclasses import replace

import pytest

from revconsole.records.foresight import cache, measured
from revconsole.records.foresight.measured import KeptPace
from revconsole.records.runs.pace import (
    TimedDevice,
    by_multiply_adds,
    foretold,
    operations,
    pace_key,
    too_far,
)
from revconsole.records.runs.run import Summary
from revconsole.records.settings.plan import Plan

HERE = TimedDevice(device="cpu", name="a processor")
OPERATIONS = 1_000_000


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "foresight")


def planned(**train):
    return Plan.model_validate({"name": "small", "train": {"epochs": 4} | train})


def done(plan, run_id="a", **given):
    known = {
        "state": "finished", "device": "cpu", "device_name": "a processor", "seconds_per_epoch": 10.0,
        "seconds_at_end": 5.0, "multiply_adds_per_image": OPERATIONS,
    }  # fmt: skip
    return Summary(id=run_id * 8, name=plan.name, plan=plan, created=0.0, **(known | given))


def test_the_best_that_is_known_is_believed():
    plan, other = planned(), done(planned(batch=64), "b")
    assert foretold(plan, [], HERE, OPERATIONS) is None

    assert foretold(plan, [other], HERE, OPERATIONS).source == "multiply-adds"

    measured.keep(pace_key(plan), HERE.name, KeptPace(epoch_seconds=3.0, end_seconds=1.0))
    by_steps = foretold(planned(epochs=2), [other], HERE, OPERATIONS)
    assert (by_steps.source, by_steps.seconds) == ("steps", 2 * 3.0 + 1.0)

    alike = foretold(plan, [other, done(planned(epochs=9), "c")], HERE, OPERATIONS)
    assert (alike.source, alike.of, alike.seconds) == ("run", ("c" * 8,), 4 * 10.0 + 5.0)


@pytest.mark.parametrize(
    "elsewhere", [{"device": "cuda:0"}, {"device_name": "another"}, {"state": "failed"}]
)
def test_runs_of_another_device_and_unfinished_ones_tell_nothing(elsewhere):
    runs = [replace(done(planned()), **elsewhere)]

    assert foretold(planned(), runs, HERE, OPERATIONS) is None


def test_a_damaged_measurement_counts_as_none(tmp_path):
    measured.keep("key", "here", KeptPace(epoch_seconds=3.0, end_seconds=1.0))
    (file,) = (tmp_path / "foresight").iterdir()
    file.write_text("{")

    assert measured.known("key", "here") is None


def test_multiply_adds_are_those_of_training_and_validation():
    plan = planned(batch=10)
    trained = plan.trained_images
    all_images = plan.shipped_images
    validated = all_images - trained

    assert operations(plan, 7) == pytest.approx(7 * (3 * trained + validated), rel=0.001)
    again = plan.model_copy(update={"backward": "checkpointed"})
    assert operations(again, 7) == pytest.approx(7 * (4 * trained + validated), rel=0.001)


def test_the_runs_most_alike_tell_how_long_a_step_is():
    """Steps of half the batch, with half the operations: as many again, each shorter by a square root."""
    alike = [done(planned(batch=128), "b", seconds_per_epoch=20.0) for _ in range(3)]
    large = [
        done(planned(batch=128), "c", multiply_adds_per_image=1000 * OPERATIONS, seconds_per_epoch=10_000.0)
        for _ in range(9)
    ]  # fmt: skip

    same = by_multiply_adds(planned(batch=128, clip=1.0), [*large, *alike], HERE, OPERATIONS)
    half = by_multiply_adds(planned(batch=64), [*large, *alike], HERE, OPERATIONS)
    twice = by_multiply_adds(planned(batch=128), [*large, *alike], HERE, 2 * OPERATIONS)

    assert set(same.of) == {"b" * 8}
    assert same.epoch_seconds == pytest.approx(20.0)
    assert half.epoch_seconds == pytest.approx(2 * 20.0 / 2**0.5, rel=0.05)
    assert twice.epoch_seconds == pytest.approx(20.0 * 2**0.9)


@pytest.mark.parametrize("factor", [12_000.0, 11.0, 1 / 11.0])
def test_runs_whose_steps_are_far_larger_or_smaller_tell_nothing(factor):
    tiny, near = done(planned(batch=64), "b"), done(planned(batch=64), "c")
    wanted = round(OPERATIONS * factor)
    plan = planned(batch=64, clip=1.0)
    near = replace(near, multiply_adds_per_image=round(wanted / 5))

    assert by_multiply_adds(plan, [tiny] * 3, HERE, wanted) is None
    assert too_far(plan, [tiny] * 3, HERE, wanted) == pytest.approx(
        max(factor, 1 / factor), rel=0.01
    )
    assert set(by_multiply_adds(plan, [tiny, near], HERE, wanted).of) == {"c" * 8}
    assert too_far(plan, [tiny, near], HERE, wanted) is None
