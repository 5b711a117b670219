"""Throughput: how many images a second the data of a plan makes alone, without a model."""

import statistics
import time
from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path

import torch
from torch import Tensor

from revconsole.data import Split, batches, open_data, resized
from revconsole.records.plan import Plan
from revconsole.records.samples import Throughput
from revconsole.training import devices

WARM_BATCHES = 2
"""Not measured: libraries are loaded and memory is found in them."""
LEAST_BATCHES = 5


def throughput(plan: Plan, *, data: Path, seconds: float) -> Throughput:
    """Prepare training batches for that long, and at least five of them.

    data: the folder that datasets live in. Raises what `open_data` raises.
    """
    device = devices.choose(plan.train.device)
    opened = open_data(plan.data, folder=data, device=device)
    took: list[float] = []
    with devices.threads(plan.train.threads):
        endless = _batches(opened.train, plan)
        for _ in range(WARM_BATCHES):
            next(endless)
        while len(took) < LEAST_BATCHES or sum(took) < seconds:
            took.append(_timed(endless, device))
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


def _batches(split: Split, plan: Plan) -> Iterator[Tensor]:
    """Full batches without end, epoch after epoch, at the size that the model sees."""
    size = min(plan.train.batch, len(split))
    epochs = (
        batches(split, batch=size, seed=plan.seed, epoch=epoch, drop_last=True) for epoch in count()
    )
    for _, images, _ in chain.from_iterable(epochs):
        yield resized(images, plan.image_size)


def _timed(endless: Iterator[Tensor], device: torch.device) -> float:
    began = time.perf_counter()
    next(endless)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began
