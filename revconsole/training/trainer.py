"""The training loop. Read this first; the names below are sub-packages and modules beside it.

    setup/        the plan, realised: device, images, model, optimiser, schedule, draws
    objectives/   what is minimised: classification, or an objective without labels
    checkpoints/  when one is written, which one a run returns to, and initial weights from another run
    step/         the gradients of a batch and the update, evaluation, and the position of the run
    pairs         the same for a fitted model, a support vector machine
    probes/       the metrics, and the meter that reads them without stalling the device
    checks/       recorded facts, advice, and tests of the reversible backward
    watching/     rules that warn while a run trains
    memory/       retries when memory runs out, and the budget of `auto`
    requests      stop, pause and continue, through the run folder

Every random draw is keyed by its position (`draws`), so an interrupted run computes the same numbers as an
uninterrupted one, on the CPU to the bit.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from torch import Tensor

from revconsole.records.logs.events import (
    Advised,
    Confused,
    EpochFinished,
    Event,
    Finished,
    HandedOver,
    Logged,
    Measured,
    Started,
)
from revconsole.records.runs.control import Control
from revconsole.records.runs.store import RunStore
from revconsole.records.settings.plan import Plan
from revconsole.training.checkpoints import starts
from revconsole.training.checkpoints.checkpoint import CheckpointStore
from revconsole.training.checkpoints.policy import CheckpointPolicy
from revconsole.training.checks import advice
from revconsole.training.checks.compiling import refuse_inexact, with_compiled_parts
from revconsole.training.checks.facts import facts
from revconsole.training.checks.reconstruction import ReversibleProbe
from revconsole.training.machine import devices, precision
from revconsole.training.memory.budget import choose_blocks
from revconsole.training.memory.oom_retry import OomRetry, explained
from revconsole.training.pairs import FitForecast, check_pairs, fit_pair, keep_machine, machine_of
from revconsole.training.probes import metrics
from revconsole.training.probes.boundary import BoundaryProbe
from revconsole.training.probes.meter import Meter
from revconsole.training.questions import verify
from revconsole.training.requests import SUCCESSOR, HandOverAsked, Requests, StopAsked, Stopwatch
from revconsole.training.setup.training_state import TrainingState, prepare
from revconsole.training.step.evaluation import clean_training, evaluate, image_seconds
from revconsole.training.step.footprint import Footprint
from revconsole.training.step.progress import Progress
from revconsole.training.step.stepping import TrainingStep, compute_gradients, update_weights
from revconsole.training.watching import Watch, subject_of

Emit = Callable[[Event], None]
Outcome = Literal["completed", "stopped", "handed over"]
BEFOREHAND = "the first pass"
MOST_CLASSES = 256
"""Most classes for which a confusion matrix is recorded."""


def train(
    plan: Plan,
    emit: Emit,
    control: Control,
    *,
    checkpoints: CheckpointStore,
    data: Path,
    store: RunStore | None = None,
) -> Outcome:
    """Train one model according to `plan` from its newest checkpoint; report through `emit`.

    data: folder of the datasets. store: of a run that the plan may start from. Raises RevconsoleError for faults the
    user can correct, OutOfMemory with settings that would fit, and NotOurs.
    """
    with _computing_as_planned(plan):
        state = with_compiled_parts(prepare(plan, data=data, say=lambda t: emit(Logged(text=t))))
        policy, retry = CheckpointPolicy(state, checkpoints, emit), OomRetry(state, emit)
        footprint, (compute_step, update) = Footprint(state), step_functions(state)
        progress = start_run(state, policy, retry, footprint, emit=emit, store=store)
        emit = watched(state, progress, emit)
        meter = Meter(state, emit, progress, footprint)
        probe, boundary = ReversibleProbe(state, emit, footprint), BoundaryProbe(state, emit)
        boundary.report_if_due(progress)
        if progress.step == 0:
            probe.measure_if_due(progress)
            footprint.begin()  # memory left by the probe does not belong to the training
        requests = Requests(control, emit, secure=partial(flush_and_save, meter, policy, progress))
        forecast = FitForecast(state, emit, requests)
        try:
            for epoch in remaining_epochs(state, progress, emit):
                meter.restart()
                done = progress.step - (epoch - 1) * state.steps_per_epoch
                for images, labels in state.training_batches(epoch, first=done):
                    number = progress.step + 1
                    compute = partial(compute_step, images=images, labels=labels)
                    step = retry.run(partial(compute, state, number, epoch), f"step {number}")
                    meter.add(step)
                    update(state, step)
                    progress.step = number
                    between_steps(policy, meter, requests, progress)
                    forecast.report_if_due(progress)
                meter.flush()
                emit(finish_epoch(state, progress, retry, requests))
                probe.measure_if_due(progress)
                boundary.report_if_due(progress)
                policy.end_epoch(progress)
            policy.go_to_best(progress)
            boundary.report_best(progress)
            values = final_test(state, progress, retry, requests, emit)
        except StopAsked as stop:
            emit(ending("stopped", progress, policy, by=stop.by))
            return "stopped"
        except HandOverAsked:
            emit(HandedOver(step=progress.step, to=SUCCESSOR))
            return "handed over"
        emit(ending("completed", progress, policy, values=values))
        return "completed"


@contextmanager
def _computing_as_planned(plan: Plan) -> Iterator[None]:
    """A context with the plan's threads, determinism and product precision, in which lack of memory is explained."""
    settings = plan.train
    with (
        explained(plan),
        devices.threads(settings.threads),
        devices.deterministic(settings.deterministic),
        precision.products(settings.precision),
    ):
        yield


