"""Allocations: the memory of one real step of a run, by part, at the moment when it is highest.

The account is that of torch's CPU allocator, which its profiler keeps: every block that is taken or given back in the
second step of a run, in which the optimiser has its state. The step computes what it would compute anyway. What a
block is for follows from when it lives, as in `foresee.live_bytes`:

    gradients   a weight's at the end of the step     kept   made in a forward and there when its backward begins
    side bits   kept, of the size of one              temporaries   everything else, also what kernels take

What stood before the step counts whole: weights, optimiser state, the batch. On a GPU torch counts allocated bytes by
itself, and nothing is measured here.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor

from revconsole.records.logs.events import Apportioned, Event, Measured
from revconsole.training.foresee.foresee import standing_tensors
from revconsole.training.foresee.recorder import is_packed
from revconsole.training.machine.allocated import memory_profile, profiler_usable
from revconsole.training.probes.metrics import (
    KEPT,
    SIDE_BYTES,
    STEP_PEAK,
    keeps_side_bits,
    kept_of_step,
)
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.footprint import Footprint, trained

Result = TypeVar("Result")
WATCHED = 2
"""The step that is measured."""
BACKWARD = "autograd::engine::evaluate_function"
"""Begin of the names under which the profiler has what autograd's engine runs."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of memory. at: its address. born, end: times in nanoseconds; end is None for one that lives on."""

    at: int
    size: int
    born: int
    end: int | None = None


