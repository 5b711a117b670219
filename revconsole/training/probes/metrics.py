"""Metrics: the declaration of every metric, the values known at the end of an epoch, and how much the forward keeps.

To add a metric of epochs, write its declaration, and its value in `OF_EPOCH`. The meter reports the metrics of steps;
those of memory come with every report.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from revconsole.records.logs.block import LEFT
from revconsole.records.logs.events import Direction, MetricDeclared
from revconsole.records.logs.noise import BEFORE
from revconsole.reversible import kept_for_backward
from revconsole.reversible.replay import generators_kept
from revconsole.training.machine.precision import Precision
from revconsole.training.objectives import Inputs, Objective
from revconsole.training.setup.draws import seed_generators
from revconsole.training.setup.rebuilt import rebuilt_stacks
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.evaluation import Scores
from revconsole.training.step.noise import noise
from revconsole.training.step.progress import Epoch
from revconsole.training.step.stepping import micro_batches

PICTURE = 4
"""Dimensions of a batch of images, which exist independently of the forward pass."""


def _metric(name: str, unit: str, per: str, direction: Direction, meaning: str) -> MetricDeclared:
    return MetricDeclared(name=name, unit=unit, per=per, direction=direction, meaning=meaning)


STEP = (
    _metric("learning_rate", "", "step", "none", "Learning rate of the step."),
    _metric("gradient_norm", "", "step", "none", "Norm of the whole gradient before clipping."),
    _metric(
        "images_per_second", "images/s", "step", "up",
        "Training speed by the wall clock, over the half second or so around the step.",
    ),
)  # fmt: skip
LABELLED = (
    _metric(
        "validation_accuracy", "fraction", "epoch", "up", "Share of validation images classified correctly."
    ),
    _metric("test_accuracy", "fraction", "epoch", "up", "Share of test images classified correctly, best epoch."),
)  # fmt: skip
CLEAN_TRAIN = _metric(
    "train_accuracy_clean", "fraction", "epoch", "up",
    "Share of training images, evenly spread and as many as there are test images at most, classified correctly as they "
    "are, in evaluation mode, best epoch.",
)  # fmt: skip
UNLABELLED = (
    _metric(
        "knn_accuracy", "fraction", "epoch", "up",
        "Share of validation images whose nearest training images, by features, have their class.",
    ),
    _metric(
        "test_knn_accuracy", "fraction", "epoch", "up",
        "Share of test images whose nearest training images, by features, have their class, best epoch.",
    ),
)  # fmt: skip
RUN = (
    _metric(
        "epoch_seconds", "s", "epoch", "down", "Wall clock of the epoch's training steps, without evaluation."
    ),
    _metric(
        "validation_seconds", "s", "epoch", "down", "Wall clock of the evaluation after the epoch, without pauses."
    ),
    _metric(
        "kept_for_backward_bytes", "B", "step", "down",
        "Bytes the forward pass of one micro-batch keeps for its backward, parameters not counted.",
    ),
    _metric(
        "resident_bytes", "B", "step", "down", "Resident memory of the whole process between two steps."
    ),
    _metric(
        "resident_peak_bytes", "B", "step", "down",
        "Most resident memory of the whole process since training began, also within a step, probes not counted.",
    ),
    _metric(
        "training_peak_bytes", "B", "step", "down",
        "Most memory resident since training began above what the process held before its first step, also within a "
        "step, with weights and optimiser state; images, libraries, earlier runs and probes are not in it.",
    ),
)  # fmt: skip
CUDA = (
    _metric("device_allocated_bytes", "B", "step", "down", "Memory of the device held by tensors."),
    _metric("device_reserved_bytes", "B", "step", "down", "Memory of the device that torch has reserved."),
    _metric(
        "device_peak_allocated_bytes", "B", "step", "down",
        "Most memory of the device held by tensors since training began, probes not counted.",
    ),
)  # fmt: skip
REVERSIBLE = (
    _metric(
        "reconstruction_error", "relative", "epoch", "down",
        "Largest error of a stream as the backward rebuilds it, max|x̂ − x| / max|x|, over all blocks of a probe.",
    ),
    _metric(
        "reconstruction_worst_block", "", "epoch", "none",
        "The block whose input has that error, counted from 0 over all stacks.",
    ),
    _metric(
        "gradient_error", "relative", "epoch", "down",
        "Distance of the gradient from that with all activations kept, over its norm; same images, same draws.",
    ),
    _metric("probe_seconds", "s", "epoch", "down", "Wall clock of that measurement, in no other figure."),
)  # fmt: skip
SIDE_BITS = _metric(
    "side_bit_mean", "", "epoch", "none",
    "Mean of the bits kept for exact reconstruction; near one half, or they could be packed into fewer.",
)  # fmt: skip


FITTED = (
    *(metric for metric in (*STEP, *LABELLED, *RUN) if metric.name in {
        "images_per_second", "validation_accuracy", "epoch_seconds", "validation_seconds", "test_accuracy",
        "resident_bytes", "resident_peak_bytes", "training_peak_bytes",
    }),
    _metric("train_accuracy", "fraction", "epoch", "up", "Share of training images classified correctly after the fit."),
    _metric(
        "support_vectors", "", "epoch", "none",
        "Training images that the fitted machine keeps and decides by, over all pairs of classes.",
    ),
    _metric(
        LEFT, "s", "step", "none",
        "What the run will still take, by its pairs of classes fitted so far; with the evaluations, by its support vectors "
        "so far.",
    ),
)  # fmt: skip
"""Metrics of a fitted model; its only epoch is the whole fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedEpoch:
    """An epoch of training steps, and the evaluation after it."""

    state: TrainingState
    trained: Epoch
    scores: Scores
    """Scores of the validation images."""
    seconds: float
    """Wall clock of the evaluation."""