def watched(state: TrainingState, progress: Progress, emit: Emit) -> Emit:
    """An `emit` that also passes each event to the watch and emits its advice."""
    watch = Watch(subject_of(state), progress.seen)

    def report(event: Event) -> None:
        emit(event)
        for advised in watch.check(event):
            emit(advised)

    return emit if state.fitted else report


def flush_and_save(meter: Meter, policy: CheckpointPolicy, progress: Progress) -> None:
    """Flush metrics and write a checkpoint before a pause or the end."""
    meter.flush()
    policy.save(progress)


def step_functions(
    state: TrainingState,
) -> tuple[Callable[..., TrainingStep], Callable[[TrainingState, TrainingStep], None]]:
    """(compute, update): `compute` returns the step of a batch without changing the model, `update` applies it."""
    if state.fitted:
        return fit_pair, keep_machine
    return compute_gradients, update_weights


def start_run(
    state: TrainingState,
    policy: CheckpointPolicy,
    retry: OomRetry,
    footprint: Footprint,
    *,
    emit: Emit,
    store: RunStore | None,
) -> Progress:
    """Restore the checkpoint, then emit Started, metric declarations, warnings and the first memory figures."""
    if state.fitted:
        check_pairs(state)
    progress, damages = policy.restore()
    started = starts.begin(state, store) if progress.step == 0 else ""
    images, labels = next(state.training_batches(1))
    choose = partial(choose_blocks, state, images, labels)
    chosen = retry.run(choose, BEFOREHAND) if progress.step == 0 else None
    refuse_inexact(state)
    image_time = (
        {}
        if state.fitted and progress.step < state.steps
        else {"image_seconds": retry.run(partial(image_seconds, state), BEFOREHAND)}
    )
    emit(Started(facts=facts(state) | image_time, resumed_from=progress.step or None))
    if started:
        emit(Logged(text=started))
    if (longer := state.rates.lengthening) and progress.step <= state.rates.earlier[-1]:
        emit(Advised(level="note", text=longer))
    for metric in metrics.declared(state):
        emit(metric)
    for advised in (
        *damages,
        *([chosen] if chosen else []),
        *advice.before_training(state, resumed=progress.step > 0),
    ):
        emit(advised)
    if progress.step == 0:
        for advised in verify.at_launch(state):
            emit(advised)

    kept = {} if state.fitted else kept_for_backward(state, images, labels, retry)
    footprint.begin()
    values = kept | footprint.now()
    emit(Measured(step=progress.step, epoch=progress.epoch, values=values))
    return progress


def kept_for_backward(
    state: TrainingState, images: Tensor, labels: Tensor, retry: OomRetry
) -> dict[str, float]:
    """Bytes that the forward pass of these images keeps for its backward, as a metric."""
    count = partial(metrics.kept_for_backward_bytes, state, images, labels)
    kept = retry.run(count, BEFOREHAND)
    return {"kept_for_backward_bytes": float(kept)}