class StepAllocations:
    """Measures the second step of a run that begins, on the CPU."""

    def __init__(
        self, state: TrainingState, emit: Callable[[Event], None], footprint: Footprint
    ) -> None:
        self._state, self._emit, self._footprint = state, emit, footprint
        self._side_bits: Counter[int] = Counter()
        self._counted = False
        """Whether something is kept for a backward; a model that is fitted has none."""
        self._standing: dict[str, float] = {}
        self._most: dict[str, float] = {}

    def kept(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        """What the first forward keeps for its backward, and side bits among it, as metrics."""
        storages = kept_of_step(self._state, images, labels)
        bits = keeps_side_bits(self._state)
        sides = [size for size, dtype in storages if bits and is_packed(dtype, size)]
        self._side_bits, self._counted = Counter(sides), True
        return {
            KEPT: float(sum(size for size, _ in storages)),
            SIDE_BYTES.name: float(sum(sides)),
        }

    def computing(
        self, work: Callable[[], Result], number: int, batch: Sequence[Tensor]
    ) -> Callable[[], Result]:
        """The work that makes the gradients of step `number` of a batch, measured if it is that step's turn."""
        return partial(self._measured, work, batch) if self._due(number) else work

    def _measured(self, work: Callable[[], Result], batch: Sequence[Tensor]) -> Result:
        state = self._state
        state.optimizer.zero_grad(set_to_none=True)  # as the step does first: they do not stand
        self._standing = _by_part(
            (part, tensor.untyped_storage().nbytes())
            for part, tensor in standing_tensors(state, batch)
        )
        with self._footprint.aside(), profiled() as events:
            result = work()
        if not events:
            self._standing = {}
            return result
        parts = parts_of(
            blocks := blocks_of_events(events),
            backward_turns(events),
            set(self._gradients()),
            self._side_bits,
        )
        self._most = highest(self._standing, zip(blocks, parts, strict=True))
        return result

    def _gradients(self) -> dict[int, int]:
        """Address and bytes of every gradient."""
        storages = (w.grad.untyped_storage() for w in trained(self._state) if w.grad is not None)
        return {storage.data_ptr(): storage.nbytes() for storage in storages}

    def update(self, work: Callable[[], object], number: int, epoch: int) -> None:
        """Do the work of the update of step `number`; after that of the measured one report the measurement."""
        if number == WATCHED:
            self._footprint.agree()
        if not self._due(number) or not self._standing:
            work()
            return
        standing = self._standing | {"gradients": float(sum(self._gradients().values()))}
        with self._footprint.aside(), profiled() as events:
            work()
        blocks = blocks_of_events(events)
        most = highest(standing, ((block, "temporaries") for block in blocks))
        most = max(self._most, most, key=lambda parts: sum(parts.values()))
        self._standing = {}
        self._emit(Apportioned(of="measured", backward=self._state.plan.backward, parts=most))
        values = {STEP_PEAK.name: sum(most.values())}
        self._emit(Measured(step=number, epoch=epoch, values=values))

    def _due(self, number: int) -> bool:
        watched = number == WATCHED and self._counted and self._state.together.first
        return watched and self._state.device.type == "cpu"


@contextmanager
def profiled() -> Iterator[list[Any]]:
    """A context whose profiled events are in the list once it is left; none if the profiler cannot be used here."""
    found: list[Any] = []
    if not profiler_usable():
        yield found
        return
    with memory_profile() as profile:
        yield found
    results = profile.kineto_results
    found += _flat(results.experimental_event_tree()) if results else []


def _flat(events: Sequence[Any]) -> list[Any]:
    """Every event of a tree, in the order of time."""
    found, stack = [], list(events)
    while stack:
        event = stack.pop()
        found.append(event)
        stack += event.children
    return sorted(found, key=lambda event: event.start_time_ns)


def blocks_of_events(events: Iterable[Any]) -> list[Block]:
    """The blocks that were taken, in the order of time."""
    living: dict[int, int] = {}
    blocks: list[Block] = []
    for event in events:
        if event.tag != torch._C._profiler._EventType.Allocation:  # noqa: SLF001  the profiler's own memory view does so
            continue
        at, size, time = event.typed[1].ptr, event.typed[1].alloc_size, event.start_time_ns
        if size > 0:
            living[at] = len(blocks)
            blocks.append(Block(at, size, time))
        elif (place := living.pop(at, None)) is not None:
            block = blocks[place]
            blocks[place] = Block(block.at, block.size, block.born, time)
    return blocks


def backward_turns(events: Iterable[Any]) -> list[int]:
    """The times at which autograd's engine begins a backward: of what it runs itself, the first after anything else."""
    turns, before = [], False
    for event in events:
        if event.parent is not None or event.tag == torch._C._profiler._EventType.Allocation:  # noqa: SLF001  as above
            continue
        now = event.name.startswith(BACKWARD)
        if now and not before:
            turns.append(event.start_time_ns)
        before = now
    return turns


def parts_of(
    blocks: Sequence[Block], turns: Sequence[int], gradients: set[int], side_bits: Mapping[int, int]
) -> list[str]:
    """The part that each block belongs to. gradients: addresses at the end. side_bits: their sizes in a micro-batch."""
    found, left = [], Counter(side_bits)
    turn = 0
    for block in blocks:
        while turn < len(turns) and turns[turn] <= block.born:
            turn, left = turn + 1, Counter(side_bits)
        next_turn = turns[turn] if turn < len(turns) else None
        if block.end is None and block.at in gradients:
            found.append("gradients")
        elif next_turn is not None and (block.end is None or block.end >= next_turn):
            side = left[block.size] > 0
            left[block.size] -= side
            found.append("side_bits" if side else "kept")
        else:
            found.append("temporaries")
    return found


def highest(standing: Mapping[str, float], blocks: Iterable[tuple[Block, str]]) -> dict[str, float]:
    """The bytes by part when they are most in all. standing: what is there all the time."""
    changes: list[tuple[int, int, str]] = []
    for block, part in blocks:
        changes.append((block.born, block.size, part))
        if block.end is not None:
            changes.append((block.end, -block.size, part))
    now, most = dict(standing), dict(standing)
    total = best = sum(standing.values())
    for _, change, part in sorted(changes):
        now[part] = now.get(part, 0.0) + change
        total += change
        if total > best:
            most, best = dict(now), total
    return most


def _by_part(sizes: Iterable[tuple[str, int]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for part, size in sizes:
        found[part] = found.get(part, 0.0) + size
    return found
