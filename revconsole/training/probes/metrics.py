"""Metrics: the declaration of every metric, the values known at the end of an epoch, and how much the forward keeps.

To add a metric of epochs, write its declaration, and its value in `OF_EPOCH`. The meter reports the metrics of steps;
those of memory come with every report.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from revconsole.models.svm import support_vectors
from revconsole.records.logs.block import LEFT
from revconsole.records.logs.events import Direction, MetricDeclared
from revconsole.records.logs.noise import BEFORE
from revconsole.records.logs.per_block import of_block
from revconsole.reversible.kept import kept_storages
from revconsole.reversible.replay import undisturbed
from revconsole.training.machine.precision import Precision
from revconsole.training.objectives import Inputs, Objective
from revconsole.training.probes import host_use
from revconsole.training.probes.updates import UPDATE_RATIO
from revconsole.training.setup.blocks import blocks_of, weights_of_units
from revconsole.training.setup.draws import seed_generators
from revconsole.training.setup.noise import noise
from revconsole.training.setup.norms import normed_over_parts
from revconsole.training.setup.rebuilt import rebuilt_stacks
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.evaluation import Scores
from revconsole.training.step.progress import Epoch
from revconsole.training.step.stepping import micro_batches

KEPT = "kept_for_backward_bytes"
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
REPORT = (
    _metric(
        "data_wait", "fraction", "step", "down", "Share of the training time spent waiting for the next batch."
    ),
    _metric(
        "least_block_gradient", "", "step", "none",
        "Root mean square of the gradient in the numbered part of the network where that is smallest.",
    ),
    _metric("least_gradient_block", "", "step", "none", "Which part that is, counted from 0."),
    _metric(
        "most_block_gradient", "", "step", "none",
        "Root mean square of the gradient in the numbered part of the network where that is largest.",
    ),
    _metric("most_gradient_block", "", "step", "none", "Which part that is, counted from 0."),
    _metric(
        "dead_share", "fraction", "step", "down",
        "Share of the units of linear layers and convolutions whose gradient was zero over the whole batch in five reports in a row.",
    ),
)  # fmt: skip
CORES = _metric(
    "cores_used",
    "",
    "step",
    "none",
    "Seconds of computing, over all threads of the process, per second.",
)
DEVICE_WAIT = _metric(
    "device_wait", "fraction", "step", "none",
    "Share of the training time in which the host waits for the device; near 0 the device waits for the host.",
)  # fmt: skip
PREDICTED = (
    _metric(
        "classes_unpredicted", "", "epoch", "down",
        "Classes with five validation images or more that no validation image was taken for.",
    ),
    _metric(
        "largest_prediction", "fraction", "epoch", "none", "Share of the validation images taken for the most predicted class."
    ),
)  # fmt: skip
EVALUATED = (
    _metric(
        "train_loss_evaluated", "nats", "epoch", "down",
        "Mean cross-entropy of a few training images in evaluation mode, in which norms use their running statistics.",
    ),
    _metric(
        "train_accuracy_evaluated", "fraction", "epoch", "up", "Share of these classified correctly."
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
        KEPT, "B", "step", "down",
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
SIDE_BYTES = _metric(
    "side_bits_bytes", "B", "step", "down", "Bytes of side bits among those that are kept for the backward."
)  # fmt: skip
STEP_PEAK = _metric(
    "step_peak_bytes", "B", "step", "down",
    "Most bytes that torch's allocator holds for the training at once, measured in its second step; weights, optimiser "
    "state and the batch are in it.",
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


FITTED_METRICS = (
    *(metric for metric in (*STEP, *LABELLED, *RUN) if metric.name in {
        "images_per_second", "validation_accuracy", "epoch_seconds", "validation_seconds", "test_accuracy",
        "resident_bytes", "resident_peak_bytes", "training_peak_bytes",
    }),
    *host_use.OF_MACHINE,
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
    again: Scores | None
    """Scores of training images in evaluation mode, if norms are over the batch."""
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
    "classes_unpredicted": lambda epoch: float(len(epoch.scores.unpredicted)),
    "largest_prediction": lambda epoch: epoch.scores.largest,
    "train_loss_evaluated": lambda epoch: epoch.again.loss if epoch.again else math.nan,
    "train_accuracy_evaluated": lambda epoch: epoch.again.accuracy if epoch.again else math.nan,
    "support_vectors": lambda epoch: float(support_vectors(epoch.state.model)),
}
"""The value of each metric that is known at the end of an epoch."""


def of_epoch(metrics: Sequence[MetricDeclared], epoch: FinishedEpoch) -> dict[str, float]:
    """Values of those of the metrics that are known at the end of an epoch, by name."""
    names = [metric.name for metric in metrics if metric.name in OF_EPOCH]
    return {name: OF_EPOCH[name](epoch) for name in names}


def declared(state: TrainingState) -> tuple[MetricDeclared, ...]:
    """The declarations of every metric of a run by gradients."""
    cuda = CUDA if state.device.type == "cuda" else ()
    computing = CORES if state.device.type == "cpu" else DEVICE_WAIT
    again = EVALUATED if state.objective.labelled and normed_over_parts(state.model) else ()
    judged = _judged(state) if state.objective.labelled else UNLABELLED
    losses = _losses(state.objective, noise(state))
    return (
        *losses,
        *STEP,
        *_of_report(state),
        computing,
        *judged,
        *again,
        *RUN,
        *([SIDE_BYTES] if keeps_side_bits(state) else []),
        *(cuda or [STEP_PEAK]),
        *host_use.declared(state.device),
        *_of_reconstruction(state),
    )


def _of_report(state: TrainingState) -> tuple[MetricDeclared, ...]:
    """What the meter measures of this model once per report."""
    model = state.readable
    blocks, units = len(blocks_of(model)), any(True for _ in weights_of_units(model))
    of_all = tuple(
        metric
        for metric in REPORT
        if (blocks > 1 or "block" not in metric.name) and (units or metric.name != "dead_share")
    )
    numbered = range(blocks if blocks > 1 else 0)
    return (*of_all, *map(_gradient_of, numbered), *map(_update_of, numbered))


def _gradient_of(block: int) -> MetricDeclared:
    meaning = f"Root mean square of the gradient in part {block} of the network, counted from 0."
    return _metric(of_block("gradient", block), "", "step", "none", meaning)


def _update_of(block: int) -> MetricDeclared:
    meaning = f"Size of one step's update of part {block} of the network, counted from 0, over the size of its weights."
    return _metric(of_block(UPDATE_RATIO, block), "relative", "step", "none", meaning)


def _reconstruction_of(block: int) -> MetricDeclared:
    meaning = f"Largest error of the input of block {block} as the backward rebuilds it, counted from 0 over all stacks."
    return _metric(of_block("reconstruction", block), "relative", "epoch", "down", meaning)


def _gradient_error_of(block: int) -> MetricDeclared:
    meaning = (
        f"Distance of the gradient of block {block}, counted from 0 over all stacks, from that with all activations "
        "kept, over its norm."
    )
    return _metric(of_block("gradient_error", block), "relative", "epoch", "down", meaning)


def _judged(state: TrainingState) -> tuple[MetricDeclared, ...]:
    meaning = f"Share of training images classified correctly {BEFORE}{noise(state)}."
    return (
        _metric("train_accuracy", "fraction", "epoch", "up", meaning),
        *LABELLED,
        *PREDICTED,
        CLEAN_TRAIN,
    )


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
    if not stacks or not state.plan.train.probe_epochs or not state.holding.everything:
        return ()
    bits = keeps_side_bits(state)
    blocks = sum(len(stack.backwards) for stack in stacks)
    by_block = [made(n) for made in (_reconstruction_of, _gradient_error_of) for n in range(blocks)]
    return (*REVERSIBLE, *([SIDE_BITS] if bits else []), *by_block)


def keeps_side_bits(state: TrainingState) -> bool:
    """Whether a forward keeps bits beside the streams, so that they can be rebuilt exactly."""
    grids = (stack.scheme.grid for stack in rebuilt_stacks(state.encoder))
    return any(grid is not None and grid.lost for grid in grids)


def kept_for_backward_bytes(state: TrainingState, images: Tensor, labels: Tensor) -> int:
    """Bytes that the forward of the batch's first micro-batch keeps for its backward, measured on that pass.

    Leaves generators, running statistics and gradients unchanged.
    """
    return sum(size for size, _ in kept_of_step(state, images, labels))


def kept_of_step(
    state: TrainingState, images: Tensor, labels: Tensor
) -> list[tuple[int, torch.dtype]]:
    """The same as bytes and dtype of each storage."""
    part = next(micro_batches(state, state.inputs(images, labels, 0)))
    return _kept(state, part, state.precision)


def kept_by(state: TrainingState, images: Tensor, labels: Tensor, precision: Precision) -> int:
    """Bytes that the forward of these images keeps for its backward, in the given precision."""
    return sum(size for size, _ in _kept(state, state.inputs(images, labels, 0), precision))


def _kept(
    state: TrainingState, part: Inputs, precision: Precision
) -> list[tuple[int, torch.dtype]]:
    model, pictures = state.model, [tensor for tensor in part if tensor.ndim == PICTURE]

    def forward() -> Tensor:
        with precision.autocast():
            return state.objective.loss(model, part, progress=0.0).mean

    with undisturbed(model, state.device):
        seed_generators(state.plan.seed, step=0, micro=0)
        state.signs.at_step(step=0, batch=len(part[0]), first=0)
        return kept_storages(forward, exclude=(*model.parameters(), *model.buffers(), *pictures))
