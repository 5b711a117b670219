"""Memory: what a step needs. Measured apart from the times, which measuring memory would disturb.

On CUDA the allocator knows its own peak. On the CPU the system knows the most memory that a process has had
resident; see `processes` for whose.
"""

import ctypes
import gc
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import psutil
import torch
from torch import nn
from torch.optim import Optimizer

from revconsole.records.findings.benchmark import Configuration, predicted_batch
from revconsole.reversible import kept_for_backward
from revconsole.training.bench.subject import BenchedModel, images_of, realise
from revconsole.training.machine.resident import forget_peak, most_resident
from revconsole.training.machine.shortage import Shortage, catching_oom, empty_caches
from revconsole.training.setup import optimizers

HOW = {
    "cuda": "most memory allocated on the device during a training step, above parameters and optimiser state",
    "cpu": "most memory resident during a training step, above what was before it, in a process of its own whose "
    "allocator gives freed memory back at once",
    "mps": "not measured on this device",
}
WARM_BATCH = 2
"""Images of the step before the measured one: it loads kernels, starts threads, gives the optimiser its state."""
TRIES = 4
"""How often a batch that does not fit is made smaller."""
NOISE = 2 * 2**20
"""Bytes. A resident peak below this is the allocator's coming and going, and tells nothing."""
M_MMAP_THRESHOLD, GIVEN_BACK = -3, 2**16
"""From glibc's malloc.h: its word for the size from which memory is given back when it is freed; and our size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Bytes that are there at any batch, and the peak above them at some batches; see `Row`."""

    fixed_bytes: int
    peaks: tuple[tuple[int, int], ...] = ()


def kept_bytes(subject: BenchedModel, device: torch.device) -> int:
    """What the forward of one batch keeps for its backward; parameters, buffers and images are not counted."""
    images, labels = images_of(subject.configuration, subject.configuration.batch, device)
    known = (*subject.model.parameters(), *subject.model.buffers(), images, labels)
    return kept_for_backward(lambda: subject.loss(images, labels), exclude=known)


def needs(configuration: Configuration, device: torch.device, batches: Sequence[int]) -> Needs:
    """Build, warm up, and train one step at each batch, in order of size.

    On the CPU this is for a process that has done nothing else; see `processes`.
    Raises MemoryError, torch.OutOfMemoryError or RuntimeError (as torch does on the CPU) if there is no room.
    """
    watch = _allocated if device.type == "cuda" else _resident
    if device.type == "cpu":
        _give_memory_back_at_once()
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
    return Needs(fixed_bytes=_fixed(subject.model, optimizer), peaks=tuple(peaks))


def verified_batch(
    configuration: Configuration, device: torch.device, needed: Needs, memory_bytes: int
) -> int | None:
    """The largest batch found to fit by training one step with it: the predicted one, or somewhat smaller.

    None off CUDA, and where nothing tried has fitted.
    """
    room = memory_bytes - needed.fixed_bytes
    batch = predicted_batch(needed.peaks, room)
    if device.type != "cuda" or batch is None:
        return None
    for _ in range(TRIES):
        if batch < 1:
            return 0
        found = catching_oom(partial(needs, configuration, device, (batch,)), device)
        if isinstance(found, Shortage):  # of which no frame holds a tensor any more
            empty_caches()
            batch = batch * 3 // 4
            continue
        ((_, peak),) = found.peaks
        if peak <= room:
            return batch
        batch = min(batch - 1, batch * room // peak)
    return None


def _train_step(
    subject: BenchedModel, optimizer: Optimizer, batch: int, device: torch.device
) -> None:
    images, labels = images_of(subject.configuration, batch, device)
    torch.autograd.backward(subject.loss(images, labels))
    optimizer.step()
    subject.forget()


def _fixed(model: nn.Module, optimizer: Optimizer) -> int:
    state = [
        value
        for values in optimizer.state.values()
        for value in values.values()
        if isinstance(value, torch.Tensor)
    ]
    return sum(t.nbytes for t in (*model.parameters(), *model.buffers(), *state))


def _allocated(device: torch.device) -> Callable[[], int | None]:
    """Start to watch CUDA's allocator; the function says its peak since then."""
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)

    def peak() -> int:
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before

    return peak


def _resident(_: torch.device) -> Callable[[], int | None]:
    """Start to watch this process; the function says its peak since then, None where that cannot be seen."""
    gc.collect()
    forget_peak()
    earlier, before = most_resident(), psutil.Process().memory_info().rss

    def peak() -> int | None:
        most = most_resident()
        seen = most > earlier and most - before > NOISE
        return most - before if seen else None

    return peak


def _give_memory_back_at_once() -> None:
    """Let glibc hold nothing back that was freed, where it would blocks of up to 32 MiB; elsewhere nothing."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, GIVEN_BACK)