def between_steps(
    policy: CheckpointPolicy, meter: Meter, requests: Requests, progress: Progress
) -> None:
    """Write a checkpoint if one is due, and carry out requests; neither counts as training time."""
    if policy.due(progress.step):
        meter.flush()
        policy.save_if_possible(progress)
        meter.restart()
    if requests.poll(progress.step):
        meter.restart()


def remaining_epochs(state: TrainingState, progress: Progress, emit: Emit) -> Iterator[int]:
    """Epochs to train, from 1, until the last epoch or `train.patience` epochs without a better score."""
    plan = state.plan
    patience = plan.train.patience
    for epoch in range(progress.epoch + 1, state.epochs + 1):
        best = progress.best
        if patience is not None and best is not None and progress.epoch - best.epoch >= patience:
            what = plan.objective.best.words
            text = f"ended early: no epoch since {best.epoch} had a better {what} (train.patience)"
            emit(Advised(level="note", text=text))
            return
        yield epoch


def finish_epoch(
    state: TrainingState, progress: Progress, retry: OomRetry, requests: Requests
) -> EpochFinished:
    """Validate and close the current epoch; returns its event."""
    if state.fitted:
        return finish_fit(state, progress, retry, requests)
    watch, listen = Stopwatch(requests), partial(requests.poll, progress.step)
    validate = partial(evaluate, state, state.data.validation, listen)
    scores = retry.run(validate, "the validation")
    values = metrics.of_epoch(
        metrics.FinishedEpoch(
            state=state, trained=progress.running, scores=scores, seconds=watch.seconds
        )
    )
    best = state.plan.objective.best
    progress.finish_epoch(score=best.score(values[best.metric]))
    return EpochFinished(epoch=progress.epoch, step=progress.step, values=values)


def finish_fit(
    state: TrainingState, progress: Progress, retry: OomRetry, requests: Requests
) -> EpochFinished:
    """Evaluate a fitted model on the training and validation images; it has no loss."""
    seconds, listen = progress.running.seconds, partial(requests.poll, progress.step)
    watch = Stopwatch(requests)
    training = retry.run(partial(evaluate, state, state.data.train, listen), "the evaluation")
    validation = retry.run(
        partial(evaluate, state, state.data.validation, listen), "the validation"
    )
    progress.finish_epoch(score=validation.accuracy)
    values = {
        "train_accuracy": training.accuracy,
        "epoch_seconds": seconds,
        "validation_seconds": watch.seconds,
        "validation_accuracy": validation.accuracy,
        "support_vectors": float(len(machine_of(state).numbers)),
    }
    return EpochFinished(epoch=progress.epoch, step=progress.step, values=values)


def final_test(
    state: TrainingState, progress: Progress, retry: OomRetry, requests: Requests, emit: Emit
) -> dict[str, float]:
    """Loss and accuracy on the test images, and the accuracy on training images without augmentation.

    The confusion matrix is emitted if there are at most MOST_CLASSES classes.
    """
    listen, training = partial(requests.poll, progress.step), clean_training(state)
    test = partial(evaluate, state, state.data.test, listen)
    scores = retry.run(test, "the test")
    if state.objective.labelled and state.data.facts.classes <= MOST_CLASSES:
        counts = scores.confusion.tolist()
        emit(Confused(step=progress.step, names=list(state.data.names), counts=counts))
    name = "test_accuracy" if state.objective.labelled else "test_knn_accuracy"
    values = {name: scores.accuracy}
    if not state.fitted:
        values["test_loss"] = scores.loss
    if training is not None:
        judged = retry.run(partial(evaluate, state, training, listen), "the evaluation")
        values["train_accuracy_clean"] = judged.accuracy
    return values


def ending(
    outcome: Literal["completed", "stopped"],
    progress: Progress,
    policy: CheckpointPolicy,
    *,
    by: str = "",
    values: Mapping[str, float] = MappingProxyType({}),
) -> Finished:
    """The last event of a run, with the hash of its last weights."""
    return Finished(
        outcome=outcome,
        step=progress.step,
        by=by,
        values=values,
        weights_sha256=policy.last_weights(),
    )
