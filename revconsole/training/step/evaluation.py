"""Evaluation: loss, accuracy and confusion over a whole split, in evaluation mode.

Without labels in the loss, the accuracy is that of the nearest neighbours (`neighbours`).

Shapes: B images of a batch, K classes.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from revconsole.data import OpenedSplit
from revconsole.records.keys import key
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.neighbours import (
    MOST,
    evenly,
    evenly_many,
    features_of,
    known_features,
    vote,
)

WARM_UP, MOST_PASSES = 1, 5
"""Passes before the clock is read, and at most after it."""
ENOUGH_SECONDS = 0.05
"""Of passes timed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Mean loss, without smoothing, and how many images of each class (row) were called what: int64 (K, K)."""

    loss: float
    confusion: Tensor

    @property
    def accuracy(self) -> float:
        """The fraction of images whose class came first."""
        return self.confusion.trace().item() / self.confusion.sum().item()


def evaluate(state: TrainingState, split: OpenedSplit, listen: Callable[[], object]) -> Scores:
    """Judge the model, or the moving average of its weights where there is one, on a split.

    listen: called between batches; what it raises ends the evaluation, with the model in training mode.
    """
    judge = _classified if state.objective.labelled else _by_neighbours
    with _evaluating(state.judged) as model:
        return judge(state, model, split, listen)


def clean_training(state: TrainingState) -> OpenedSplit | None:
    """The training images that are evaluated at the end, to tell learning from noise; None where nothing is to tell.

    A fitted model is evaluated on all of them anyway, and without labels nothing is classified.
    """
    if state.fitted or not state.objective.labelled:
        return None
    return evenly(state.data.train, max(1, len(state.data.test)))


def evaluated(state: TrainingState) -> tuple[int, int]:
    """How many images are evaluated after each epoch, and how many at the end of the run."""
    data, clean = state.data, clean_training(state)
    if state.fitted:
        return len(data.train) + len(data.validation), len(data.test)
    known = 0 if state.objective.labelled else evenly_many(len(data.train), MOST)
    return len(data.validation) + known, len(data.test) + known + (len(clean) if clean else 0)


def image_seconds(state: TrainingState) -> float:
    """To evaluate one image, in a batch of the size that evaluation takes.

    Without labels, images that are judged have a loss as well, and those that they are compared with have none: so of
    their share.
    """
    images, labels = next(state.evaluation_batches(state.data.validation))
    with _evaluating(state.judged) as model, state.precision.autocast():
        seconds = _timed(lambda: model(images))
        if not state.objective.labelled:
            inputs = state.objective.inputs(images, labels, seed=0)
            loss = _timed(lambda: state.objective.loss(model, inputs, progress=1.0).mean)
            seconds += loss * len(state.data.validation) / evaluated(state)[0]
    return seconds / len(images)


def _timed(compute: Callable[[], Tensor]) -> float:
    """Seconds of what is computed, the median of a few times; the first of all only warms up."""
    found: list[float] = []
    while len(found) <= WARM_UP or (
        len(found) < WARM_UP + MOST_PASSES and sum(found[WARM_UP:]) < ENOUGH_SECONDS
    ):
        began = time.perf_counter()
        compute().sum().item()  # waits for the device
        found.append(time.perf_counter() - began)
    return median(found[WARM_UP:])


def _classified(
    state: TrainingState, model: nn.Module, split: OpenedSplit, listen: Callable[[], object]
) -> Scores:
    loss, counts = _nothing(state)
    for images, labels in state.evaluation_batches(split):
        with state.precision.autocast():
            logits = model(images)
        loss += F.cross_entropy(logits.float(), labels, reduction="sum")
        _count(counts, labels, logits.argmax(dim=1))
        listen()
    return Scores(loss=loss.item() / len(split), confusion=counts.cpu())


def _by_neighbours(
    state: TrainingState, model: nn.Module, split: OpenedSplit, listen: Callable[[], object]
) -> Scores:
    """What is drawn for an image (mask, crops) depends on its place in the split, and a temperature is that of the end.

    So epochs are judged alike.
    """
    known, known_labels = known_features(state, model, listen)
    loss, counts = _nothing(state)
    done = 0
    for images, labels in state.evaluation_batches(split):
        seed = key(state.plan.seed, "judged", done)
        inputs = state.objective.inputs(images, labels, seed=seed)
        with state.precision.autocast():
            loss += state.objective.loss(model, inputs, progress=1.0).mean * len(images)
        called = vote(features_of(state, model, images), known, known_labels, len(counts))
        _count(counts, labels, called)
        done += len(images)
        listen()
    return Scores(loss=loss.item() / len(split), confusion=counts.cpu())


def _nothing(state: TrainingState) -> tuple[Tensor, Tensor]:
    classes = state.data.facts.classes
    counts = torch.zeros(classes, classes, dtype=torch.int64, device=state.device)
    return torch.zeros((), device=state.device), counts


def _count(counts: Tensor, labels: Tensor, called: Tensor) -> None:
    cells = labels * len(counts) + called
    counts.view(-1).index_add_(0, cells, torch.ones_like(cells))


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[nn.Module]:
    model.eval()
    try:
        with torch.inference_mode():
            yield model
    finally:
        model.train()
