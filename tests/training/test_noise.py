"""Training accuracy says whether augmentation, dropout and random signs were on."""

import pytest

from revconsole.records.logs.events import Finished, MetricDeclared
from revconsole.records.sections.model import TimmModel
from revconsole.training.learning.preparing import prepare
from revconsole.training.setup.noise import noise
from revconsole.training.step.evaluation import evaluate, evaluated


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "with neither augmentation nor dropout"),
        ({"model": {"dropout": 0.1}}, "with dropout 0.1"),
        ({"model": {"drop_path": 0.2}}, "with drop-path 0.2"),
        ({"data": {"augment": "crop", "rand_augment": 9}}, "augmented (augment crop, rand_augment 9)"),
        ({"data": {"mixup": 0.2}, "model": {"dropout": 0.1}}, "augmented (mixup 0.2) and with dropout 0.1"),
        ({"scheme": {"name": "bdia"}}, "with bdia's random signs"),
        ({"scheme": {"name": "bdia", "gamma": 0.0}}, "with neither augmentation nor dropout"),
    ],
)  # fmt: skip
def test_what_was_on_is_named(realise, changes, said):
    assert noise(realise(**changes)) == said


def test_dropout_of_a_model_that_no_section_of_ours_describes_is_found(small, tmp_path):
    plan = small().model_copy(update={"model": TimmModel(name="resnet10t", drop_path=0.1)})

    assert "drop-path 0.1" in noise(prepare(plan, data=tmp_path))


def test_the_metrics_that_a_run_declares_say_it(runner, small):
    log = runner(small(model={"dropout": 0.25}))
    meaning = {metric.name: metric.meaning for metric in log.of(MetricDeclared)}

    assert "before each update, with dropout 0.25." in meaning["train_accuracy"]
    assert meaning["train_loss"].endswith("over the epoch, with dropout 0.25.")
    assert "evaluation mode" in meaning["train_accuracy_clean"]


def test_at_the_end_training_images_are_evaluated_as_they_are(realise, runner, small):
    """Trained on 112 images and tested on 360: all 112, with the weights of the best epoch."""
    plan = small(model={"dropout": 0.5}, train={"epochs": 1})
    values = runner(plan).of(Finished)[0].values

    setting = prepare(plan, data=runner.folder)
    setting.model.load_state_dict(runner.checkpoints().load(4).weights)
    expected = evaluate(setting, setting.data.train, lambda: None).accuracy
    assert values["train_accuracy_clean"] == expected
    assert evaluated(setting) == (16, 360 + 112)


def test_of_many_training_images_as_many_are_evaluated_as_are_tested(realise):
    setting = realise(data={"train_limit": 1200, "test_limit": 90})
    training = len(setting.data.train)

    assert training > 1000
    assert evaluated(setting)[1] == 90 + -(-training // -(-training // 90))
