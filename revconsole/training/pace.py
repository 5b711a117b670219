"""Pace: how long a whole run would take, from a few of its own steps on this machine.

    seconds = steps · (seconds of a training step) + images evaluated · (seconds to evaluate one)

Of a support vector machine it is the fit alone. What is done once (reading data, auditing, checkpoints, probes) is not in it.
"""

import time
from pathlib import Path

import torch

from revconsole.records.plan import Plan
from revconsole.training import devices
from revconsole.training.neighbours import MOST
from revconsole.training.pairs import check_pairs, forecast_fit_seconds
from revconsole.training.setting import Setting, prepare
from revconsole.training.stepping import compute_gradients, update_weights

WARM_UP, TIMED = 1, 3
"""Steps before the clock is read, as the first of all allocates and compiles, and after."""


def forecast_seconds(plan: Plan, *, data: Path) -> float:
    """Seconds that a run would train and evaluate. data: the folder of the datasets. Raises what `prepare` raises."""
    with devices.threads(plan.train.threads):
        return seconds_of(prepare(plan, data=data))


def seconds_of(setting: Setting) -> float:
    """The same of a plan that is realised already. It trains a few steps."""
    if setting.fitted:
        check_pairs(setting)
        return forecast_fit_seconds(setting)
    step, image = _step_seconds(setting), _image_seconds(setting)
    opened, epochs = setting.data, setting.epochs
    known = 0 if setting.objective.labelled else min(MOST, len(opened.train))
    evaluated = (len(opened.validation) + known) * epochs + len(opened.test) + known
    return step * setting.steps + image * evaluated


def _step_seconds(setting: Setting) -> float:
    """The fastest of a few training steps: what else runs on the machine only makes a step slower."""
    found = []
    for number, (images, labels) in enumerate(setting.training_batches(1), start=1):
        began = time.perf_counter()
        step = compute_gradients(setting, number, 1, images=images, labels=labels)
        update_weights(setting, step)
        step.loss.item()  # waits for the device
        found.append(time.perf_counter() - began)
        if number == WARM_UP + TIMED:
            break
    return min(found[WARM_UP:] or found)


def _image_seconds(setting: Setting) -> float:
    """To evaluate one image, in a batch of the size that evaluation takes; the first batch only warms up."""
    setting.model.eval()
    seconds = 0.0
    with torch.inference_mode(), setting.precision.autocast():
        images, _ = next(setting.evaluation_batches(setting.data.validation))
        for _ in range(WARM_UP + 1):
            began = time.perf_counter()
            setting.model(images).sum().item()
            seconds = time.perf_counter() - began
    return seconds / len(images)
