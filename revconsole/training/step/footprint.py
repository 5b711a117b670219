"""Footprint: the memory of one training, without anything else in its process.

On CUDA the allocator counts tensors. On the CPU only the whole process is visible, with libraries, images, remains of
earlier runs and a console. The training's share is the resident memory minus the resident memory before the first
step, plus the weights, which were part of that.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch
from torch import Tensor
from torch.optim import Optimizer

from revconsole.records.sections.optimizer import Sgd
from revconsole.training.machine.resident import most_resident, reset_peak
from revconsole.training.setup.training_state import TrainingState

PEAK = "training_peak_bytes"
DEVICE_PEAK = "device_peak_allocated_bytes"


class Footprint:
    """Bytes in use by a training, and their peak since `begin`."""

    def __init__(self, state: TrainingState) -> None:
        self._state, self._process = state, psutil.Process()
        self._most: dict[str, float] = {}
        self.begin()

    def begin(self) -> None:
        """Take the present memory, except weights and optimiser state, as the baseline that is subtracted."""
        gc.collect()
        self._forget()
        self._rest = self._resident() - held(self._state)
        self._most.pop(PEAK, None)

    def now(self) -> dict[str, float]:
        """The memory metrics at this moment; peaks never decrease."""
        resident, most, device = self._resident(), most_resident(), self._state.device
        peak = max(resident, most if most > self._stale else 0)
        values = {
            "resident_bytes": float(resident),
            "resident_peak_bytes": self._peak("resident_peak_bytes", peak),
            PEAK: self._peak(PEAK, peak - self._rest),
        }
        if device.type == "cuda":
            values["device_allocated_bytes"] = float(torch.cuda.memory_allocated(device))
            values["device_reserved_bytes"] = float(torch.cuda.memory_reserved(device))
            values[DEVICE_PEAK] = self._peak(DEVICE_PEAK, torch.cuda.max_memory_allocated(device))
        return values

    def agree(self) -> None:
        """Let the peaks be those of the rank that has most; every rank calls this after the same step."""
        self.now()
        self._most = self._state.together.most(self._most)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """A context whose memory does not count, for probes, which hold more than a step."""
        self.now()
        try:
            yield
        finally:
            self._forget()

    def _forget(self) -> None:
        """Reset the peaks; where the system cannot, remember that the old peak is stale."""
        reset_peak()
        self._stale = most_resident()
        if self._state.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._state.device)

    def _resident(self) -> int:
        return int(self._process.memory_info().rss)

    def _peak(self, name: str, value: int) -> float:
        self._most[name] = max(float(value), self._most.get(name, 0.0))
        return self._most[name]


def still_to_come(state: TrainingState) -> int:
    """Bytes of gradients and optimiser state that do not exist yet; both appear in the first step."""
    gradients = sum(p.nbytes for p in trained(state) if p.grad is None)
    return gradients + (0 if state_bytes(state.optimizer) else state_needed(state))


def trained(state: TrainingState) -> list[Tensor]:
    """The parameters that the optimiser updates."""
    return [p for group in state.optimizer.param_groups for p in group["params"]]


def state_bytes(optimizer: Optimizer) -> int:
    """Bytes of an optimiser's state at present; 0 before its first step."""
    values = (v for of_weight in optimizer.state.values() for v in of_weight.values())
    return sum(value.nbytes for value in values if isinstance(value, Tensor))


def state_needed(state: TrainingState) -> int:
    """Estimated bytes of the optimiser's state after the first step: a fixed number of values per weight."""
    settings = state.plan.optimizer
    values_per_weight = (1 if settings.momentum else 0) if isinstance(settings, Sgd) else 2
    return values_per_weight * sum(p.nbytes for p in trained(state))


def held(state: TrainingState) -> int:
    """Bytes of weights, buffers, optimiser state and the weights' moving average."""
    average = [] if state.average is None else [*state.average.parameters()]
    tensors = [*state.model.parameters(), *state.model.buffers(), *average]
    return sum(t.untyped_storage().nbytes() for t in tensors) + state_bytes(state.optimizer)
