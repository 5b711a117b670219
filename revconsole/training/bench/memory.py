"""Memory: the needs of a step, measured separately from its times, which such measurements would disturb.

On CUDA the allocator knows its own peak. On the CPU the system knows the peak resident memory of a process;
`processes` provides fresh ones.
"""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import psutil
import torch
from torch.optim import Optimizer

from revconsole.errors import RevconsoleError
from revconsole.records.findings.benchmark import Configuration
from revconsole.records.foresight.foresight import Kind, StepMemory
from revconsole.reversible import kept_for_backward, sequences
from revconsole.training.bench.subject import BenchedModel, images_of, realise
from revconsole.training.foresee.foresee import foresee, mixture
from revconsole.training.machine.resident import give_memory_back_at_once, most_resident, reset_peak
from revconsole.training.machine.shortage import Shortage, catching_oom, empty_caches
from revconsole.training.setup import optimizers
from revconsole.training.step.footprint import state_bytes

HOW = {
    "cuda": "most memory allocated on the device during a training step, above parameters and optimiser state",
    "cpu": "most memory resident during a training step, above what was before it, in a process of its own whose "
    "allocator gives freed memory back at once",
    "mps": "not measured on this device",
}
WARM_BATCH = 2
"""Images of the warm-up step, which loads kernels, starts threads and creates the optimiser's state."""
TRIES = 4
"""Number of times that a batch that does not fit is reduced."""
NOISE = 2 * 2**20
"""Bytes of resident peak below which a measurement is only fluctuation of the allocator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Bytes needed at any batch, and the peaks above them at some batches; see `BenchmarkRow`."""

    fixed_bytes: int
    peaks: tuple[tuple[int, int], ...] = ()


def kept_bytes(subject: BenchedModel, device: torch.device) -> int:
    """Bytes that the forward of one batch keeps for its backward, without parameters, buffers and images."""
    images, labels = images_of(subject.configuration, subject.configuration.batch, device)
    excluded = (*subject.model.parameters(), *subject.model.buffers(), images, labels)
    return kept_for_backward(lambda: subject.loss(images, labels), exclude=excluded)


def needs(configuration: Configuration, device: torch.device, batches: Sequence[int]) -> Needs:
    """Build, warm up, and train one step at each batch, in order of size.

    On the CPU the process must be fresh; see `processes`. Raises MemoryError, torch.OutOfMemoryError or RuntimeError
    (as torch does on the CPU) if memory runs out.
    """
    watch = _allocated if device.type == "cuda" else _resident
    if device.type == "cpu":
        give_memory_back_at_once()
    subject = realise(configuration, device)
    optimizer = optimizers.build(configuration.plan.optimizer, subject.model)
    _train_step(subject, optimizer, WARM_BATCH, device)
    peaks = []
    for batch in sorted(batches):
        peak_since = watch(device)
        _train_step(subject, optimizer, batch, device)
        peak = peak_since()
        if peak is not None:
            peaks.append((batch, peak))
    weights = (*subject.model.parameters(), *subject.model.buffers())
    fixed = sum(weight.nbytes for weight in weights) + state_bytes(optimizer)
    return Needs(fixed_bytes=fixed, peaks=tuple(peaks))


def foreseen(configuration: Configuration, device: torch.device) -> StepMemory | None:
    """The memory of a training step as `plan` foresees it; None if it cannot be foreseen."""
    kind: Kind = "cuda" if device.type == "cuda" else "cpu"
    plain = configuration.plan.train.model_copy(update={"average": None, "clip": None})
    plan = configuration.plan.model_copy(update={"train": plain})
    try:
        if configuration.stored_blocks is None:
            return foresee(plan, kind, backwards=[plan.backward]).steps[plan.backward]
        model = realise(configuration, torch.device("meta")).model
        return mixture(plan, kind, [stack.backwards for stack in sequences(model)])
    except RevconsoleError:
        return None


def verified_batch(
    configuration: Configuration,
    device: torch.device,
    needed: Needs,
    memory_bytes: int,
    batch: int | None,
) -> int | None:
    """The largest batch that fits according to a training step: the foreseen one, or a smaller one.

    batch: the foreseen one. None on devices other than CUDA, and if no attempt fitted.
    """
    available = memory_bytes - needed.fixed_bytes
    if device.type != "cuda" or batch is None:
        return None
    for _ in range(TRIES):
        if batch < 1:
            return 0
        outcome = catching_oom(partial(needs, configuration, device, (batch,)), device)
        if isinstance(outcome, Shortage):  # holds no frame, so the tensors can be freed
            empty_caches()
            batch = batch * 3 // 4
            continue
        ((_, peak),) = outcome.peaks
        if peak <= available:
            return batch
        batch = min(batch - 1, batch * available // peak)
    return None


def _train_step(
    subject: BenchedModel, optimizer: Optimizer, batch: int, device: torch.device
) -> None:
    images, labels = images_of(subject.configuration, batch, device)
    torch.autograd.backward(subject.loss(images, labels))
    optimizer.step()
    subject.forget()


def _allocated(device: torch.device) -> Callable[[], int | None]:
    """Reset CUDA's peak; returns a function that gives the peak since then."""
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)

    def peak() -> int:
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before

    return peak


def _resident(_: torch.device) -> Callable[[], int | None]:
    """Reset the process's peak; returns a function that gives the peak since then, None if it is not visible."""
    gc.collect()
    reset_peak()
    earlier, before = most_resident(), psutil.Process().memory_info().rss

    def peak() -> int | None:
        most = most_resident()
        visible = most > earlier and most - before > NOISE
        return most - before if visible else None

    return peak
