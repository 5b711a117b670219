"""The `reversible` backward: one autograd Function per block, chained by a tape.

In the forward a block runs without a graph. The last block keeps the streams as they stood before
its last coupling, so that the first step back undoes nothing. In the backward each block is undone
coupling by coupling, every residual being evaluated once for both the inverse and the gradient, and
the streams so restored are handed down the tape to the block before it. The tape belongs to one
forward pass, so several passes may wait for their backward, in any order.

Besides the last streams, what is kept per block is its draw, its side bits and the states of the
generators it drew from: all through `save_for_backward`, nothing on `ctx`, so hooks on saved
tensors see every byte. Parameters are inputs of the Function and their gradients are returned, so
hooks on them fire block by block, and frozen inputs, frozen blocks, shared parameters and
`torch.autograd.grad` need no special case. The graph cannot be differentiated twice.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from revconsole.reversible.coupling import (
    Coupling,
    Gradients,
    Streams,
    added,
    advance,
    evaluate,
    retreat,
    undo,
)
from revconsole.reversible.replay import (
    Autocast,
    Slots,
    drawn_since,
    only_statistics_change,
    parameter_slots,
    parameters_replaced,
    random_replayed,
    random_state,
    statistics_kept,
)
from revconsole.reversible.scheme import Scheme


@dataclass(slots=True, kw_only=True)
class Tape:
    """One forward pass, and the streams on their way back through it; none outside its backward.

    blocks: how many there are. after: the block after which the streams stood as they are here.
    """

    scheme: Scheme
    blocks: int
    after: int | None = None
    streams: Streams = field(default=())

    def put(self, after: int | None, streams: Streams) -> None:
        """Leave the streams for the block `after`."""
        self.after, self.streams = after, streams

    def take(self, after: int) -> Streams:
        """The streams as they were after that block, of which the tape lets go."""
        if self.after != after:
            raise RuntimeError(
                f"block {after} runs backward out of turn, the tape is at {self.after}"
            )
        streams = self.streams
        self.put(None, ())
        return streams


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One block in one forward pass: all that its backward needs and is not a tensor."""

    tape: Tape
    block: nn.Module
    index: int
    slots: Slots
    autocast: Autocast

    @property
    def scheme(self) -> Scheme:
        """The scheme of the pass."""
        return self.tape.scheme

    @property
    def last(self) -> bool:
        """Whether no block follows, so that this one keeps streams."""
        return self.index == self.tape.blocks - 1

    def couplings(self, draw: Tensor | None) -> tuple[Coupling, ...]:
        """The couplings of the block under that draw."""
        return self.scheme.couplings(self.block, self.index, draw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What one coupling keeps for its way back; None for what it does not need.

    bits: the packed remainder of its target. cpu, device: generator states before its residual.
    """

    bits: Tensor | None
    cpu: Tensor | None
    device: Tensor | None

    def flat(self) -> tuple[Tensor | None, ...]:
        """The three, in the order of the fields."""
        return self.bits, self.cpu, self.device


def run_reversibly(
    tape: Tape,
    block: nn.Module,
    index: int,
    draw: Tensor | None,
    streams: Streams,
) -> Streams:
    """The streams after the block, with a backward that restores those before it."""
    slots, parameters = parameter_slots(block)
    step = Step(
        tape=tape,
        block=block,
        index=index,
        slots=slots,
        autocast=Autocast.now(streams[0].device),
    )
    after: Streams = _Reversible.apply(step, draw, *streams, *parameters)
    return after


class _Reversible(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, step: Step, draw: Tensor | None, *tensors: Tensor) -> Streams:
        count = step.scheme.streams
        streams, parameters = tensors[:count], tensors[count:]
        with step.autocast(), only_statistics_change(step.block, step.index):
            streams, before, kept = _forward(step, step.couplings(draw), streams)

        ctx.step = step
        ctx.set_materialize_grads(False)
        flat = [tensor for each in kept for tensor in each.flat()]
        ctx.save_for_backward(draw, *parameters, *(before if step.last else ()), *flat)
        return streams

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        step: Step = ctx.step
        count, slots = step.scheme.streams, len(step.slots)
        draw, *saved = ctx.saved_tensors
        parameters, saved = saved[:slots], saved[slots:]
        streams = tuple(saved[:count]) if step.last else step.tape.take(step.index)
        flat = saved[count:] if step.last else saved
        kept = [
            Kept(bits=bits, cpu=cpu, device=device)
            for bits, cpu, device in zip(*[iter(flat)] * 3, strict=True)
        ]
        wanted = ctx.needs_input_grad[2:]
        inputs_wanted = any(wanted[:count])

        stand_ins = [
            nn.Parameter(parameter.detach(), requires_grad=needed)
            for parameter, needed in zip(parameters, wanted[count:], strict=True)
        ]
        trail = list(zip(step.couplings(draw), kept, strict=True))
        streams, gradients, of_parameters = _backward(
            step, trail, streams, gradients, stand_ins, inputs_wanted=inputs_wanted
        )
        if inputs_wanted and step.index:
            step.tape.put(step.index - 1, streams)
        return (None, None, *gradients, *of_parameters)


def _forward(
    step: Step, couplings: Sequence[Coupling], streams: Streams
) -> tuple[Streams, Streams, list[Kept]]:
    """The streams after the block and before its last coupling, and what each coupling keeps."""
    device, grid = streams[0].device, step.scheme.grid
    before, kept = streams, []
    for number, coupling in enumerate(couplings, start=1):
        generators = random_state(device)
        before = streams
        streams, remainder = advance(coupling, streams, grid)
        undone = not (step.last and number == len(couplings))
        bits = grid.pack(remainder) if grid and remainder is not None and undone else None
        cpu, other = drawn_since(generators, device)
        kept.append(Kept(bits=bits, cpu=cpu, device=other))
    return streams, before, kept


def _backward(
    step: Step,
    trail: Sequence[tuple[Coupling, Kept]],
    streams: Streams,
    gradients: Gradients,
    parameters: Sequence[Tensor],
    *,
    inputs_wanted: bool,
) -> tuple[Streams, Gradients, list[Tensor | None]]:
    """The streams before the block, their gradients, and the gradients of the parameters.

    streams: after the block, or before its last coupling if it is the last block.
    """
    grid = step.scheme.grid
    sums: list[Tensor | None] = [None] * len(parameters)
    for number, (coupling, kept) in reversed(list(enumerate(trail))):
        with _again(step, kept, parameters, streams[0].device):
            wanted = inputs_wanted or number > 0
            source, residual = evaluate(coupling, streams, source_wanted=wanted)
        gradients, found = retreat(coupling, gradients, source, residual, parameters)
        sums = [added(total, part) for total, part in zip(sums, found, strict=True)]
        if not (step.last and number == len(trail) - 1):
            streams = undo(coupling, streams, residual.detach(), grid, kept.bits)
    return streams, gradients, sums


@contextmanager
def _again(
    step: Step, kept: Kept, parameters: Sequence[Tensor], device: torch.device
) -> Iterator[None]:
    """Evaluate a residual of the block a second time exactly as the first."""
    with (
        parameters_replaced(step.slots, parameters),
        statistics_kept(step.block),
        random_replayed((kept.cpu, kept.device), device),
        step.autocast(),
    ):
        yield
