"""Footprint: the memory of one training, and not of whatever else its process holds.

On CUDA the allocator tells tensors apart. On the CPU only the process as a whole is known, which holds libraries, the
images, what runs before left behind, a console. So the training is what is resident above that: the resident memory
before the first step is taken off, and the weights, which were among it, are put back.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch
from torch import Tensor

from revconsole.records.sections.optimizer import Sgd
from revconsole.training.machine.resident import forget_peak, most_resident
from revconsole.training.setup.training_state import TrainingState

PEAK = "training_peak_bytes"
DEVICE_PEAK = "device_peak_allocated_bytes"


class Footprint:
    """Memory in use by the training of a setting, and the most since `begin`, in bytes."""

    def __init__(self, state: TrainingState) -> None:
        self._state, self._process = state, psutil.Process()
        self._most: dict[str, float] = {}
        self.begin()

    def begin(self) -> None:
        """What the process holds now is no part of the training, but for the weights and the optimiser's state."""
        gc.collect()
        self._forget()
        self._rest = self._resident() - held(self._state)
        self._most.pop(PEAK, None)

    def now(self) -> dict[str, float]:
        """As metrics; the peaks only ever grow."""
        resident, most, device = self._resident(), most_resident(), self._state.device
        peak = max(resident, most if most > self._stale else 0)
        found = {
            "resident_bytes": float(resident),
            "resident_peak_bytes": self._peak("resident_peak_bytes", peak),
            PEAK: self._peak(PEAK, peak - self._rest),
        }
        if device.type == "cuda":
            found["device_allocated_bytes"] = float(torch.cuda.memory_allocated(device))
            found["device_reserved_bytes"] = float(torch.cuda.memory_reserved(device))
            found[DEVICE_PEAK] = self._peak(DEVICE_PEAK, torch.cuda.max_memory_allocated(device))
        return found

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What happens inside is no part of the training: a probe holds what a step never does."""
        self.now()
        try:
            yield
        finally:
            self._forget()

    def _forget(self) -> None:
        """Let the peaks begin anew; where the system has no such thing, the old one is known for stale."""
        forget_peak()
        self._stale = most_resident()
        if self._state.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._state.device)

    def _resident(self) -> int:
        return int(self._process.memory_info().rss)

    def _peak(self, name: str, value: int) -> float:
        self._most[name] = max(float(value), self._most.get(name, 0.0))
        return self._most[name]


def still_to_come(state: TrainingState) -> int:
    """Bytes of the gradients and of the optimiser's state that are not there yet; both are before the first step."""
    gradients = sum(p.nbytes for p in trained(state) if p.grad is None)
    return gradients + (0 if state_present(state) else state_needed(state))


def trained(state: TrainingState) -> list[Tensor]:
    """The parameters that the optimiser moves."""
    return [p for group in state.optimizer.param_groups for p in group["params"]]


def state_present(state: TrainingState) -> int:
    """Bytes of the optimiser's state as it is; 0 before the first step."""
    values = (v for of_weight in state.optimizer.state.values() for v in of_weight.values())
    return sum(value.nbytes for value in values if isinstance(value, Tensor))


def state_needed(state: TrainingState) -> int:
    """Bytes of the optimiser's state from the first step on: so many numbers for each weight."""
    how = state.plan.optimizer
    each = (1 if how.momentum else 0) if isinstance(how, Sgd) else 2
    return each * sum(p.nbytes for p in trained(state))


def held(state: TrainingState) -> int:
    """Bytes of weights, buffers and optimiser state, and of their moving average."""
    average = [] if state.average is None else [*state.average.parameters()]
    tensors = [*state.model.parameters(), *state.model.buffers(), *average]
    return sum(tensor.nbytes for tensor in tensors) + state_present(state)
