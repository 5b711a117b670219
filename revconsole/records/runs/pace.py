"""Pace: how long a run would take, from what is known before it begins.

In this order: a finished run that differs only in seed and length; a few steps that were measured once on this device
(see `records.foresight.measured`); the steps of the finished runs most like it, by their multiply-adds. Runs on
another device, or on a device of another name, tell nothing.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from revconsole.errors import DataUnavailable
from revconsole.records.foresight import measured
from revconsole.records.runs.run import Summary
from revconsole.records.settings.given_plan import GivenPlan
from revconsole.records.settings.plan import Plan

TimeSource = Literal["run", "steps", "multiply-adds"]
"""What a time is known from: a run like it, its own steps, or the multiply-adds of other runs."""
FORWARD_AND_BACKWARD, WITH_RECOMPUTATION = 3, 4
"""Forward passes that a training step costs: a backward counts as two, and recomputed blocks once more."""
NEAREST = 3
"""Finished runs, the most alike ones, whose steps tell the time of another."""
LONGER, SHORTER = 0.9, 0.5
"""Power of the ratio of their multiply-adds by which a step is longer than another with fewer, or shorter than one with more:
a step has costs of its own. Chosen on 24 small runs of ten families on a CPU, each foreseen from the others: within 1.2 times
at the median, 2 times for 22 of them, 2.6 times at worst.
"""
FARTHEST = 10.0
"""Ratio of the multiply-adds of two steps beyond which one tells nothing of the other: the power was never tried further."""
OTHER_ARCHITECTURE, OTHER_PRECISION = math.log(8), math.log(8)
"""How unlike two runs of different architecture or precision are: as if the steps of one had eight times the operations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForetoldTime:
    """Seconds of an epoch with its evaluation, and of the whole run, before it begins. of: ids of the runs that tell it."""

    epoch_seconds: float
    seconds: float
    source: TimeSource
    of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedDevice:
    """Where a run trains. device: as `cpu` or `cuda:0`, or its kind. name: what the device calls itself; empty: unknown."""

    device: str
    name: str = ""

    def ran(self, run: Summary) -> bool:
        """Whether a finished run trained on such a device."""
        named = not (self.name and run.device_name) or self.name == run.device_name
        kind = self.device.partition(":")[0]
        return run.state == "finished" and named and run.device.partition(":")[0] == kind


def pace_key(plan: Plan) -> str:
    """A key shared by runs that differ only in seed and length, and so take equally long per epoch."""
    if isinstance(plan, GivenPlan):  # nothing of ours takes as long
        return plan.digest()
    one_epoch = plan.train.model_copy(update={"epochs": 1, "steps": None})
    alike = plan.model_copy(update={"seed": 0, "train": one_epoch})
    return " ".join([alike.digest(), *map(str, plan.where)])


def foretold(
    plan: Plan, runs: Sequence[Summary], machine: TimedDevice, multiply_adds: int | None
) -> ForetoldTime | None:
    """How long a run would take; None if unknown. runs: of the store, newest first. multiply_adds: of an image, forward."""
    return (
        like_earlier(plan, runs, machine)
        or by_steps(plan, machine)
        or by_multiply_adds(plan, runs, machine, multiply_adds)
    )


def like_earlier(plan: Plan, runs: Iterable[Summary], machine: TimedDevice) -> ForetoldTime | None:
    """As long as the newest finished run that differs only in seed and length."""
    key = ""
    for run in runs:
        if not machine.ran(run) or not run.seconds_per_epoch or not _alike(plan, run.plan):
            continue
        key = key or pace_key(plan)
        if pace_key(run.plan) == key:
            total = run.seconds_per_epoch * plan.epochs + run.seconds_at_end
            return ForetoldTime(
                epoch_seconds=run.seconds_per_epoch, seconds=total, source="run", of=(run.id,)
            )
    return None


def by_steps(plan: Plan, machine: TimedDevice) -> ForetoldTime | None:
    """From the steps of such a plan that were measured on this device before."""
    known = measured.known(pace_key(plan), machine.name)
    if known is None:
        return None
    return ForetoldTime(
        epoch_seconds=known.epoch_seconds, seconds=known.seconds(plan.epochs), source="steps"
    )


