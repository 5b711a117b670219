"""By fitting: a support vector machine. Each pair of classes is one step; a run can stop between two pairs.

The time of a pair grows at least quadratically with its images. Forecasts are therefore measured on a few of them,
and pairs with more than MOST_IMAGES are refused.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn

from revconsole.data import OpenedData, of_classes, resized
from revconsole.errors import RunFailed
from revconsole.models.svm import Machine, SupportVectors, fit
from revconsole.records.logs.block import LEFT
from revconsole.records.logs.events import Advised, Measured, Scalar
from revconsole.records.settings.plan import Plan
from revconsole.training.checks import advice
from revconsole.training.checks.cost import COUNTED, FITTED
from revconsole.training.learning.learning import Emit, Learning, Score, TimedSteps
from revconsole.training.memory.suggestions import Suggestion
from revconsole.training.probes.boundary import MARGIN
from revconsole.training.probes.meter import FIRST_SECONDS, FLUSH_SECONDS
from revconsole.training.probes.metrics import FITTED_METRICS
from revconsole.training.requests import Requests, Stopwatch
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.evaluation import image_seconds
from revconsole.training.step.progress import Epoch, Progress
from revconsole.training.step.stepping import TrainingStep

MOST_IMAGES = 20_000
"""Most images of a pair of classes; its kernel matrix has 4·10⁸ entries, and its fit takes about an hour."""
TRIED = 500
"""Images used to measure the time of a fit: milliseconds of work."""
TIMING_SHARE = 0.02
"""Fraction of the fitting time that may be spent on timing evaluations."""
SLOW_SECONDS = 60.0
"""A longer fit is announced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairStep(TrainingStep):
    """A step with the machine that was fitted to its pair of classes; loss, norm and count are zero."""

    machine: Machine


def plays_no_part(state: TrainingState) -> Advised:
    """A note that a support vector machine ignores most settings."""
    pairs = state.steps
    return Advised(
        level="note",
        text=f"a support vector machine is fitted, {'one pair' if pairs == 1 else f'{pairs} pairs'} of classes: what the "
        "profile says of epochs, batch, optimiser and schedule plays no part, and there is no loss and no gradient",
    )


def slow_fit(state: TrainingState) -> Advised | None:
    """A warning if the fit takes minutes or more."""
    seconds = fit_seconds(state)
    if seconds < SLOW_SECONDS:
        return None
    images = len(state.data.train)
    return Advised(
        level="warning",
        text=f"the fit will take {seconds / 60:,.0f} minutes or more: its time grows with the square of the images, and "
        f"there are {images:,}; data.train_limit={images // 4} would take a sixteenth",
    )


def length(_plan: Plan, model: nn.Module, _data: OpenedData, _least: int) -> tuple[int, int]:
    """The number of pairs of classes, twice: all steps are of one epoch."""
    pairs = len(_support(model).pairs)
    return pairs, pairs


def pair_by_pair(state: TrainingState, _epoch: int, first: int) -> Iterator[tuple[Tensor, Tensor]]:
    """All images of each pair of classes."""
    for pair in machine_of(state).pairs[first:]:
        _, images, labels = of_classes(state.data.train, pair)
        yield resized(images, state.plan.image_shape), labels


def refuse_pairs(state: TrainingState) -> None:
    """Raise RunFailed if a class has no images, or a pair has too many."""
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


def fit_pair(
    state: TrainingState, number: int, epoch: int, *, images: Tensor, labels: Tensor
) -> PairStep:
    """Fit the pair of step `number` (from 1) to all images of its two classes. Has no side effects."""
    model, pair = machine_of(state), number - 1
    numbers, _, _ = of_classes(state.data.train, model.pairs[pair])
    second = labels == model.pairs[pair][1]
    gamma = model.gamma.item() or _gamma(state)
    return PairStep(
        number=number,
        epoch=epoch,
        images=len(labels),
        rate=0.0,
        loss=images.new_zeros(()),
        correct=labels.new_zeros(()),
        norm=images.new_zeros(()),
        machine=fit(model.settings, images, second, pair=pair, numbers=numbers, gamma=gamma),
    )


