"""Throughput: images per second of a plan's data alone, its model alone, and both together."""

import statistics
import time
from collections.abc import Callable, Generator
from contextlib import closing
from itertools import chain, count
from pathlib import Path

import torch
from torch import Tensor

from revconsole.data import OpenedSplit, batches, open_data
from revconsole.records.findings.samples import Pace, Throughput
from revconsole.records.settings.plan import Plan
from revconsole.training.learning.preparing import prepare
from revconsole.training.machine import devices, precision
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.stepping import compute_gradients, update_weights

Endless = Generator[tuple[Tensor, Tensor], None, None]
"""An endless iterator of (images, labels)."""

WARM_BATCHES = 2
"""Unmeasured batches, during which libraries load and prefetching starts."""
LEAST_BATCHES = 5
IN_A_ROW = 3
"""Batches of one kind per turn; taking turns exposes all kinds to the same load of the machine."""


def throughput(plan: Plan, *, data: Path, seconds: float) -> Throughput:
    """Prepare training batches for `seconds`, at least five of them.

    data: folder of the datasets. Raises as `open_data` does.
    """
    device = devices.choose(plan.train.device)
    opened = open_data(plan.data, folder=data, device=device)
    took: list[float] = []
    with devices.threads(plan.train.threads), precision.products(plan.train.precision):
        endless = _endless(opened.train, plan, prefetch=0)
        for _ in range(WARM_BATCHES):
            next(endless)
        while len(took) < LEAST_BATCHES or sum(took) < seconds:
            took.append(_timed(lambda: next(endless), device))
        threads = torch.get_num_threads()
    return Throughput(
        device=str(device),
        threads=threads,
        images=min(plan.train.batch, len(opened.train)),
        batches=len(took),
        median_seconds=statistics.median(took),
        least_seconds=min(took),
        most_seconds=max(took),
    )


def training_pace(plan: Plan, *, data: Path, seconds: float) -> Pace:
    """Time the data alone, the model's step alone and both together, in turns, `seconds` each on average.

    The data alone is prepared on demand; together with the model it is prepared as in the plan, ahead or not. Raises
    as `prepare` does.
    """
    with devices.threads(plan.train.threads), precision.products(plan.train.precision):
        state = prepare(plan, data=data)
        split, ahead = state.data.train, plan.data.prefetch
        alone, beside = _endless(split, plan, prefetch=0), _endless(split, plan, prefetch=ahead)
        same = next(alone)
        kinds: tuple[Callable[[], object], ...] = (
            lambda: next(alone),
            lambda: _step(state, *same),
            lambda: _step(state, *next(beside)),
        )
        with closing(alone), closing(beside):
            took = _in_turn(kinds, state.device, seconds)
        threads = torch.get_num_threads()
    of_data, of_model, of_both = map(statistics.median, took)
    return Pace(
        device=str(state.device),
        threads=threads,
        images=len(same[0]),
        rounds=len(took[0]) // IN_A_ROW,
        ahead=ahead != 0,
        data_seconds=of_data,
        model_seconds=of_model,
        both_seconds=of_both,
    )


def _in_turn(
    kinds: tuple[Callable[[], object], ...], device: torch.device, seconds: float
) -> list[list[float]]:
    """Seconds of each repetition of each kind, in alternating order; the first repetition of each turn is unmeasured."""
    took: list[list[float]] = [[] for _ in kinds]
    for kind in kinds:
        for _ in range(WARM_BATCHES):
            kind()
    turn = 0
    while len(took[0]) < LEAST_BATCHES or sum(map(sum, took)) < len(kinds) * seconds:
        order = list(zip(kinds, took, strict=True))
        for kind, timings in order if turn % 2 else reversed(order):
            kind()
            timings += [_timed(kind, device) for _ in range(IN_A_ROW)]
        turn += 1
    return took


def _step(state: TrainingState, images: Tensor, labels: Tensor) -> None:
    """One training step, including the wait for its loss."""
    step = compute_gradients(state, 1, 1, images=images, labels=labels)
    update_weights(state, step)
    step.loss.item()


def _endless(split: OpenedSplit, plan: Plan, *, prefetch: int | None) -> Endless:
    """Full batches of the model's image size, epoch after epoch."""
    size = min(plan.train.batch, len(split))
    epochs = (
        batches(
            split,
            batch=size,
            seed=plan.seed,
            epoch=epoch,
            drop_last=True,
            size=plan.image_shape,
            prefetch=prefetch,
        )
        for epoch in count()
    )
    for _, images, labels in chain.from_iterable(epochs):
        yield images, labels


def _timed(work: Callable[[], object], device: torch.device) -> float:
    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began
