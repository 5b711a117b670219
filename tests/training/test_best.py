"""The test is of the best epoch, and a model begins from its seed and nothing else."""

import torch

from revconsole.records.logs.events import Advised, EpochFinished
from revconsole.training.setup.build import build_model
from revconsole.training.step.evaluation import evaluate


def scores_of(realise, weights):
    """Test loss and accuracy of some weights."""
    setting = realise()
    setting.model.load_state_dict(weights)
    scores = evaluate(setting, setting.data.test, lambda: None)
    return {"test_loss": scores.loss, "test_accuracy": scores.accuracy}


def best_of(log):
    epochs = log.of(EpochFinished)
    return max(epochs, key=lambda e: e.values["validation_accuracy"])


def of_the_test(log):
    """What the test found, without what was measured on training images."""
    return {name: log.ending.values[name] for name in ("test_loss", "test_accuracy")}


def wavering(small):
    """A run whose best validation epoch is not its last."""
    return small(
        train={"epochs": 8, "checkpoint_epochs": 8},
        optimizer={"name": "sgd", "learning_rate": 0.5},
        schedule={"name": "constant"},
    )


def test_the_test_is_of_the_first_of_the_best_validation_epochs(runner, small, realise):
    plan = wavering(small)
    log = runner(plan)
    best, last = best_of(log), log.ending.step
    assert best.step < last  # or this test would show nothing

    checkpoints = runner.checkpoints()
    assert of_the_test(log) == scores_of(realise, checkpoints.load(best.step).weights)
    assert log.ending.values != scores_of(realise, checkpoints.load(last).weights)


def test_if_the_best_is_damaged_the_last_is_tested_and_it_is_said(runner, small, realise):
    plan = wavering(small)
    best = best_of(runner(plan, "trial")).step

    def damage(event):
        if isinstance(event, EpochFinished) and event.epoch == plan.train.epochs:
            (runner.checkpoints().path(best) / "model.safetensors").write_bytes(b"")

    log = runner(plan, watch=damage)
    assert of_the_test(log) == scores_of(
        realise, runner.checkpoints().load(log.ending.step).weights
    )
    assert any(f"step-{best:09d}" in advised.text for advised in log.of(Advised))


def test_a_model_begins_from_its_seed_and_leaves_the_generators_alone(small):
    plan = small()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build_model(plan).state_dict()
    assert torch.equal(torch.get_rng_state(), before)

    torch.manual_seed(2)
    again = build_model(plan).state_dict()
    other = build_model(plan.model_copy(update={"seed": 1})).state_dict()

    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])
