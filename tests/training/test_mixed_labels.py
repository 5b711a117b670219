"""Training on mixed images: labels that are shares of the classes, in parts, over interruptions, and in advice."""

import pytest
import torch

from revconsole.data import dominant
from revconsole.records.logs.events import Started
from revconsole.records.runs import control
from revconsole.training import requests
from revconsole.training.checks import advice
from revconsole.training.step.stepping import compute_gradients

SUMMATION_ORDER = 2e-5  # relative, as for whole labels
EVERYTHING = {
    "augment": "crop-flip",
    "crop_padding": 1,
    "rotation": 15.0,
    "colour_jitter": 0.3,
    "blur": 0.5,
    "rand_augment": 5,
    "erasing": 0.3,
    "mixup": 0.4,
    "cutmix": 1.0,
    "repeats": 2,
}


def test_the_loss_of_mixed_labels_is_the_mix_of_the_losses_and_accuracy_that_of_the_larger_share(
    realise,
):
    setting = realise(data={"mixup": 1.0}, train={"label_smoothing": 0.1})
    images, shares = next(setting.training_batches(1))
    step = compute_gradients(setting, 1, 1, images=images, labels=shares)

    logits = setting.model(images).detach().double()
    smooth = 0.9 * shares.double() + 0.1 / 10
    expected = -(smooth * logits.log_softmax(1)).sum(1).mean()
    assert step.loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert step.correct.item() == (logits.argmax(1) == dominant(shares)).sum().item()
    assert step.images == 32


def test_mixed_batches_may_be_taken_in_parts(realise):
    found = []
    for accumulate in (1, 4):
        setting = realise(data={"mixup": 1.0}, train={"accumulate": accumulate})
        images, shares = next(setting.training_batches(1))
        found.append(compute_gradients(setting, 1, 1, images=images, labels=shares))
    whole, parts = found
    assert parts.loss.item() == pytest.approx(whole.loss.item(), rel=SUMMATION_ORDER)
    assert parts.norm.item() == pytest.approx(whole.norm.item(), rel=SUMMATION_ORDER)
    assert parts.correct.item() == whole.correct.item()


@pytest.mark.parametrize("scheme", ["residual", "additive"])
def test_a_run_augmented_in_every_way_and_stopped_is_the_run_that_never_was(
    runner, small, monkeypatch, scheme
):
    monkeypatch.setattr(requests, "POLL_SECONDS", 0.0)
    backward = "stored" if scheme == "residual" else "reversible"
    plan = small(
        data=EVERYTHING | {"standardise": "zca"}, scheme={"name": scheme}, backward=backward
    )
    whole = runner(plan, "whole")
    control.ask(runner.place("parts"), "stop")
    begun = runner(plan, "parts")
    rest = runner(plan, "parts")

    assert begun.ending.outcome == "stopped"
    assert rest.of(Started)[0].resumed_from == begun.ending.step
    assert begun.losses | rest.losses == whole.losses
    assert rest.ending.values == whole.ending.values


def test_flip_on_digits_is_advised_against(realise):
    (advised,) = advice.of_settings(realise(data={"flip": True}))
    assert "flip mirrors images" in advised.text
    assert "use data.flip=false" in advised.text
    assert not list(advice.of_settings(realise(data={"rotation": 5.0})))


def test_more_copies_of_an_image_than_a_batch_holds_are_refused(small):
    with pytest.raises(ValueError, match="40 copies of an image do not fit into a batch of 32"):
        small(data={"repeats": 40})


def test_evaluation_sees_whole_labels_and_plain_images(realise):
    setting = realise(data=EVERYTHING)
    _, labels = next(setting.evaluation_batches(setting.data.validation))
    assert labels.dtype == torch.int64
