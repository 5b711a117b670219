"""Reconstruction: how far the reversible backward of the running model is from the truth.

A network also learns, less well, from gradients that are partly noise, so a falling loss proves nothing. Before the
first step and after every `train.probe_epochs` epochs, a few images therefore pass through the model twice with the
same draws, once as in training and once with all activations stored. Three values are reported:

    reconstruction error   max|x̂ − x| / max|x|, x a stream in the forward and x̂ as rebuilt in the backward,
                           the largest over all blocks
    gradient error         ‖g − g₀‖ / ‖g₀‖, g the whole gradient and g₀ the one with stored activations
    side bits              their mean; a value far from one half means they could be packed into fewer bits

The production code itself is measured: for one pass its scheme is replaced by one that shows a `ResidualTrace` the
input of each residual, in the forward and again in the backward.
"""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from revconsole.errors import RevconsoleError
from revconsole.records.logs.events import Advised, Event, Measured
from revconsole.records.logs.per_block import of_block
from revconsole.reversible import Coupling, ReversibleSequence, Scheme
from revconsole.reversible.replay import undisturbed
from revconsole.reversible.sequence import temporarily
from revconsole.training.checks import advice
from revconsole.training.machine.shortage import Shortage, catching_oom, release_memory
from revconsole.training.setup.draws import seed_generators
from revconsole.training.setup.rebuilt import rebuilt_stacks
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.footprint import Footprint
from revconsole.training.step.progress import Progress
from revconsole.training.step.stepping import loss_of

