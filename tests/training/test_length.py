"""How long a run trains: epochs, steps, or until nothing gets better."""

import pytest
from pydantic import ValidationError

from revconsole.records.events import Advised, EpochFinished, Started

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
    with pytest.raises(ValidationError, match="leaves nothing of 10"):
        small(train={"steps": 10}, schedule={"name": "cosine", "warmup_steps": 10})


@pytest.mark.parametrize("limit", [None, 100])
def test_steps_of_a_folder_that_nobody_has_counted_are_refused(small, limit):
    data = {"dataset": "imagefolder", "folder": "x", "image_size": 8, "train_limit": limit}

    with pytest.raises(ValidationError, match="known only once it is read"):
        small(data=data, train={"steps": 10})
