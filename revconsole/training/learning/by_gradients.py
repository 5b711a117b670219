"""By gradients: a network that trains step by step on shuffled batches."""

import itertools
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from statistics import quantiles

from torch import Tensor, nn

from revconsole.data import OpenedData, batches, steps_per_epoch
from revconsole.records.logs.events import (
    Event,
    Finished,
    LoggedEvent,
    MetricDeclared,
    Scalar,
    encode,
)
from revconsole.records.runs.running import RunningSummary
from revconsole.records.settings.batch_rules import refuse_no_batch
from revconsole.records.settings.plan import Plan
from revconsole.training.advice import Watch, spelled, subject_of
from revconsole.training.checks import advice, cost
from revconsole.training.checks.compiling import with_compiled_parts
from revconsole.training.learning import utilisation
from revconsole.training.learning.learning import Emit, Learning, TimedSteps
from revconsole.training.memory import suggestions
from revconsole.training.memory.needed import needed, settings_of
from revconsole.training.probes import metrics
from revconsole.training.probes.boundary import PROBABILITY
from revconsole.training.probes.meter import Meter
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.evaluation import evaluated, image_seconds
from revconsole.training.step.footprint import Footprint
from revconsole.training.step.progress import Progress
from revconsole.training.step.stepping import TrainingStep, compute_gradients, update_weights

WARM_UP, LEAST, MOST = 1, 3, 9
"""Untimed steps, which allocate and compile, and the least and most timed steps after them."""
REPORTED = 100
"""Results of steps whose reporting is timed."""
ENOUGH_SECONDS = 2.0
"""Total of timed steps after which LEAST of them suffice."""


def length(plan: Plan, _model: nn.Module, data: OpenedData, least: int) -> tuple[int, int]:
    """(steps per epoch, steps of the run)."""
    refuse_no_batch(plan, len(data.train))
    drop_last = plan.data.drop_last
    per_epoch = steps_per_epoch(
        len(data.train), batch=plan.train.batch, drop_last=drop_last, least=least
    )
    return per_epoch, plan.train.steps or per_epoch * plan.train.epochs


def shuffled(state: TrainingState, epoch: int, first: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of an epoch in its random order, up to the last step of the run."""
    plan = state.plan
    order = batches(
        state.data.train,
        batch=plan.train.batch,
        seed=plan.seed,
        epoch=epoch - 1,
        first=first,
        drop_last=plan.data.drop_last,
        least=state.least_images,
        size=plan.image_shape,
        prefetch=plan.data.prefetch,
    )
    remaining = state.steps - (epoch - 1) * state.steps_per_epoch - first
    with closing(order):
        for _, images, labels in itertools.islice(order, remaining):
            yield images, labels


def facts(state: TrainingState, _step: int) -> dict[str, Scalar]:
    """Weights, operations, and the images and time of the evaluations."""
    per_epoch, at_end = evaluated(state)
    return {
        **cost.weights_of(state.model),
        **cost.operations_of(state.plan, state.model),
        **utilisation.facts(state),
        "evaluated_per_epoch": per_epoch,
        "evaluated_at_end": at_end,
        **({"image_seconds": image_seconds(state)} if state.probes else {}),
    }


def declared(state: TrainingState) -> tuple[MetricDeclared, ...]:
    """The metrics of a run, with that of the device's use where its peak is known."""
    return (*metrics.declared(state), *utilisation.declared(utilisation.seconds_at_peak(state)))


def watched(state: TrainingState, progress: Progress, emit: Emit) -> Emit:
    """An `emit` that also passes each event to the watch and emits its advice, and tells how much of the device is used."""
    watch = Watch(subject_of(state), progress.seen, partial(spelled, state.plan))
    seconds = utilisation.seconds_at_peak(state)

    def report(event: Event) -> None:
        event = utilisation.utilised(event, seconds)
        advice_first = isinstance(event, Finished)  # nothing follows the end of a run
        if not advice_first:
            emit(event)
        for advised in watch.check(event):
            emit(advised)
        if advice_first:
            emit(event)

    return report


def evaluation_seconds(state: TrainingState) -> tuple[float, float]:
    """Seconds of the evaluations after an epoch and of those at the end, from the time of one image."""
    per_epoch, at_end = evaluated(state)
    each = image_seconds(state)
    return each * per_epoch, each * at_end


def training_seconds(state: TrainingState) -> TimedSteps:
    """Seconds of all training steps, as long as the first quartile, the median and the third quartile of a few.

    A step lasts from requesting its batch to the update; reading, judging and logging its results is added.
    """
    timings: list[float] = []
    step: TrainingStep | None = None
    with closing(_all_batches(state)) as epochs:
        while len(timings) < WARM_UP + MOST:
            began = time.perf_counter()
            batch = next(epochs, None)
            if batch is None:
                break
            step = compute_gradients(state, len(timings) + 1, 1, images=batch[0], labels=batch[1])
            update_weights(state, step)
            step.loss.item()  # waits for the device
            timings.append(time.perf_counter() - began)
            timed = timings[WARM_UP:]
            if len(timed) >= LEAST and sum(timed) > ENOUGH_SECONDS:
                break
    timed = timings[WARM_UP:] or timings
    quarters = quantiles(timed if len(timed) > 1 else timed * 2, n=4, method="inclusive")
    reporting = 0.0 if step is None else _reporting_seconds(state, step)
    low, middle, high = (state.steps * (quarter + reporting) for quarter in quarters)
    return TimedSteps(low, middle, high, len(timed))


def _reporting_seconds(state: TrainingState, step: TrainingStep) -> float:
    """Seconds that the results of a step take beyond its computation: half a step of a small network."""
    progress = Progress()
    log = RunningSummary()

    def write(event: Event) -> None:
        record = LoggedEvent(seq=0, time=0.0, event=event, elapsed=0.0)
        log.add(record)
        encode(record)

    emit = watched(state, progress, write)
    meter = Meter(
        state, emit, progress, Footprint(state), {m.name for m in metrics.declared(state)}
    )
    began = time.perf_counter()
    for number in range(1, REPORTED + 1):
        meter.add(replace(step, number=number))
    meter.flush()
    return (time.perf_counter() - began) / REPORTED


def _all_batches(state: TrainingState) -> Generator[tuple[Tensor, Tensor], None, None]:
    """Training batches of the plan's epochs, from the first on."""
    for epoch in range(1, state.plan.epochs + 1):
        yield from state.training_batches(epoch)


BY_GRADIENTS = Learning(
    device=lambda plan: plan.train.device,
    length=length,
    batches=shuffled,
    make_ready=with_compiled_parts,
    compute=compute_gradients,
    update=update_weights,
    trained=lambda _state, running, _score: running,
    metrics=declared,
    facts=facts,
    checks=advice.OF_NETWORKS,
    watched=watched,
    forecast=lambda _state, _emit, _requests: lambda _progress: None,
    certainty=PROBABILITY,
    cost=cost.cost,
    training_seconds=training_seconds,
    evaluation_seconds=evaluation_seconds,
    step_bytes=lambda state: needed(state, settings_of(state.plan, state.micro_batch)),
    suggestions=suggestions.suggestions,
    plain_suggestions=suggestions.plain_suggestions,
)