Place = tuple[int, int, int]
"""(stack, block of the stack, coupling of the block)."""
PROBE_IMAGES = 8
"""Images of a probe: few, so that their activations fit; the errors hardly depend on the number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconstruction:
    """The result of one probe.

    error:          largest relative error of a stream. block: whose input that is, counted from 0 over all stacks.
    gradient_error: relative; None if the gradient itself is not finite, as after an overflow of fp16.
    side_bit_mean:  None if no bits are kept. seconds: wall clock of the probe. by_block: the largest error of each block.
    gradient_by_block: the relative gradient error of each block that has one.
    """

    error: float
    block: int
    gradient_error: float | None
    side_bit_mean: float | None
    seconds: float
    by_block: Mapping[int, float] = field(default_factory=dict)
    gradient_by_block: Mapping[int, float] = field(default_factory=dict)

    def values(self) -> dict[str, float]:
        """The known values as metrics."""
        metric_values = {
            "reconstruction_error": self.error,
            "reconstruction_worst_block": float(self.block),
            "gradient_error": self.gradient_error,
            "side_bit_mean": self.side_bit_mean,
            "probe_seconds": self.seconds,
        }
        known = {name: value for name, value in metric_values.items() if value is not None}
        return (
            known
            | {of_block("reconstruction", n): e for n, e in self.by_block.items()}
            | {of_block("gradient_error", n): e for n, e in self.gradient_by_block.items()}
        )


class ReversibleProbe:
    """Measures the running model when a probe is due, and raises the alarm once."""

    def __init__(
        self, state: TrainingState, emit: Callable[[Event], None], footprint: Footprint
    ) -> None:
        self._state, self._emit, self._footprint = state, emit, footprint
        measures = state.probes and rebuilt_stacks(state.encoder)
        self._every = state.plan.train.probe_epochs if measures else 0
        self._alarmed, self._images = False, PROBE_IMAGES

    def measure_first(self, progress: Progress) -> None:
        """Before the first step of a run: measure if due; the memory that the probe leaves does not count."""
        if progress.step == 0:
            self.measure_if_due(progress)
            self._footprint.begin()

    def measure_if_due(self, progress: Progress) -> None:
        """Measure and report if a probe is due after this epoch; a failed probe is the last."""
        if not self._every or progress.epoch % self._every:
            return
        state, before = self._state, self._footprint.now()
        try:
            with self._footprint.aside():
                result = self._measured()
        except RevconsoleError as error:
            self._every = 0
            reason = " ".join(str(error).split())[:200]
            text = f"the probe of the reversible backward could not measure and is off from here on: {reason}"
            self._emit(Advised(level="warning", text=text))
            return
        values = result.values() | before
        self._emit(Measured(step=progress.step, epoch=progress.epoch, values=values))
        advised = advice.wrong_gradients(
            state, error=result.error, block=result.block, gradient_error=result.gradient_error
        )
        if advised is not None and not self._alarmed:
            self._alarmed = True
            self._emit(advised)

    def _measured(self) -> Reconstruction:
        """The result, with fewer images from here on if memory runs out.

        Raises RevconsoleError if memory runs out with a single image.
        """
        while True:
            result = catching_oom(partial(measure, self._state, self._images), self._state.device)
            if not isinstance(result, Shortage):
                return result
            release_memory(self._state.optimizer)
            self._images = min(self._images, self._state.micro_batch) // 2
            if not self._images:
                raise RevconsoleError(f"memory ran out with a single image; {result}")


def measure(state: TrainingState, most: int = PROBE_IMAGES) -> Reconstruction:
    """Probe the model; leaves weights, gradients, generators and running statistics unchanged."""
    began = time.perf_counter()
    images, labels = next(state.training_batches(1))
    size = min(most, state.micro_batch)
    stacks = rebuilt_stacks(state.encoder)
    trace = ResidualTrace()
    with traced(stacks, trace):
        gradient = _gradient(state, images[:size], labels[:size], trace)
    with temporarily(stacks, "backward", "stored"):
        truth = _gradient(state, images[:size], labels[:size], ResidualTrace())
    error, block = trace.worst()
    blocks = sum(len(stack.backwards) for stack in stacks)
    return Reconstruction(
        error=error,
        block=block % blocks,  # a later pass through the same stacks continues the count
        gradient_error=_relative(gradient, truth),
        side_bit_mean=trace.side_bit_mean(),
        seconds=time.perf_counter() - began,
        by_block=trace.by_block(blocks),
        gradient_by_block=_by_block(state, stacks, gradient, truth),
    )


@dataclass(slots=True, kw_only=True)
class ResidualTrace:
    """Compares the inputs of residuals in the forward with those in the backward.

    returning: whether the backward has begun. blocks: number of blocks seen in the forward.
    """

    returning: bool = False
    blocks: int = 0
    _sources: dict[Place, list[tuple[int, Tensor]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _errors: list[tuple[int, Tensor]] = field(default_factory=list)
    _bits: list[Tensor] = field(default_factory=list)

    def enter(self) -> int:
        """The number of the next block in the forward."""
        self.blocks += not self.returning
        return self.blocks - 1

    def see(self, source: Tensor, *, at: Place, block: int) -> None:
        """Record a residual's input in the forward, and compare with it in the backward, last in first out."""
        recorded, present = self._sources[at], source.detach()
        if not self.returning:
            recorded.append((block, present.clone()))
        elif recorded:
            number, original = recorded.pop()
            size = original.float().abs().max().clamp_min(torch.finfo(torch.float32).tiny)
            self._errors.append((number, (present.float() - original.float()).abs().max() / size))

    def keep(self, bits: Tensor) -> None:
        """Record side bits (0 or 1) about to be packed."""
        self._bits.append(bits.float().mean())

    def worst(self) -> tuple[float, int]:
        """(largest error, its block); NaN counts as the largest."""
        if not self._errors:
            return 0.0, 0
        errors = torch.stack([error for _, error in self._errors]).tolist()
        largest = max(range(len(errors)), key=lambda n: (math.isnan(errors[n]), errors[n]))
        return errors[largest], self._errors[largest][0]

    def by_block(self, blocks: int) -> dict[int, float]:
        """The largest error of each block. blocks: their number; a later pass through the same stacks counts as the first."""
        largest: dict[int, float] = {}
        for number, error in self._errors:
            value, at = error.item(), number % blocks
            before = largest.get(at, 0.0)
            largest[at] = value if math.isnan(value) or value > before else before
        return dict(sorted(largest.items()))

    def side_bit_mean(self) -> float | None:
        """Mean of all side bits; None if there were none."""
        return torch.stack(self._bits).mean().item() if self._bits else None