def keep_machine(state: TrainingState, step: TrainingStep) -> None:
    """Add the machine fitted in a step to the model."""
    assert isinstance(step, PairStep)  # noqa: S101  of `fit_pair`
    machine_of(state).add(step.machine)


def trained(state: TrainingState, running: Epoch, score: Score) -> Epoch:
    """All training images, evaluated after the fit."""
    correct = score(state.data.train, "the evaluation").confusion.trace()
    return Epoch(images=len(state.data.train), correct=int(correct.item()), seconds=running.seconds)


def facts(state: TrainingState, step: int) -> dict[str, Scalar]:
    """The images of the evaluations, and the time of one once the model is fitted; before, it takes less."""
    per_epoch, at_end = evaluated(state)
    known: dict[str, Scalar] = {
        "multiply_adds_per_image": None,
        "multiply_adds_note": FITTED,
        "evaluated_per_epoch": per_epoch,
        "evaluated_at_end": at_end,
    }
    return known | ({} if step < state.steps else {"image_seconds": image_seconds(state)})


def fewer_images(plan: Plan) -> list[Suggestion]:
    """Half the images of a plan that ran out of memory."""
    images = plan.data.train_limit or plan.shipped_images
    return [Suggestion(settings=f"data.train_limit={images // 2}")] if images else []


def training_seconds(state: TrainingState) -> TimedSteps:
    """Estimated seconds of the fit, three times. Raises as `refuse_pairs` does."""
    refuse_pairs(state)
    seconds = fit_seconds(state)
    return TimedSteps(seconds, seconds, seconds, timed=0)


def machine_of(state: TrainingState) -> SupportVectors:
    """The support vector machine that is fitted."""
    return _support(state.model)


def _support(model: nn.Module) -> SupportVectors:
    assert isinstance(model, SupportVectors)  # noqa: S101  the one model whose plan is `fitted`
    return model


def evaluated(state: TrainingState) -> tuple[int, int]:
    """(images evaluated after the fit, images evaluated at the end)."""
    data = state.data
    return len(data.train) + len(data.validation), len(data.test)


def fit_seconds(state: TrainingState) -> float:
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
    """Periodically reports how long a fit will still take.

    The estimate uses the pairs fitted so far (without the first, which reads all images) and timed evaluations with
    the support vectors so far. It is usually an underestimate until the last pair.
    """

    def __init__(self, state: TrainingState, emit: Emit, requests: Requests) -> None:
        self._state, self._emit, self._requests = state, emit, requests
        self._watch: Stopwatch | None = None
        self._since, self._said = 0, FIRST_SECONDS / 2
        self._kernels: list[float] = []
        self._spent = 0.0

    def report_if_due(self, progress: Progress) -> None:
        """Report the remaining time after a step, if a report is due."""
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


BY_FITTING = Learning(
    device=lambda _plan: "cpu",
    length=length,
    batches=pair_by_pair,
    make_ready=refuse_pairs,
    compute=fit_pair,
    update=keep_machine,
    trained=trained,
    metrics=lambda _state: FITTED_METRICS,
    facts=facts,
    checks=(plays_no_part, slow_fit, advice.crowded, advice.busy),
    watched=lambda _state, _progress, emit: emit,
    forecast=lambda state, emit, requests: FitForecast(state, emit, requests).report_if_due,
    certainty=MARGIN,
    cost=lambda _plan: dict.fromkeys(COUNTED) | {"multiply_adds_note": FITTED},
    training_seconds=training_seconds,
    evaluation_seconds=lambda _state: (0.0, 0.0),  # its support vectors are known once it is fitted
    step_bytes=lambda _state: None,
    suggestions=lambda state: (None, fewer_images(state.plan)),
    plain_suggestions=fewer_images,
)
