"""Evaluation: loss, accuracy and confusion matrix over a whole split, in evaluation mode.

For an objective without labels the accuracy is that of the nearest neighbours (`neighbours`).

Shapes: B images of a batch, K classes.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from revconsole.data import OpenedSplit
from revconsole.records.keys import key
from revconsole.reversible.rest import evaluating
from revconsole.training.setup.norms import normed_over_parts
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.neighbours import (
    MOST,
    evenly,
    evenly_count,
    features_of,
    known_features,
    vote,
)

WARM_UP, MOST_PASSES = 1, 5
"""Untimed passes before timing, and the most timed passes."""
ENOUGH_SECONDS = 0.05
"""Total of timed passes after which timing stops."""
FEW = 5
"""Images of a class from which it is noticed that none is taken for it."""
AGAIN = 256
"""Most training images evaluated after each epoch where norms are over the batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Mean loss without smoothing, and the confusion matrix int64 (K, K): row is the class, column the prediction."""

    loss: float
    confusion: Tensor

    @property
    def accuracy(self) -> float:
        """Fraction of images predicted correctly."""
        return self.confusion.trace().item() / self.confusion.sum().item()

    @property
    def unpredicted(self) -> list[int]:
        """Numbers of the classes with FEW images or more that no image was taken for."""
        there, taken = self.confusion.sum(dim=1) >= FEW, self.confusion.sum(dim=0) > 0
        found: list[int] = (there & ~taken).nonzero().flatten().tolist()
        return found

    @property
    def largest(self) -> float:
        """Share of the images taken for the most predicted class."""
        return self.confusion.sum(dim=0).max().item() / self.confusion.sum().item()


def evaluate(state: TrainingState, split: OpenedSplit, listen: Callable[[], object]) -> Scores:
    """Evaluate the model, or the moving average of its weights if there is one, on a split.

    listen: called between batches; an exception from it ends the evaluation, with the model in the mode it was in.
    """
    judge = _classified if state.objective.labelled else _by_neighbours
    with evaluating(state.judged), torch.inference_mode():
        return judge(state, state.judged, split, listen)


def clean_training(state: TrainingState) -> OpenedSplit | None:
    """Training images evaluated without augmentation at the end, to compare with the noisy metric; None without labels."""
    if not state.objective.labelled:
        return None
    return evenly(state.data.train, max(1, len(state.data.test)))


def evaluated_training(state: TrainingState) -> OpenedSplit | None:
    """A few training images to be evaluated after each epoch, for networks whose norms take statistics over the batch
    and which therefore differ from those in training. None for all others.
    """
    return evenly(state.data.train, AGAIN) if _judged_again(state) else None


def _judged_again(state: TrainingState) -> int:
    """Number of training images evaluated after each epoch."""
    if not state.objective.labelled or not normed_over_parts(state.model):
        return 0
    return evenly_count(len(state.data.train), AGAIN)


def evaluated(state: TrainingState) -> tuple[int, int]:
    """(images evaluated after each epoch, images evaluated at the end)."""
    data, clean = state.data, clean_training(state)
    neighbour_images = 0 if state.objective.labelled else evenly_count(len(data.train), MOST)
    after_epoch = len(data.validation) + neighbour_images + _judged_again(state)
    return after_epoch, len(data.test) + neighbour_images + (len(clean) if clean else 0)


def image_seconds(state: TrainingState) -> float:
    """Seconds to evaluate one image in a batch of the evaluation's size.

    For an objective without labels, only the judged images have a loss, not the training images they are compared
    with; the time of the loss is weighted by their share.
    """
    images, labels = next(state.evaluation_batches(state.data.validation))
    model = state.judged
    with evaluating(model), torch.inference_mode(), state.precision.autocast():
        seconds = _timed(lambda: model(images))
        if not state.objective.labelled:
            inputs = state.objective.inputs(images, labels, seed=0)
            loss = _timed(lambda: state.objective.loss(model, inputs, progress=1.0).mean)
            seconds += loss * len(state.data.validation) / evaluated(state)[0]
    return seconds / len(images)


def _timed(compute: Callable[[], Tensor]) -> float:
    """Median seconds of a computation over a few repetitions after one warm-up."""
    timings: list[float] = []
    while len(timings) <= WARM_UP or (
        len(timings) < WARM_UP + MOST_PASSES and sum(timings[WARM_UP:]) < ENOUGH_SECONDS
    ):
        began = time.perf_counter()
        compute().sum().item()  # waits for the device
        timings.append(time.perf_counter() - began)
    return median(timings[WARM_UP:])


def _classified(
    state: TrainingState, model: nn.Module, split: OpenedSplit, listen: Callable[[], object]
) -> Scores:
    losses, counts = _zero_totals(state)
    for turn in state.evaluation_turns(split):
        if turn is not None:
            place, images, labels = turn
            with state.precision.autocast():
                logits = model(images)
            if place is not None:
                losses.append(F.cross_entropy(logits.float(), labels, reduction="sum"))
                _count(counts, labels, logits.argmax(dim=1))
        state.together.meet()
        listen()
    return _scores(state, split, losses, counts)


def _by_neighbours(
    state: TrainingState, model: nn.Module, split: OpenedSplit, listen: Callable[[], object]
) -> Scores:
    """Scores by nearest neighbours; draws keyed by image and the final temperature make epochs comparable."""
    reference, reference_labels = known_features(state, model, listen)
    losses, counts = _zero_totals(state)
    for turn in state.evaluation_turns(split):
        if turn is not None:
            place, images, labels = turn
            seed = key(state.plan.seed, "judged", (place or 0) * state.micro_batch)
            inputs = state.objective.inputs(images, labels, seed=seed)
            with state.precision.autocast():
                loss = state.objective.loss(model, inputs, progress=1.0).mean
            features = features_of(state, model, images)
            if place is not None:
                losses.append(loss * len(images))
                _count(counts, labels, vote(features, reference, reference_labels, len(counts)))
        state.together.meet()
        listen()
    return _scores(state, split, losses, counts)


def _zero_totals(state: TrainingState) -> tuple[list[Tensor], Tensor]:
    """No losses, and a zero confusion matrix on the run's device."""
    classes = state.data.facts.classes
    return [], torch.zeros(classes, classes, dtype=torch.int64, device=state.device)


def _scores(
    state: TrainingState, split: OpenedSplit, losses: list[Tensor], counts: Tensor
) -> Scores:
    """The scores of a split, from the summed losses of this rank's batches and its counts."""
    loss = torch.zeros((), device=state.device)
    for of_batch in state.together.in_order(losses, math.ceil(len(split) / state.micro_batch)):
        loss += of_batch
    counts = state.together.summed(counts)
    return Scores(loss=loss.item() / len(split), confusion=counts.cpu())


def _count(counts: Tensor, labels: Tensor, predictions: Tensor) -> None:
    cells = labels * len(counts) + predictions
    counts.view(-1).index_add_(0, cells, torch.ones_like(cells))
