"""The training loop. Read this first; the names below are sub-packages and modules beside it.

    setup/        the plan, realised: device, images, model, optimiser, schedule, draws
    objectives/   what is minimised: classification, or an objective without labels
    checkpoints/  when one is written, which one a run returns to, and initial weights from another run
    step/         the gradients of a batch and the update, evaluation, and the position of the run
    learning/     what differs between a network, which learns by gradients, and a model that is fitted
    probes/       the metrics, and the meter that reads them without stalling the device
    checks/       recorded facts, advice, and tests of the reversible backward
    advice/       rules that say what goes wrong while a run trains
    memory/       retries when memory runs out, and the budget of `auto`
    requests      stop, pause and continue, through the run folder

Every random draw is keyed by its position (`draws`), so an interrupted run computes the bits of an uninterrupted one.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from torch import Tensor

from revconsole.data import OpenedSplit
from revconsole.records.logs.events import (
    Advised,
    Confused,
    EpochFinished,
    Finished,
    HandedOver,
    Logged,
    Measured,
    MetricDeclared,
    Started,
)
from revconsole.records.runs.control import Control
from revconsole.records.runs.store import RunStore
from revconsole.records.search.early import EarlyStop
from revconsole.records.settings.plan import Plan
from revconsole.reversible.audit import Check
from revconsole.training.checkpoints import starts
from revconsole.training.checkpoints.checkpoint import CheckpointStore
from revconsole.training.checkpoints.policy import CheckpointPolicy
from revconsole.training.checks import advice
from revconsole.training.checks.compiling import refuse_inexact
from revconsole.training.checks.facts import facts, foreseen_parts
from revconsole.training.checks.reconstruction import ReversibleProbe
from revconsole.training.learning.learning import Emit, Learning, Score
from revconsole.training.learning.preparing import learning_of, prepare
from revconsole.training.machine import devices, precision
from revconsole.training.memory.budget import agree_on_blocks, choose_blocks
from revconsole.training.memory.oom_retry import OomRetry, explained
from revconsole.training.probes.allocations import StepAllocations
from revconsole.training.probes.boundary import BoundaryProbe
from revconsole.training.probes.meter import Meter
from revconsole.training.probes.metrics import (
    CLEAN_TRAIN,
    KEPT,
    FinishedEpoch,
    of_epoch,
)
from revconsole.training.questions import verify
from revconsole.training.requests import SUCCESSOR, HandOverAsked, Requests, StopAsked, Stopwatch
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.evaluation import Scores, clean_training, evaluate, evaluated_training
from revconsole.training.step.footprint import Footprint
from revconsole.training.step.progress import Progress
from revconsole.training.together.alone import ALONE, Together

Value = TypeVar("Value")
Outcome = Literal["completed", "stopped", "pruned", "handed over"]
BEFOREHAND = "the first pass"
MOST_CLASSES = 256
"""Most classes for which a confusion matrix is recorded."""
MOST_UNPREDICTED = 100
"""Most classes that are recorded as predicted for no image of an epoch."""


def train(
    plan: Plan,
    emit: Emit,
    control: Control,
    *,
    checkpoints: CheckpointStore,
    data: Path,
    store: RunStore | None = None,
    early: EarlyStop | None = None,
    together: Together = ALONE,
) -> Outcome:
    """Train one model according to `plan` from its newest checkpoint; report through `emit`.

    data: folder of the datasets. store: of a run that the plan may start from. early: judges each epoch whether the run goes
    on. together: its ranks. Raises RevconsoleError for what the user can correct, OutOfMemory with what fits, and NotOurs.
    """
    learning = learning_of(plan)
    with _computing_as_planned(plan, learning):
        state = prepare(plan, data=data, say=partial(say, emit), together=together)
        policy = CheckpointPolicy(state, checkpoints, emit)
        retry, footprint = OomRetry(state, emit, learning.suggestions), Footprint(state)
        allocations = StepAllocations(state, emit, footprint)
        started = partial(start_run, learning, state, policy, retry, footprint)
        progress = started(allocations=allocations, emit=emit, store=store)
        emit = learning.watched(state, progress, emit)
        meter = Meter(state, emit, progress, footprint, names_of(learning.metrics(state)))
        probe = ReversibleProbe(state, emit, footprint)
        boundary = BoundaryProbe(state, emit, learning.certainty)
        boundary.report_if_due(progress)
        probe.measure_first(progress)
        secure = partial(flush_and_save, meter, policy, progress)
        requests = Requests(control, emit, secure=secure, together=together)
        score = scoring(state, progress, retry, requests)
        report_remaining = learning.forecast(state, emit, requests)
        try:
            for epoch in remaining_epochs(state, progress, emit, requests, early):
                meter.restart()
                done = progress.step - (epoch - 1) * state.steps_per_epoch
                for batch in meter.fetched(state.training_batches(epoch, first=done)):
                    take = partial(take_step, learning, state, progress.step + 1, epoch, batch)
                    take(retry=retry, meter=meter, allocations=allocations)
                    progress.step += 1
                    between_steps(policy, meter, requests, progress)
                    report_remaining(progress)
                meter.end_epoch()
                emit(finish_epoch(learning, state, progress, score, Stopwatch(requests)))
                probe.measure_if_due(progress)
                boundary.report_if_due(progress)
                policy.end_epoch(progress)
            policy.go_to_best(progress)
            boundary.report_best(progress)
            tested = final_test(learning, state, progress, score, emit)
            finished = Finished(outcome="completed", step=progress.step, values=tested)
        except StopAsked as stop:
            finished = Finished(outcome=stop.outcome, step=progress.step, by=stop.by)
        except HandOverAsked:
            emit(HandedOver(step=progress.step, to=SUCCESSOR))
            return "handed over"
        emit(finished._replace(weights_sha256=policy.last_weights()))
        return finished.outcome


def take_step(
    learning: Learning,
    state: TrainingState,
    number: int,
    epoch: int,
    batch: tuple[Tensor, Tensor],
    *,
    retry: OomRetry,
    meter: Meter,
    allocations: StepAllocations,
) -> None:
    """Compute step `number` of an epoch, hand its results to the meter, and apply it."""
    compute = partial(learning.compute, state, number, epoch, images=batch[0], labels=batch[1])
    work = allocations.computing(compute, number, batch)
    step = retry.run(work, f"step {number}")
    meter.add(step)
    allocations.update(partial(learning.update, state, step), number, epoch)


def say(emit: Emit, text: str) -> None:
    """Log a sentence."""
    emit(Logged(text=text))


@contextmanager
def _computing_as_planned(plan: Plan, learning: Learning) -> Iterator[None]:
    """A context with the plan's threads, determinism and product precision, in which lack of memory is explained."""
    settings = plan.train
    with (
        explained(plan, learning.plain_suggestions),
        devices.threads(settings.threads),
        devices.deterministic(settings.deterministic),
        precision.products(settings.precision),
    ):
        yield


