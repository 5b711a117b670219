"""How long a run trains: epochs, steps, or until nothing gets better."""

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from revconsole.records.logs.events import Advised, EpochFinished, Started
from revconsole.records.runs.completed import counted_steps

PER_EPOCH = 4  # 112 images in batches of 32


@pytest.mark.parametrize(("steps", "epochs"), [(1, 1), (4, 1), (5, 2), (10, 3)])
def test_a_run_of_so_many_steps_ends_with_that_step(runner, small, steps, epochs):
    plan = small(train={"steps": steps, "epochs": 1})

    log = runner(plan)

    assert plan.epochs == epochs
    assert max(log.losses) == log.ending.step == steps
    ends = [event.step for event in log.of(EpochFinished)]
    assert ends == [min(PER_EPOCH * n, steps) for n in range(1, epochs + 1)]
    found = log.of(Started)[0].facts
    assert (found["steps"], found["epochs"]) == (steps, epochs)


def test_steps_end_where_as_many_epochs_do(runner, small):
    by_steps = runner(small(train={"steps": 2 * PER_EPOCH}), "steps")
    by_epochs = runner(small(train={"epochs": 2}), "epochs")

    assert by_steps.losses == by_epochs.losses
    assert by_steps.ending.weights_sha256 == by_epochs.ending.weights_sha256


def test_a_run_ends_when_the_validation_has_not_risen_for_as_long_as_it_waits(runner, small):
    settings = {
        "optimizer": {"name": "sgd", "learning_rate": 0.5},
        "schedule": {"name": "constant"},
    }
    patient = runner(small(train={"epochs": 12, "patience": 2}, **settings), "patient")
    whole = runner(small(train={"epochs": 12}, **settings), "whole")

    scores = [event.values["validation_accuracy"] for event in whole.of(EpochFinished)]
    best = {n: scores[: n + 1].index(max(scores[: n + 1])) for n in range(12)}
    ended = next(n for n in range(12) if n - best[n] >= 2)
    assert ended < 11  # or this test would show nothing
    assert len(patient.of(EpochFinished)) == ended + 1
    assert patient.ending.outcome == "completed"
    (note,) = [advised for advised in patient.of(Advised) if "ended early" in advised.text]
    assert f"no epoch since {best[ended] + 1} " in note.text


def test_a_warm_up_without_end_is_refused(small):
    with pytest.raises(ValidationError, match="fewer than the 10"):
        small(train={"steps": 10}, schedule={"name": "cosine", "warmup_steps": 10})


@pytest.mark.parametrize("limit", [None, 20])
def test_a_run_on_a_folder_takes_as_many_steps_as_it_was_asked_for(small, runner, tmp_path, limit):
    """Three classes of ten images: what was counted from the names is what is then trained on."""
    for label, name in enumerate(("ant", "bee", "cow")):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(10):
            pixels = np.full((8, 8, 3), 60 * label + number, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{number}.png")
    folder = str(tmp_path / "pets")
    data = {"dataset": "imagefolder", "folder": folder, "image_size": 8, "train_limit": limit}
    plan = small(data=data, train={"steps": 7, "batch": 8})

    record = runner(plan)

    assert record.ending.step == 7
    assert len(record.of(EpochFinished)) == 3
    counted = counted_steps(plan, set_in=str)
    assert counted.folder_images == record.of(Started)[0].facts["train_images"] <= (limit or 24)
    assert (counted.steps_per_epoch, counted.epochs) == (3, 3)
    assert counted.digest() == plan.digest()
