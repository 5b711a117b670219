"""The training loop. Read this first; every name below is a room or a file beside it.

    setup/        the plan, realised: device, images, model, optimiser, schedule, draws
    objectives/   what is minimised: classification, or what needs no labels
    checkpoints/  when one is made, which one a run goes back to, and first weights from another run
    step/         the gradients of a batch and the update they make, evaluation, and where the run is
    pairs         the same of a model that is fitted, a support vector machine
    probes/       what is measured, and the meter that reads it off the steps without holding them up
    checks/       with what the run trains, what is odd about it, and whether its backward is right
    watching/     what is said of the run while it trains
    memory/       what happens when memory runs out, and the budget of `auto`
    requests      stop, pause and continue, asked through the run folder

Everything random is keyed by its position (`draws`), so a run that was interrupted computes what it would have
computed without, on the CPU to the bit.
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
"""Of a confusion matrix that is recorded."""


def train(
    plan: Plan,
    emit: Emit,
    control: Control,
    *,
    checkpoints: CheckpointStore,
    data: Path,
    store: RunStore | None = None,
) -> Outcome:
    """Train one model as `plan` says, from where `checkpoints` left off; report through `emit`.

    data: folder of the datasets. store: of the run that the plan may start from.
    Raises RevconsoleError with a sentence for everything its user can mend, OutOfMemory with what would fit, and
    NotOurs.
    """
    with _computing_as_planned(plan):
        state = with_compiled_parts(prepare(plan, data=data, say=lambda t: emit(Logged(text=t))))
        policy, retry = CheckpointPolicy(state, checkpoints, emit), OomRetry(state, emit)
        footprint, (compute_step, update) = Footprint(state), way_to_learn(state)
        progress = introduce(state, policy, retry, footprint, emit=emit, store=store)
        emit = watched(state, progress, emit)
        meter = Meter(state, emit, progress, footprint)
        probe, boundary = ReversibleProbe(state, emit, footprint), BoundaryProbe(state, emit)
        boundary.look(progress)
        if progress.step == 0:
            probe.look(progress)
            footprint.begin()  # what the probe has left in the process is none of the training's
        requests = Requests(control, emit, secure=partial(secure, meter, policy, progress))
        forecast = FitForecast(state, emit, requests)
        try:
            for epoch in epochs_left(state, progress, emit):
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
                    forecast.look(progress)
                meter.flush()
                for event in finish_epoch(state, progress, retry, requests):
                    emit(event)
                probe.look(progress)
                boundary.look(progress)
                policy.end_epoch(progress)
            policy.go_to_best(progress)
            boundary.look_at_best(progress)
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
    """Threads, determinism and precision of products are the plan's; what its user can mend is a sentence."""
    how = plan.train
    with (
        explained(plan),
        devices.threads(how.threads),
        devices.deterministic(how.deterministic),
        precision.products(how.precision),
    ):
        yield


def watched(state: TrainingState, progress: Progress, emit: Emit) -> Emit:
    """Report through `emit` what is reported, and what the watch has to say of it."""
    watch = Watch(subject_of(state), progress.seen)

    def report(event: Event) -> None:
        emit(event)
        for advised in watch.look(event):
            emit(advised)

    return emit if state.fitted else report


def secure(meter: Meter, policy: CheckpointPolicy, progress: Progress) -> None:
    """Bring everything into safety, before the run rests or ends."""
    meter.flush()
    policy.save(progress)


def way_to_learn(
    state: TrainingState,
) -> tuple[Callable[..., TrainingStep], Callable[[TrainingState, TrainingStep], None]]:
    """What computes a step and changes nothing, and what then changes the model."""
    if state.fitted:
        return fit_pair, keep_machine
    return compute_gradients, update_weights


def introduce(
    state: TrainingState,
    policy: CheckpointPolicy,
    retry: OomRetry,
    footprint: Footprint,
    *,
    emit: Emit,
    store: RunStore | None,
) -> Progress:
    """Restore, and say with what the run goes on, what it will measure and what is odd about it."""
    if state.fitted:
        check_pairs(state)
    progress, damages = policy.restore()
    started = starts.begin(state, store) if progress.step == 0 else ""
    images, labels = next(state.training_batches(1))
    choose = partial(choose_blocks, state, images, labels)
    chosen = retry.run(choose, BEFOREHAND) if progress.step == 0 else None
    refuse_inexact(state)
    image = (
        {}
        if state.fitted and progress.step < state.steps
        else {"image_seconds": retry.run(partial(image_seconds, state), BEFOREHAND)}
    )
    emit(Started(facts=facts(state) | image, resumed_from=progress.step or None))
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
    """What the forward pass of these images keeps, as a metric."""
    count = partial(metrics.kept_for_backward_bytes, state, images, labels)
    kept = retry.run(count, BEFOREHAND)
    return {"kept_for_backward_bytes": float(kept)}


def between_steps(
    policy: CheckpointPolicy, meter: Meter, requests: Requests, progress: Progress
) -> None:
    """Make the checkpoint that is due, and do what was asked; neither counts as training."""
    if policy.due(progress.step):
        meter.flush()
        policy.save_if_possible(progress)
        meter.restart()
    if requests.poll(progress.step):
        meter.restart()


def epochs_left(state: TrainingState, progress: Progress, emit: Emit) -> Iterator[int]:
    """The epochs to train, from 1, until the last or until none has been better for as long as the plan waits."""
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
) -> list[Event]:
    """Evaluate, and close the running epoch."""
    if state.fitted:
        return [finish_fit(state, progress, retry, requests)]
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
    finished = EpochFinished(epoch=progress.epoch, step=progress.step, values=values)
    return [finished]


def finish_fit(
    state: TrainingState, progress: Progress, retry: OomRetry, requests: Requests
) -> EpochFinished:
    """Evaluate a model that was fitted, on the images it was fitted to as well; it has no loss."""
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
    """Loss and accuracy on the test images, and the accuracy on training images as they are.

    Which class was taken for which is reported if they are few enough.
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
    """The end of a run, with the sum of its last weights."""
    return Finished(
        outcome=outcome,
        step=progress.step,
        by=by,
        values=values,
        weights_sha256=policy.last_weights(),
    )
