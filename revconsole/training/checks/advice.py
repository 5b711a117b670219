"""Advice: what an experienced colleague would say before a run trains, and about its gradients.

`watching` has the advice given during training. Each function examines one thing and returns a sentence or None. To
add one, write it and list it in `OF_NETWORKS`.
"""

import math
import os
from collections.abc import Iterator

import torch

from revconsole.data import doubts
from revconsole.records.logs.events import Advised
from revconsole.records.settings import growth
from revconsole.training.machine import devices
from revconsole.training.pairs import forecast_fit_seconds
from revconsole.training.setup.norms import normed_over_parts
from revconsole.training.setup.rebuilt import error_growth, rebuilt_blocks
from revconsole.training.setup.training_state import TrainingState

WRONG_ACTIVATIONS = {"float32": 0.1, "tf32": 1.0, "bf16": 1.0, "fp16": 1.0}
"""Relative error of rebuilt activations above which gradients may be wrong, by precision."""
WRONG_GRADIENTS = "wrong gradients"
FEW_STEPS = 5
"""A run with fewer steps learns next to nothing."""
FROZEN_SHARE = 0.05
LEAST_PIXELS = 2
"""Side of a patch, in pixels of the original images, below which it is called too small."""
SLOW_SECONDS = 60.0
"""A longer fit is announced."""


OF_DATA = "data"
"""Rule name of advice about the images."""


def before_training(state: TrainingState, *, resumed: bool = False) -> Iterator[Advised]:
    """The advice before the first step. resumed: omit what an earlier attempt has said already."""
    if not resumed:
        yield from of_data(state)
    checks = (fitted, slow_fit, crowded, busy) if state.fitted else OF_NETWORKS
    for check in OF_THE_MACHINE if resumed else checks:
        advised = check(state)
        if advised is not None:
            yield advised


def of_data(state: TrainingState) -> Iterator[Advised]:
    """Advice about the images, independent of the model."""
    labelled = state.objective.labelled
    for doubt in doubts(state.data, state.plan.data, labelled=labelled):
        yield Advised(level=doubt.level, text=doubt.text, rule=OF_DATA)


def fitted(state: TrainingState) -> Advised | None:
    """A note that a support vector machine ignores most settings."""
    pairs = state.steps
    return _note(
        f"a support vector machine is fitted, {'one pair' if pairs == 1 else f'{pairs} pairs'} of classes: what the profile "
        "says of epochs, batch, optimiser and schedule plays no part, and there is no loss and no gradient"
    )


def slow_fit(state: TrainingState) -> Advised | None:
    """A warning if the fit takes minutes or more."""
    seconds = forecast_fit_seconds(state)
    if seconds < SLOW_SECONDS:
        return None
    images = len(state.data.train)
    return _warning(
        f"the fit will take {seconds / 60:,.0f} minutes or more: its time grows with the square of the images, and "
        f"there are {images:,}; data.train_limit={images // 4} would take a sixteenth"
    )


def passed_over(state: TrainingState) -> Advised | None:
    """A warning if the run is on the CPU although there is a GPU, which torch cannot use."""
    if state.fitted or state.device.type != "cpu" or state.plan.train.device != "auto":
        return None
    why = devices.passed_over()
    return _warning(f"this run trains on the CPU: {why}") if why else None


def oversized_batch(state: TrainingState) -> Advised | None:
    """A warning if the batch is larger than the training set."""
    batch, images = state.plan.train.batch, len(state.data.train)
    if batch <= images:
        return None
    return _warning(
        f"the batch of {batch:,} is larger than the training set of {images:,} images, so every epoch is "
        "one step; lower train.batch"
    )


def normed_in_parts(state: TrainingState) -> Advised | None:
    """A warning if BatchNorm sees only a part of the batch at a time."""
    parts = state.plan.train.accumulate
    if parts == 1 or not normed_over_parts(state.model):
        return None
    return _warning(
        f"BatchNorm takes its statistics over each micro-batch of {state.micro_batch}, not over the batch of "
        f"{state.plan.train.batch}: with train.accumulate = {parts} this network trains otherwise than without"
    )


def few_steps(state: TrainingState) -> Advised | None:
    """A warning if the run has too few steps to learn."""
    steps = state.steps
    if steps >= FEW_STEPS:
        return None
    steps_words = "1 step" if steps == 1 else f"{steps} steps"
    return _warning(
        f"this run makes {steps_words} in all, too few to learn anything from; lower train.batch "
        f"({state.plan.train.batch:,}), or raise train.epochs"
    )