def flush_and_save(meter: Meter, policy: CheckpointPolicy, progress: Progress) -> None:
    """Flush metrics and write a checkpoint before a pause or the end."""
    meter.flush()
    policy.save(progress)


def start_run(
    learning: Learning,
    state: TrainingState,
    policy: CheckpointPolicy,
    retry: OomRetry,
    footprint: Footprint,
    *,
    allocations: StepAllocations,
    emit: Emit,
    store: RunStore | None,
) -> Progress:
    """Make the model ready, restore the checkpoint, then emit Started, metric declarations, warnings and the first memory figures."""
    learning.make_ready(state)
    progress, damages = policy.restore()
    started = starts.begin(state, store) if progress.step == 0 else ""
    images, labels = next(state.training_batches(1))
    choose = partial(choose_blocks, state, images, labels)
    chosen = retry.run(choose, BEFOREHAND) if progress.step == 0 else None
    agree_on_blocks(state)
    refuse_inexact(state)
    learnt = retry.run(_recorded(state, partial(learning.facts, state, progress.step)), BEFOREHAND)
    emit(Started(facts=facts(state) | learnt, resumed_from=progress.step or None))
    if started:
        emit(Logged(text=started))
    if (longer := state.rates.lengthening) and progress.step <= state.rates.earlier[-1]:
        emit(Advised(level="note", text=longer))
    declared = learning.metrics(state)
    for metric in declared:
        emit(metric)
    for parts in foreseen_parts(state):
        emit(parts)
    for advised in (
        *damages,
        *([chosen] if chosen else []),
        *advice.before_training(state, learning.checks, resumed=progress.step > 0),
    ):
        emit(advised)
    if progress.step == 0 and state.probes:
        found: list[Check] = []
        for advised in verify.at_launch(state, found.append):
            emit(advised)
        if found:
            emit(verify.audited(found))

    kept = {}
    if state.holding.everything and KEPT in names_of(declared):
        count = _recorded(state, partial(allocations.kept, images, labels))
        counted = retry.run(count, BEFOREHAND)
        kept = {name: value for name, value in counted.items() if name in names_of(declared)}
    progress.seen.kept = kept.get(KEPT, 0.0)
    footprint.begin()
    values = kept | footprint.now()
    emit(Measured(step=progress.step, epoch=progress.epoch, values=values))
    return progress