def by_multiply_adds(
    plan: Plan, runs: Iterable[Summary], device: TimedDevice, multiply_adds: int | None
) -> ForetoldTime | None:
    """From the steps of the finished runs most like it; None if nothing was counted, or all are beyond `FARTHEST`."""
    wanted = operations(plan, multiply_adds)
    if not wanted:
        return None
    others = sorted(
        (
            (_distance(plan, wanted, run.plan, done), _scaled(plan, wanted, run, done), run)
            for run, done in _counted(runs, device)
            if _apart(plan, wanted, run, done) <= FARTHEST
        ),
        key=lambda each: each[0],
    )[:NEAREST]
    if not others:
        return None
    epoch = median(seconds for _, seconds, _ in others)
    at_end = median(run.seconds_at_end for *_, run in others)
    return ForetoldTime(
        epoch_seconds=epoch,
        seconds=epoch * plan.epochs + at_end,
        source="multiply-adds",
        of=tuple(run.id for *_, run in others),
    )


def too_far(
    plan: Plan, runs: Iterable[Summary], device: TimedDevice, multiply_adds: int | None
) -> float | None:
    """How many times the multiply-adds of a step, or the inverse, the nearest run has; None if it is near enough to tell."""
    wanted = operations(plan, multiply_adds)
    factors = [_apart(plan, wanted, run, done) for run, done in _counted(runs, device) if wanted]
    nearest = min(factors, default=1.0)
    return nearest if nearest > FARTHEST else None


def _counted(runs: Iterable[Summary], device: TimedDevice) -> Iterator[tuple[Summary, int]]:
    """The timed runs of a device, each with the multiply-adds of its epoch."""
    for run in runs:
        if device.ran(run) and run.seconds_per_epoch and (done := _operations_of(run)):
            yield run, done


def operations(plan: Plan, multiply_adds: int | None) -> int | None:
    """Multiply-adds of an epoch with its validation; None if unknown. multiply_adds: of the forward pass of an image."""
    images = plan.trained_images
    if not images or not multiply_adds:
        return None
    held_out = plan.data.validation
    validated = round(images * held_out / (1.0 - held_out))
    return multiply_adds * (images * passes(plan) + validated)


def _operations_of(run: Summary) -> int | None:
    """Those of a run; None also if the folder of its images is gone."""
    try:
        return operations(run.plan, run.multiply_adds_per_image)
    except DataUnavailable:
        return None


def passes(plan: Plan) -> int:
    """The number of forward passes of a batch that its training step costs."""
    return FORWARD_AND_BACKWARD if plan.backward == "stored" else WITH_RECOMPUTATION


def _alike(plan: Plan, other: Plan) -> bool:
    """Whether two plans may have one pace key; cheap, because the digests of ten thousand plans take seconds."""
    return (
        plan.model == other.model
        and plan.scheme == other.scheme
        and plan.backward == other.backward
        and plan.data == other.data
    )


def _distance(plan: Plan, wanted: int, other: Plan, done: int) -> float:
    """How unlike two runs are: by the operations of a step, the architecture and the precision."""
    size = _step(plan, wanted) / _step(other, done)
    return (
        abs(math.log(size))
        + OTHER_ARCHITECTURE * (plan.model.architecture != other.model.architecture)
        + OTHER_PRECISION * (plan.train.precision != other.train.precision)
    )


def _apart(plan: Plan, wanted: int, run: Summary, done: int) -> float:
    """The ratio of the multiply-adds of two steps, the larger over the smaller."""
    ratio = _step(plan, wanted) / _step(run.plan, done)
    return max(ratio, 1.0 / ratio)


def _scaled(plan: Plan, wanted: int, run: Summary, done: int) -> float:
    """Seconds of an epoch, from those of another run: its steps, longer or shorter by the multiply-adds of a step."""
    ratio = _step(plan, wanted) / _step(run.plan, done)
    power = LONGER if ratio > 1.0 else SHORTER
    each = (run.seconds_per_epoch or 0.0) / _steps(run.plan)
    return _steps(plan) * each * math.pow(ratio, power)


def _step(plan: Plan, operations_of_epoch: int) -> float:
    """Multiply-adds of a step, with its share of the validation."""
    return operations_of_epoch / _steps(plan)


def _steps(plan: Plan) -> int:
    """Steps of an epoch, at least one."""
    return max(1, plan.steps_per_epoch)
