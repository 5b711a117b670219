"""Advice: said where it is true, and not elsewhere."""

import math

import pytest

from revconsole.training.checks import advice
from revconsole.training.machine.devices import threads


@pytest.fixture(autouse=True)
def _quiet_machine(monkeypatch):
    """Whatever else runs here."""
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))


def said(realise, **changes):
    return " ".join(
        a.text
        for a in advice.before_training(realise(**changes), advice.OF_NETWORKS)
        if "processes" not in a.text
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
            {"data": {"image_size": 64}, "model": {"patch": 8}},
            "enlarged from 8 to 64 pixels, so a patch of 8 pixels shows 1.0 of theirs and there are 64 patches",
        ),
        (
            {
                "scheme": {"name": "momentum", "gamma": 0.1},
                "backward": "reversible",
                "model": {"depth": 7},
            },
            "error grows to about 1e-01 of the activations over 7 blocks (momentum 0.1, float32)",
        ),
        (
            {
                "scheme": {"name": "bdia", "gamma": 0.1, "grid_bits": None},
                "backward": "reversible",
                "model": {"depth": 7},
            },
            "may spoil gradients; use scheme.grid_bits=9 (exact, bit for bit) or backward=checkpointed",
        ),
    ],
)
@pytest.mark.usefixtures("unjudged")
def test_what_is_odd_is_said(realise, changes, part):
    assert part in said(realise, **changes)


def test_exact_bdia_is_not_warned_of(realise):
    scheme = {"name": "bdia", "grid_bits": 9}
    deep = {"model": {"depth": 24}, "schedule": {"name": "cosine", "warmup_epochs": 0.5}}
    assert said(realise, scheme=scheme, backward="reversible", **deep) == ""


@pytest.mark.parametrize(
    ("error", "gradient_error", "begins"),
    [
        (1e-6, 2e-2, "the gradients of this run are wrong, off by 2.0% of their size: stop it"),
        (1e-6, math.nan, "the gradients of this run are wrong"),
        (0.5, 1e-3, "the gradients of this run are perhaps wrong"),
        (math.inf, None, "the gradients of this run are perhaps wrong"),
    ],
)
def test_a_wrong_backward_raises_an_alarm(realise, error, gradient_error, begins):
    advised = advice.wrong_gradients(realise(), error=error, block=3, gradient_error=gradient_error)

    assert advised.level == "alarm"
    assert advised.text.startswith(begins)
    assert "block 3" in advised.text
    assert "backward=checkpointed" in advised.text


def test_a_backward_that_is_right_or_as_right_as_its_precision_raises_none(realise):
    fine = {"error": 0.05, "block": 0, "gradient_error": 9e-3}
    coarse = {"error": 0.5, "block": 0, "gradient_error": 5e-2}

    assert advice.wrong_gradients(realise(), **fine) is None
    assert advice.wrong_gradients(realise(train={"precision": "bf16"}), **coarse) is None
    assert advice.wrong_gradients(realise(), **coarse) is not None


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


@pytest.mark.parametrize(
    ("batch", "epochs", "says"), [(64, 1, "2 steps in all"), (200, 1, "1 step in all")]
)
def test_a_run_of_hardly_any_steps_is_noticed(realise, batch, epochs, says):
    assert says in said(realise, train={"batch": batch, "epochs": epochs})
    assert said(realise, train={"batch": 16, "epochs": 3}) == ""


def test_a_warning_about_the_settings_counts_the_images_and_norms_that_there_are(realise):
    normed = realise(model={"stem": "conv"}, train={"batch": 32, "accumulate": 4})
    (first, *_) = advice.of_settings(normed)
    assert "over each micro-batch of 8, not over the batch of 32" in first.text


def test_what_was_said_of_a_run_is_not_said_again_when_it_is_resumed(realise):
    odd = realise(train={"batch": 128})
    assert "larger than the training set" in " ".join(
        a.text for a in advice.before_training(odd, advice.OF_NETWORKS)
    )
    assert "larger" not in " ".join(
        a.text for a in advice.before_training(odd, advice.OF_NETWORKS, resumed=True)
    )


def test_an_alarm_about_the_images_has_a_rule_by_which_the_record_of_the_run_carries_it(realise):
    setting = realise()
    setting.data.train.images.fill_(7)

    (alarm,) = [
        a for a in advice.before_training(setting, advice.OF_NETWORKS) if a.level == "alarm"
    ]
    assert "do not vary" in alarm.text
    assert alarm.rule == "data"