def _recorded(
    state: TrainingState, work: Callable[[], dict[str, Value]]
) -> Callable[[], dict[str, Value]]:
    """The work of a rank that records its results; nothing for any other."""
    return work if state.together.first else dict


def names_of(metrics: Sequence[MetricDeclared]) -> frozenset[str]:
    """The names of the metrics."""
    return frozenset(metric.name for metric in metrics)


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


def remaining_epochs(
    state: TrainingState,
    progress: Progress,
    emit: Emit,
    requests: Requests,
    early: EarlyStop | None,
) -> Iterator[int]:
    """Epochs to train, from 1, until the last epoch or `train.patience` epochs without a better score.

    Raises StopAsked where the search of a trial ends it.
    """
    plan = state.plan
    patience = plan.train.patience
    for epoch in range(progress.epoch + 1, state.epochs + 1):
        best = progress.best
        if patience is not None and best is not None and progress.epoch - best.epoch >= patience:
            what = plan.objective.best.words
            text = f"ended early: no epoch since {best.epoch} had a better {what} (train.patience)"
            emit(Advised(level="note", text=text))
            return
        if why := state.together.told("" if early is None else early.why(progress.epoch)):
            requests.stop_early(why)
        yield epoch


def scoring(state: TrainingState, progress: Progress, retry: OomRetry, requests: Requests) -> Score:
    """A function that evaluates the model on a split, and carries out requests between two batches."""

    def score(split: OpenedSplit, doing: str) -> Scores:
        listen = partial(requests.poll, progress.step)
        return retry.run(partial(evaluate, state, split, listen), doing)

    return score


def finish_epoch(
    learning: Learning, state: TrainingState, progress: Progress, score: Score, watch: Stopwatch
) -> EpochFinished:
    """Validate and close the current epoch; returns its event. watch: begins with the evaluation."""
    trained = learning.trained(state, progress.running, score)
    scores = score(state.data.validation, "the validation")
    split = evaluated_training(state)
    again = score(split, "the evaluation") if split else None
    epoch = FinishedEpoch(
        state=state, trained=trained, scores=scores, again=again, seconds=watch.seconds
    )
    values = of_epoch(learning.metrics(state), epoch)
    best = state.plan.objective.best
    progress.finish_epoch(score=best.score(values[best.metric]))
    return EpochFinished(
        epoch=progress.epoch,
        step=progress.step,
        values=values,
        unpredicted=scores.unpredicted[:MOST_UNPREDICTED]
        if "classes_unpredicted" in values
        else (),
    )


def final_test(
    learning: Learning, state: TrainingState, progress: Progress, score: Score, emit: Emit
) -> dict[str, float]:
    """The run's metrics that are known at its end: of the test images, and of training images as they are.

    The confusion matrix is emitted if there are at most MOST_CLASSES classes.
    """
    declared = names_of(learning.metrics(state))
    training = clean_training(state) if CLEAN_TRAIN.name in declared else None
    scores = score(state.data.test, "the test")
    if state.objective.labelled and state.data.facts.classes <= MOST_CLASSES:
        counts = scores.confusion.tolist()
        emit(Confused(step=progress.step, names=list(state.data.names), counts=counts))
    name = "test_accuracy" if state.objective.labelled else "test_knn_accuracy"
    values = {name: scores.accuracy}
    if "test_loss" in declared:
        values["test_loss"] = scores.loss
    if training is not None:
        values[CLEAN_TRAIN.name] = score(training, "the evaluation").accuracy
    return values