OF_EPOCH: Mapping[str, Callable[[FinishedEpoch], float]] = {
    "train_loss": lambda epoch: epoch.trained.loss / epoch.trained.images,
    "train_accuracy": lambda epoch: epoch.trained.correct / epoch.trained.images,
    "epoch_seconds": lambda epoch: epoch.trained.seconds,
    "validation_seconds": lambda epoch: epoch.seconds,
    "validation_loss": lambda epoch: epoch.scores.loss,
    "validation_accuracy": lambda epoch: epoch.scores.accuracy,
    "knn_accuracy": lambda epoch: epoch.scores.accuracy,
}
"""The value of each metric that is known at the end of an epoch."""


def of_epoch(epoch: FinishedEpoch) -> dict[str, float]:
    """Values of the run's metrics that are known at the end of an epoch, by name."""
    names = [metric.name for metric in declared(epoch.state) if metric.name in OF_EPOCH]
    return {name: OF_EPOCH[name](epoch) for name in names}


def declared(state: TrainingState) -> tuple[MetricDeclared, ...]:
    """The declarations of every metric that this run measures."""
    if state.fitted:
        return FITTED
    cuda = CUDA if state.device.type == "cuda" else ()
    judged = _judged(state) if state.objective.labelled else UNLABELLED
    losses = _losses(state.objective, noise(state))
    return (*losses, *STEP, *judged, *RUN, *cuda, *_of_reconstruction(state))


def _judged(state: TrainingState) -> tuple[MetricDeclared, ...]:
    meaning = f"Share of training images classified correctly {BEFORE}{noise(state)}."
    return (_metric("train_accuracy", "fraction", "epoch", "up", meaning), *LABELLED, CLEAN_TRAIN)


def _losses(objective: Objective, noisy: str) -> tuple[MetricDeclared, ...]:
    unit, what = objective.unit, objective.meaning
    smoothed = ", label smoothing included" if objective.labelled else ""
    return (
        _metric("loss", unit, "step", "down", f"Mean {what} of the batch{smoothed}."),
        _metric(
            "train_loss",
            unit,
            "epoch",
            "down",
            f"Mean of the training loss over the epoch, {noisy}.",
        ),
        _metric("validation_loss", unit, "epoch", "down", f"Mean {what} of the validation images."),
        _metric("test_loss", unit, "epoch", "down", f"Mean {what} of the test images, best epoch."),
    )


def _of_reconstruction(state: TrainingState) -> tuple[MetricDeclared, ...]:
    stacks = rebuilt_stacks(state.encoder)
    if not stacks or not state.plan.train.probe_epochs:
        return ()
    bits = any(stack.scheme.grid is not None and stack.scheme.grid.lost for stack in stacks)
    return (*REVERSIBLE, SIDE_BITS) if bits else REVERSIBLE


def kept_for_backward_bytes(state: TrainingState, images: Tensor, labels: Tensor) -> int:
    """Bytes that the forward of the batch's first micro-batch keeps for its backward, measured on that pass.

    Leaves generators, running statistics and gradients unchanged.
    """
    part = next(micro_batches(state, state.inputs(images, labels, 0)))
    return _kept(state, part, state.precision)


def kept_by(state: TrainingState, images: Tensor, labels: Tensor, precision: Precision) -> int:
    """Bytes that the forward of these images keeps for its backward, in the given precision."""
    return _kept(state, state.inputs(images, labels, 0), precision)


def _kept(state: TrainingState, part: Inputs, precision: Precision) -> int:
    model, pictures = state.model, [tensor for tensor in part if tensor.ndim == PICTURE]

    def forward() -> Tensor:
        with precision.autocast():
            return state.objective.loss(model, part, progress=0.0).mean

    with undisturbed(model, state.device):
        seed_generators(state.plan.seed, step=0, micro=0)
        state.signs.at_step(step=0, batch=len(part[0]), first=0)
        return kept_for_backward(
            forward, exclude=(*model.parameters(), *model.buffers(), *pictures)
        )


@contextmanager
def undisturbed(model: nn.Module, device: torch.device) -> Iterator[None]:
    """A context that restores generators and buffers."""
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        with generators_kept(device):
            yield
    finally:
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