def mirrored(state: TrainingState) -> Advised | None:
    """A warning if images are mirrored although that may change their class."""
    data = state.plan.data
    if not data.mirrors or state.data.facts.mirror or not state.objective.labelled:
        return None
    setting, alternative = (
        ("flip", "data.flip = false") if data.flip else ("crop-flip", 'data.augment = "crop"')
    )
    return _warning(
        f"{setting} mirrors images, and an image of {data.dataset} mirrored left to right may be "
        f"another class; use {alternative}"
    )


def magnified(state: TrainingState) -> Advised | None:
    """A warning if a patch shows hardly more than one pixel of the original images."""
    plan = state.plan
    patch, size, own = getattr(plan.model, "patch", None), plan.image_size, plan.facts.size
    if patch is None or size <= own or patch * own >= LEAST_PIXELS * size:
        return None
    return _warning(
        f"the images are enlarged from {own} to {size} pixels, so a patch of {patch} pixels shows "
        f"{patch * own / size:.1f} of theirs and there are {(size // patch) ** 2:,} patches; a larger model.patch "
        "or a smaller data.image_size costs less and shows as much"
    )


def crowded(state: TrainingState) -> Advised | None:
    """A warning if there are more threads than cores."""
    threads, cores = torch.get_num_threads(), os.cpu_count() or 1
    if state.device.type != "cpu" or threads <= cores:
        return None
    return _warning(
        f"{threads} threads on {cores} cores get in each other's way; lower train.threads"
    )


def busy(state: TrainingState) -> Advised | None:
    """A note if the machine's load exceeds its cores."""
    cores = os.cpu_count() or 1
    if state.device.type != "cpu" or not hasattr(os, "getloadavg"):
        return None
    load = os.getloadavg()[0]
    if load <= cores:
        return None
    return _note(
        f"load average {load:.1f} on {cores} cores: timings of this run are not comparable with those of a "
        "quiet machine"
    )


def growing_error(state: TrainingState) -> Advised | None:
    """A warning if the rounding error of the reconstruction grows too far with depth."""
    plan, carried = state.plan, error_growth(state)
    if carried is None or not growth.worrying(plan, carried):
        return None
    return _warning(f"reconstruction: {growth.sentence(plan, carried, rebuilt_blocks(state))}")


def mostly_frozen(state: TrainingState) -> Advised | None:
    """A note if hardly any parameters train."""
    counts = [(p.numel(), p.requires_grad) for p in state.model.parameters()]
    total = sum(count for count, _ in counts)
    trained = sum(count for count, trains in counts if trains)
    if trained > FROZEN_SHARE * total:
        return None
    return _note(f"only {trained:,} of {total:,} parameters train")


def wrong_gradients(
    state: TrainingState, *, error: float, block: int, gradient_error: float | None
) -> Advised | None:
    """An alarm if a probe found wrong gradients.

    error: largest relative error of activations, in block `block`. gradient_error: of the whole gradient; None if
    unknown.
    """
    plan = state.plan
    wrong = growth.wrong(plan, gradient_error)
    if not wrong and error <= WRONG_ACTIVATIONS[plan.train.precision]:
        return None
    off = "" if gradient_error is None else f", off by {_times(gradient_error)} their size"
    what = "wrong" if wrong else "perhaps wrong"
    return Advised(
        level="alarm",
        rule=WRONG_GRADIENTS,
        text=f"the gradients of this run are {what}{off}: stop it and use {growth.REMEDY}; its backward "
        f"rebuilds the input of block {block} with an error of {_times(error)} its size",
    )


def _times(error: float) -> str:
    """A relative error in words: a percentage, or a multiple."""
    if not math.isfinite(error):
        return "no finite multiple of"
    return f"{error:.1%} of" if error < 10 else f"{error:.1e} times"


def _warning(text: str) -> Advised:
    return Advised(level="warning", text=text)


def _note(text: str) -> Advised:
    return Advised(level="note", text=text)


OF_THE_MACHINE = (crowded, busy, passed_over)
"""Checks that are repeated after a resume, because the machine may have changed."""
OF_NETWORKS = (
    oversized_batch,
    normed_in_parts,
    few_steps,
    mirrored,
    magnified,
    crowded,
    busy,
    passed_over,
    growing_error,
    mostly_frozen,
)
