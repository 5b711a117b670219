"""Pairs: how a support vector machine is fitted; a pair of classes is a step, and between two of them a run can stop.

The time of a pair grows with the square of its images at least, so what is said beforehand is measured on a few of
them, and more than MOST_IMAGES are refused.
"""

import time

import torch
from torch import Tensor

from revconsole.data import of_classes
from revconsole.errors import RunFailed
from revconsole.models.svm import Machine, SupportVectors, fit
from revconsole.training.setting import Setting
from revconsole.training.stepping import Step

MOST_IMAGES = 20_000
"""Of a pair of classes: its kernel matrix alone would have 4·10⁸ numbers, and its fit takes an hour."""
TRIED = 500
"""Images that the time is judged by: milliseconds of work."""


def machine_of(setting: Setting) -> SupportVectors:
    """The model of a setting that is fitted."""
    assert isinstance(setting.model, SupportVectors)  # noqa: S101  whoever asks has looked at `setting.fitted`
    return setting.model


def fit_pair(setting: Setting, number: int, epoch: int, *, images: Tensor, labels: Tensor) -> Step:
    """Fit the pair of step `number`, from 1, to all images of its two classes. Nothing is changed."""
    model = machine_of(setting)
    pair = number - 1
    numbers, _, _ = of_classes(setting.data.train, model.pairs[pair])
    second = labels == model.pairs[pair][1]
    gamma = model.gamma.item() or _gamma(setting)
    found = fit(model.settings, images, second, pair=pair, numbers=numbers, gamma=gamma)
    return Step(
        number=number,
        epoch=epoch,
        images=len(labels),
        rate=0.0,
        loss=images.new_zeros(()),
        correct=labels.new_zeros(()),
        norm=images.new_zeros(()),
        machine=found,
    )


def keep_machine(setting: Setting, step: Step) -> None:
    """Take what was fitted into the model."""
    assert isinstance(step.machine, Machine)  # noqa: S101  a step of `fit_pair`
    machine_of(setting).add(step.machine)


def check_pairs(setting: Setting) -> None:
    """Raise RunFailed for a machine that could not be fitted: a class without images, or a pair with too many."""
    train, names = setting.data.train, setting.data.names
    counts = torch.bincount(train.labels, minlength=train.classes)
    if not counts.all():
        empty = names[int(counts.argmin())]
        raise RunFailed(
            f"no training image is of class {empty!r}, and svm is fitted to each pair of classes; "
            "raise data.train_limit"
        )
    largest = int(counts.topk(2).values.sum())
    if largest > MOST_IMAGES:
        fitting = int(len(train) * MOST_IMAGES / largest)
        raise RunFailed(
            f"svm takes time with the square of the images of a pair of classes, and {largest:,} of them are more "
            f"than the limit of {MOST_IMAGES:,}; set data.train_limit={fitting}"
        )


def forecast_fit_seconds(setting: Setting) -> float:
    """How long the fit will take, as its time grows with the square of the images: rather too little than too much."""
    model, train = machine_of(setting), setting.data.train
    images, labels = next(setting.training_batches(1))
    apart = max(1, len(labels) // TRIED)
    some, wanted = images[::apart], labels[::apart]
    if bool((wanted == wanted[0]).all()):
        some, wanted = images, labels
    numbers = torch.arange(len(wanted))
    second, gamma = wanted == model.pairs[0][1], _gamma(setting)
    seconds = 0.0
    for _ in range(2):  # the first time imports
        began = time.perf_counter()
        fit(model.settings, some, second, pair=0, numbers=numbers, gamma=gamma)
        seconds = time.perf_counter() - began
    counts = torch.bincount(train.labels, minlength=train.classes).tolist()
    pairs = (counts[first] + counts[other] for first, other in model.pairs)
    return float(seconds * sum((pair / len(wanted)) ** 2 for pair in pairs))


def _gamma(setting: Setting) -> float:
    """The plan's gamma; "scale" is worked out from all training images, whatever their classes."""
    gamma = machine_of(setting).settings.gamma
    if not isinstance(gamma, str):
        return float(gamma)
    total = squares = count = 0.0
    for images, _ in setting.evaluation_batches(setting.data.train):
        total += images.double().sum().item()
        squares += images.double().square().sum().item()
        count += images.numel()
    variance = squares / count - (total / count) ** 2
    inputs = machine_of(setting).vectors.shape[1]
    return 1 / (inputs * variance) if variance > 0 else 1.0