class TracedGrid:
    """A grid whose remainders are shown to a trace when they are packed."""

    def __init__(self, grid: Any, trace: ResidualTrace) -> None:
        self._grid, self._trace = grid, trace

    def __getattr__(self, name: str) -> Any:
        """Delegate every other attribute to the grid."""
        return getattr(self._grid, name)

    def pack(self, remainder: Tensor) -> Tensor:
        """Pack a remainder as the grid does, after recording its bits."""
        for plane in range(self._grid.lost):
            self._trace.keep((remainder >> plane) & 1)
        packed: Tensor = self._grid.pack(remainder)
        return packed


class TracedScheme:
    """A scheme whose residual inputs are shown to a trace. stack: number of the stack it serves."""

    def __init__(self, scheme: Scheme, trace: ResidualTrace, *, stack: int) -> None:
        self._scheme, self._trace, self._stack = scheme, trace, stack
        self.grid = None if scheme.grid is None else TracedGrid(scheme.grid, trace)

    def __getattr__(self, name: str) -> Any:
        """Delegate every other attribute to the scheme."""
        return getattr(self._scheme, name)

    def couplings(self, block: nn.Module, index: int, draw: Tensor | None) -> tuple[Coupling, ...]:
        """The scheme's couplings with traced residuals."""
        couplings, number = self._scheme.couplings(block, index, draw), self._trace.enter()
        places = [(self._stack, index, n) for n in range(len(couplings))]
        return tuple(self._traced(c, at, number) for c, at in zip(couplings, places, strict=True))

    def _traced(self, coupling: Coupling, at: Place, block: int) -> Coupling:
        def residual(source: Tensor) -> Tensor:
            self._trace.see(source, at=at, block=block)
            return coupling.residual(source)

        return replace(coupling, residual=residual)


@contextmanager
def traced(stacks: Sequence[ReversibleSequence], trace: ResidualTrace) -> Iterator[None]:
    """A context in which a trace sees what the stacks compute."""
    with ExitStack() as exits:
        for number, stack in enumerate(stacks):
            exits.callback(setattr, stack, "scheme", stack.scheme)
            traced_scheme = TracedScheme(stack.scheme, trace, stack=number)
            # Complete through __getattr__, which mypy cannot see.
            stack.scheme = cast("Scheme", traced_scheme)
        yield


def _gradient(
    state: TrainingState, images: Tensor, labels: Tensor, trace: ResidualTrace
) -> list[Tensor]:
    """The gradient of these images' loss for each trained parameter, scaled as in training."""
    model = state.model
    parameters = [p for p in model.parameters() if p.requires_grad]
    with undisturbed(model, state.device):
        seed_generators(state.plan.seed, step=0, micro=0)
        state.signs.at_step(step=0, batch=len(labels), first=0)
        loss = loss_of(state, state.inputs(images, labels, 0), 0).mean
        trace.returning = True
        scaled = loss * state.precision.scaler.get_scale()
        gradients: Sequence[Tensor | None] = torch.autograd.grad(
            scaled, parameters, allow_unused=True
        )
    pairs = zip(parameters, gradients, strict=True)
    return [torch.zeros_like(p) if g is None else g for p, g in pairs]


def _relative(gradient: Sequence[Tensor], truth: Sequence[Tensor]) -> float | None:
    """‖gradient − truth‖ / ‖truth‖; None if the truth is not finite or zero."""
    size = torch.nn.utils.get_total_norm(truth).item()
    if not math.isfinite(size) or size == 0.0:
        return None
    differences = [ours - true for ours, true in zip(gradient, truth, strict=True)]
    return torch.nn.utils.get_total_norm(differences).item() / size


def _by_block(
    state: TrainingState,
    stacks: Sequence[ReversibleSequence],
    gradient: Sequence[Tensor],
    truth: Sequence[Tensor],
) -> dict[int, float]:
    """The relative gradient error of each block of the stacks, without those that have no finite one."""
    trained = (p for p in state.model.parameters() if p.requires_grad)
    places = {id(p): place for place, p in enumerate(trained)}
    wired = [b for s in stacks for name, b in s.named_blocks.items() if name not in s.unwired]
    found: dict[int, float] = {}
    for number, block in enumerate(wired):
        own = [places[id(p)] for p in block.parameters() if p.requires_grad]
        error = _relative([gradient[n] for n in own], [truth[n] for n in own]) if own else None
        if error is not None:
            found[number] = error
    return found
