"""Advice: said where it is true, and not elsewhere."""

import math

import pytest

from revconsole.records.events import EpochFinished
from revconsole.training import advice
from revconsole.training.devices import threads


def said(realise, **changes):
    return " ".join(
        a.text for a in advice.before_training(realise(**changes)) if "processes" not in a.text
    )


def test_an_ordinary_run_gets_none(realise):
    assert said(realise) == ""


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        (
            {"train": {"batch": 128}},
            "the batch of 128 is larger than the training set of 112 images",
        ),
        ({"data": {"augment": "crop-flip", "crop_padding": 1}}, "crop-flip mirrors images"),
        (
            {
                "scheme": {"name": "momentum", "gamma": 0.1},
                "backward": "reversible",
                "model": {"depth": 8},
            },
            "a gamma nearer to 1, or backward 'checkpointed'",
        ),
        (
            {
                "scheme": {"name": "bdia", "gamma": 0.1},
                "backward": "reversible",
                "model": {"depth": 8},
            },
            "use scheme.grid_bits = 9",
        ),
    ],
)
def test_what_is_odd_is_said(realise, changes, part):
    assert part in said(realise, **changes)


def test_exact_bdia_is_not_warned_of(realise):
    scheme = {"name": "bdia", "grid_bits": 9}
    assert said(realise, scheme=scheme, backward="reversible", model={"depth": 24}) == ""


def test_more_threads_than_cores_are_noticed(realise):
    setting = realise()
    with threads(500):
        assert "500 threads" in advice.crowded(setting).text
    with threads(1):
        assert advice.crowded(setting) is None


def test_hardly_anything_training_is_noticed(realise):
    setting = realise()
    for name, parameter in setting.model.named_parameters():
        parameter.requires_grad_(name == "head.bias")

    assert advice.mostly_frozen(setting).text.startswith("only 10 of ")


CHANCE = {"validation_loss": math.log(10) * 1.005, "validation_accuracy": 0.11}


def epoch(step=200, **values):
    return EpochFinished(epoch=step // 4, step=step, values=CHANCE | values)


def test_a_network_at_chance_after_a_fair_try_raises_an_alarm_once(realise):
    setting = realise()
    found = advice.at_chance(setting, epoch())

    assert found.level == "alarm"
    assert "after 200 steps the network is at chance" in found.text
    assert advice.at_chance(setting, epoch(204)) is None


def test_a_network_that_learns_or_has_only_begun_does_not(realise):
    setting = realise()

    assert advice.at_chance(setting, epoch(196)) is None
    assert advice.at_chance(setting, epoch(validation_loss=math.log(10) * 0.98)) is None
    assert advice.at_chance(setting, epoch(validation_loss=5.0)) is None
    assert advice.at_chance(setting, epoch(validation_accuracy=0.5)) is None
