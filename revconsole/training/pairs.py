"""Pairs: fitting a support vector machine. Each pair of classes is one step; a run can stop between two pairs.

The time of a pair grows at least quadratically with its images. Forecasts are therefore measured on a few of them,
and pairs with more than MOST_IMAGES are refused.
"""

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor

from revconsole.data import of_classes
from revconsole.errors import RunFailed
from revconsole.models.svm import Machine, SupportVectors, fit
from revconsole.records.logs.block import LEFT
from revconsole.records.logs.events import Event, Measured
from revconsole.training.probes.meter import FIRST_SECONDS, FLUSH_SECONDS
from revconsole.training.requests import Requests, Stopwatch
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.evaluation import evaluated
from revconsole.training.step.progress import Progress
from revconsole.training.step.stepping import TrainingStep

MOST_IMAGES = 20_000
"""Most images of a pair of classes; its kernel matrix has 4·10⁸ entries, and its fit takes about an hour."""
TRIED = 500
"""Images used to measure the time of a fit: milliseconds of work."""
TIMING_SHARE = 0.02
"""Fraction of the fitting time that may be spent on timing evaluations."""


def machine_of(state: TrainingState) -> SupportVectors:
    """The support vector machine of a fitted training state."""
    assert isinstance(state.model, SupportVectors)  # noqa: S101  callers check `state.fitted`
    return state.model


def fit_pair(
    state: TrainingState, number: int, epoch: int, *, images: Tensor, labels: Tensor
) -> TrainingStep:
    """Fit the pair of step `number` (from 1) to all images of its two classes. Has no side effects."""
    model = machine_of(state)
    pair = number - 1
    numbers, _, _ = of_classes(state.data.train, model.pairs[pair])
    second = labels == model.pairs[pair][1]
    gamma = model.gamma.item() or _gamma(state)
    machine = fit(model.settings, images, second, pair=pair, numbers=numbers, gamma=gamma)
    return TrainingStep(
        number=number,
        epoch=epoch,
        images=len(labels),
        rate=0.0,
        loss=images.new_zeros(()),
        correct=labels.new_zeros(()),
        norm=images.new_zeros(()),
        machine=machine,
    )


def keep_machine(state: TrainingState, step: TrainingStep) -> None:
    """Add the machine fitted in a step to the model."""
    assert isinstance(step.machine, Machine)  # noqa: S101  a step of `fit_pair`
    machine_of(state).add(step.machine)


def check_pairs(state: TrainingState) -> None:
    """Raise RunFailed if the machine cannot be fitted: a class has no images, or a pair has too many."""
    train, names = state.data.train, state.data.names
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


def forecast_fit_seconds(state: TrainingState) -> float:
    """Estimated seconds of the fit, quadratic in the images; usually an underestimate."""
    model = machine_of(state)
    images, labels = next(state.training_batches(1))
    stride = max(1, len(labels) // TRIED)
    sample, sample_labels = images[::stride], labels[::stride]
    if bool((sample_labels == sample_labels[0]).all()):
        sample, sample_labels = images, labels
    numbers = torch.arange(len(sample_labels))
    second, gamma = sample_labels == model.pairs[0][1], _gamma(state)
    seconds = 0.0
    for _ in range(2):  # the first fit also imports
        began = time.perf_counter()
        fit(model.settings, sample, second, pair=0, numbers=numbers, gamma=gamma)
        seconds = time.perf_counter() - began
    return seconds * sum(_work(state)) / len(sample_labels) ** 2


class FitForecast:
    """Periodically reports how long a fit will still take; reports nothing for networks.

    The estimate uses the pairs fitted so far (without the first, which reads all images) and timed evaluations with
    the support vectors so far. It is usually an underestimate until the last pair.
    """

    def __init__(
        self, state: TrainingState, emit: Callable[[Event], None], requests: Requests
    ) -> None:
        self._state, self._emit, self._requests = state, emit, requests
        self._watch: Stopwatch | None = None
        self._since, self._said = 0, FIRST_SECONDS / 2
        self._kernels: list[float] = []
        self._spent = 0.0

    def report_if_due(self, progress: Progress) -> None:
        """Report the remaining time after a step, if a report is due."""
        if not self._state.fitted:
            return
        if self._watch is None:
            self._watch, self._since = Stopwatch(self._requests), progress.step
        seconds, last = self._watch.seconds, progress.step == self._state.steps
        due = progress.step > self._since and seconds > min(
            2 * self._said, self._said + FLUSH_SECONDS
        )
        if last or due:
            self._said = seconds
            remaining = self._fit(progress.step, seconds) + self._evaluation(seconds, last=last)
            values = {LEFT: remaining}
            self._emit(Measured(step=progress.step, epoch=progress.epoch + 1, values=values))

    def _fit(self, step: int, seconds: float) -> float:
        """Estimated seconds of the remaining pairs."""
        work = _work(self._state)
        fitted = sum(work[self._since : step])
        return seconds * sum(work[step:]) / fitted if fitted else 0.0

    def _evaluation(self, seconds: float, *, last: bool) -> float:
        """Estimated seconds of all evaluations, in which each image is compared with each support vector."""
        vectors = max(1, len(machine_of(self._state).numbers))
        if last or self._spent <= TIMING_SHARE * seconds:
            self._time(vectors)
        return median(self._kernels) * vectors * sum(evaluated(self._state))

    def _time(self, vectors: int) -> None:
        """Time one evaluation batch, the second of two, because the fit has emptied the processor's caches."""
        state = self._state
        images, _ = next(state.evaluation_batches(state.data.validation))
        for _ in range(2):
            began = time.perf_counter()
            with torch.inference_mode():
                machine_of(state)(images)
            seconds = time.perf_counter() - began
            self._spent += seconds
        self._kernels.append(seconds / (len(images) * vectors))


def _work(state: TrainingState) -> list[float]:
    """Relative fitting time of each pair: the square of its number of images."""
    train = state.data.train
    counts = torch.bincount(train.labels, minlength=train.classes).tolist()
    return [float(counts[one] + counts[other]) ** 2 for one, other in machine_of(state).pairs]


def _gamma(state: TrainingState) -> float:
    """The plan's gamma; for "scale", 1 / (inputs · variance of all training images)."""
    gamma = machine_of(state).settings.gamma
    if not isinstance(gamma, str):
        return float(gamma)
    total = squares = count = 0.0
    for images, _ in state.evaluation_batches(state.data.train):
        total += images.double().sum().item()
        squares += images.double().square().sum().item()
        count += images.numel()
    variance = squares / count - (total / count) ** 2
    inputs = machine_of(state).vectors.shape[1]
    return 1 / (inputs * variance) if variance > 0 else 1.0
