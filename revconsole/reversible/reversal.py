"""Reversal: the `reversible` backward, one autograd Function per block, chained by a tape.

In the forward a block runs without keeping a graph. An `anchored` block keeps the outline of one, and the stream that
its last residual is added to, so that the residual is evaluated again only as far as its gradient needs (see
`early`). The last block keeps the streams from before its last coupling. In the backward each block is undone coupling
by coupling: every residual is evaluated once for both the inverse and the gradient, and the restored streams pass
along the tape to the block before. The tape belongs to one forward pass, so several may wait for their backward.

Besides the last streams, each block keeps its draw, what its couplings lost, and the states of the generators it drew
from, all through `save_for_backward`, so that hooks on saved tensors see every byte. Parameters are inputs of the
Function and their gradients are returned: hooks on them fire block by block, and frozen inputs, frozen blocks, shared
parameters and `torch.autograd.grad` need no special case. The graph cannot be differentiated twice.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn

from revconsole.reversible.compiled import as_compiled_before
from revconsole.reversible.coupling import (
    Coupling,
    Gradients,
    Lost,
    Streams,
    added,
    advance,
    evaluate,
    handed_back,
    put_back,
    retreat,
    undo,
)
from revconsole.reversible.early import Outline, stand_in_of
from revconsole.reversible.past import Past
from revconsole.reversible.replay import (
    Arithmetic,
    drawn,
    parameters_replaced,
    random_replayed,
    random_state,
    statistics_kept,
    unseen_graph,
)
from revconsole.reversible.tape import Kept, Tape, UndoneBlock, kept_of
from revconsole.reversible.transforms import require_once
from revconsole.reversible.witness import require_same, sample, watched


def run_reversibly(
    tape: Tape,
    block: nn.Module,
    index: int,
    draw: Tensor | None,
    streams: Streams,
    *,
    extras: Sequence[Tensor] = (),
    anchored: bool = False,
) -> Streams:
    """The streams after the block, with a backward that restores the streams before it."""
    inventory, device = tape.inventories.of(block), streams[0].device
    inventory.require_stand_ins()
    step = UndoneBlock(
        tape=tape,
        inventory=inventory,
        index=index,
        arithmetic=Arithmetic.now(device),
        device=device,
        anchored=anchored,
    )
    after: Streams = _Reversible.apply(step, draw, *streams, *extras, *inventory.parameters)
    return after


class _Reversible(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, step: UndoneBlock, draw: Tensor | None, *tensors: Tensor) -> Streams:
        count = step.scheme.streams
        streams, others = tensors[:count], tensors[count:]
        needed, extras = ctx.needs_input_grad[2:], len(others) - len(step.inventory.slots)
        leaves = _leaves(others if step.anchored else others[:extras], needed[count:], extras)
        # tensors = streams, then extra arguments of the block, then its parameters; `leaves` stand in
        # for the extras and, in an anchored block, for the parameters of the graph built inside.
        couplings = step.couplings(draw, leaves[:extras])
        with step.arithmetic.uncached(), unseen_graph():
            passed = _forward(step, couplings, streams, needed[:count], leaves)

        ctx.step, ctx.needed, ctx.sources = step, needed, tuple(passed.sources)
        ctx.pasts, ctx.samples = tuple(passed.pasts), tuple(passed.samples)
        ctx.outlines = tuple(passed.outlines)
        # Couplings with a draw or extras hold tensors, which may not be on ctx.
        ctx.couplings = None if draw is not None or extras else couplings
        ctx.set_materialize_grads(False)
        wanted = zip(passed.streams, passed.wanted, strict=True)
        ctx.mark_non_differentiable(*(stream for stream, needs in wanted if not needs))
        flat = [tensor for each in passed.kept for tensor in each]
        ctx.save_for_backward(draw, *others, *(passed.before if step.last else ()), *flat)
        return passed.streams

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        require_once()
        step: UndoneBlock = ctx.step
        way, streams = WayBack.of(ctx)
        if not step.last:
            streams = step.tape.take(step.index)
        streams, gradients, of_others = _backward(way, streams, gradients)
        if way.leads_on:
            step.tape.put(step.index - 1, streams)
        return (None, None, *gradients, *of_others)


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """One block in one backward pass.

    sources: whether the source of each coupling requires a gradient. pasts: state of the block before each coupling.
    samples: of each coupling's residual, taken in the first passes. outlines: of graphs whose results are not needed.
    others: leaves that stand in for extra arguments and parameters, in this order. inputs_wanted: whether anything
    before the block needs a gradient.
    """

    step: UndoneBlock
    trail: tuple[tuple[Coupling, Kept], ...]
    sources: tuple[bool, ...]
    pasts: tuple[Past, ...]
    samples: tuple[Tensor, ...]
    outlines: tuple[Outline | None, ...]
    others: tuple[Tensor, ...]
    inputs_wanted: bool

    @classmethod
    def of(cls, ctx: Any) -> "tuple[WayBack, Streams]":
        """The way back of a node of the graph, and the streams that it keeps; empty unless it is the last block."""
        step: UndoneBlock = ctx.step
        count, needed = step.scheme.streams, ctx.needed
        draw, *saved = ctx.saved_tensors
        others, saved = saved[: len(needed) - count], saved[len(needed) - count :]
        streams, saved = (saved[:count], saved[count:]) if step.last else ([], saved)
        # The rest are the fields of one Kept per coupling, one after the other: group them again.
        kept = [Kept(*fields) for fields in zip(*[iter(saved)] * len(Kept._fields), strict=True)]

        extras = len(others) - len(step.inventory.slots)
        stand_ins = _leaves(others, needed[count:], extras)
        couplings = ctx.couplings or step.couplings(draw, stand_ins[:extras])
        way = cls(
            step=step,
            trail=tuple(zip(couplings, kept, strict=True)),
            sources=ctx.sources,
            pasts=ctx.pasts,
            samples=ctx.samples,
            outlines=ctx.outlines,
            others=tuple(stand_ins),
            inputs_wanted=any(needed[:count]),
        )
        return way, tuple(streams)

    @property
    def leads_on(self) -> bool:
        """Whether the block before this one is undone as well."""
        return self.inputs_wanted and self.step.index > self.step.tape.first

    def evaluated(self, number: int, streams: Streams) -> tuple[Tensor, Tensor]:
        """A coupling's source, as a leaf, and its residual with its graph, computed exactly as in the forward."""
        coupling, kept = self.trail[number]
        parameters = self.others[len(self.others) - len(self.step.inventory.slots) :]
        past = self.pasts[number].again(self.step.index)
        with past, _again(self.step, kept, parameters, streams[0].device):
            source, residual = evaluate(coupling, streams, source_wanted=self.sources[number])
        if self.samples:
            step, first = self.step, [self.samples[number]]
            exact = step.scheme.grid is not None
            require_same(
                first, [residual], streams, exact=exact, block=step.block, index=step.index
            )
        return source, residual

    def retreated(
        self, number: int, streams: Streams, gradients: Gradients
    ) -> tuple[Gradients, list[Tensor | None], Tensor | None]:
        """The result of `retreat` for a coupling, and its residual if that was evaluated completely."""
        coupling, outline = self.trail[number][0], self.outlines[number]
        at_target = gradients[coupling.target]
        if outline is None:
            source, residual = self.evaluated(number, streams)
            return *retreat(coupling, gradients, source, residual, self.others), residual
        if at_target is None:
            return gradients, [None] * len(self.others), None
        if self.samples:
            self.evaluated(number, streams)  # completely, to compare it with the first evaluation
        at_source, found = outline.gradients(lambda: self.evaluated(number, streams), at_target)
        return handed_back(coupling, gradients, at_source), found, None

    def before(self, number: int, streams: Streams, residual: Tensor | None) -> Streams:
        """The streams before the coupling; those after it if it is not undone."""
        if not self.step.undone(number, len(self.trail)):
            return streams
        coupling, kept = self.trail[number]
        grid = self.step.scheme.grid
        lost = kept.lost(coupling, streams[coupling.target], grid)
        if residual is None:
            return put_back(coupling, streams, lost) or streams
        return undo(coupling, streams, residual.detach(), grid, lost)


def _leaves(tensors: Sequence[Tensor], needed: Sequence[bool], extras: int) -> list[Tensor]:
    """Leaves of a new graph for the extra arguments, which come first, and the parameters."""
    pairs = enumerate(zip(tensors, needed, strict=False))
    return [stand_in_of(tensor, needs, parameter=n >= extras) for n, (tensor, needs) in pairs]


@dataclass(slots=True, kw_only=True)
class Passage:
    """One block in one forward pass.

    streams: after the couplings so far. before: before the latest of them. wanted: whether each stream requires a
    gradient. kept: per coupling, what its inverse needs. sources: whether the source of each coupling requires a
    gradient. pasts: state of the block before each coupling. samples: of each residual, in the first passes.
    outlines: of graphs whose results the way back does not need.
    """

    streams: Streams
    before: Streams
    wanted: list[bool]
    kept: list[Kept] = field(default_factory=list)
    sources: list[bool] = field(default_factory=list)
    pasts: list[Past] = field(default_factory=list)
    samples: list[Tensor] = field(default_factory=list)
    outlines: list[Outline | None] = field(default_factory=list)


def _forward(
    step: UndoneBlock,
    couplings: Sequence[Coupling],
    streams: Streams,
    wanted: Sequence[bool],
    leaves: Sequence[Tensor],
) -> Passage:
    """Run the block as the backward will run it again: with a graph, of which nothing is kept.

    Kernels may differ without a graph or for inputs without a gradient, and their results then differ in the last
    bits. wanted: whether each stream requires a gradient. leaves: stand-ins for extra arguments and, in an anchored
    block, for parameters.
    """
    device, grid, first = streams[0].device, step.scheme.grid, watched(step.block)
    passed = Passage(streams=streams, before=streams, wanted=list(wanted))
    generators = random_state(device)
    for number, coupling in enumerate(couplings):
        past = _past(step, passed)
        passed.before, source_wanted = passed.streams, passed.wanted[coupling.source]
        if number == step.anchor(couplings):
            outline, source, residual = _outlined(step, coupling, passed, leaves)
        else:
            outline = None
            source, residual = evaluate(coupling, passed.streams, source_wanted=source_wanted)
        passed.outlines.append(outline)
        passed.sources.append(source_wanted)
        # Refuses what a second evaluation could not repeat, and records the state outside the block.
        step.tape.outside = past.seal(step.index)
        passed.pasts.append(past)
        kept_on = passed.wanted[coupling.target] and not coupling.replaces
        graph = residual.requires_grad or outline is not None
        passed.wanted[coupling.target] = graph or kept_on
        residual = residual.detach()  # frees the graph of the residual and with it all activations
        past.require_unhooked(bool(source._backward_hooks), step.index)  # noqa: SLF001  the only list of them
        # After the detach nothing may keep the source alive: a tensor that a hook or the model stored
        # would keep the activations, and its gradient would be lost.
        held = ref(source if source._base is None else source._base)  # noqa: SLF001  the leaf, which its graph holds
        del source
        past.require_free(held, step.index)
        if first:
            passed.samples.append(sample(residual))
        passed.streams, lost = advance(coupling, passed.streams, grid, residual)
        now = random_state(device)
        lost = lost if step.undone(number, len(couplings)) else Lost()
        passed.kept.append(kept_of(lost, coupling, grid, drawn(generators, now)))
        generators = now
    return passed


def _past(step: UndoneBlock, passed: Passage) -> Past:
    """The state of the block before its next coupling; reused if nothing has changed since the one before."""
    tape, before = step.tape, passed.pasts[-1] if passed.pasts else None
    if before is not None and before.stood and tape.outside is not None:
        return before.after(tape.outside)
    inventory = step.inventory if before is None else tape.inventories.of(step.block)
    return Past.now(inventory, tape.extras.leaves, tape.outside)


def _backward(
    way: WayBack, streams: Streams, gradients: Gradients
) -> tuple[Streams, Gradients, list[Tensor | None]]:
    """The streams before the block, their gradients, and the gradients of extras and parameters.

    streams: after the block, or before its last coupling if the block keeps them.
    """
    sums: list[Tensor | None] = [None] * len(way.others)
    for number in reversed(range(len(way.trail))):
        # Both use the same evaluation of the residual: first its gradient, then the inverse.
        gradients, found, residual = way.retreated(number, streams, gradients)
        sums = [added(total, part) for total, part in zip(sums, found, strict=True)]
        streams = way.before(number, streams, residual)
    return streams, gradients, sums


def _outlined(
    step: UndoneBlock, coupling: Coupling, passed: Passage, leaves: Sequence[Tensor]
) -> tuple[Outline | None, Tensor, Tensor]:
    """The outline of a residual, its source and its result."""
    stand_ins, at = leaves[len(leaves) - len(step.inventory.slots) :], coupling.source
    with parameters_replaced(step.inventory.slots, stand_ins):
        return Outline.drawn(
            coupling.residual, passed.streams[at], leaves, source_wanted=passed.wanted[at]
        )


@contextmanager
def _again(
    step: UndoneBlock, kept: Kept, parameters: Sequence[Tensor], device: torch.device
) -> Iterator[None]:
    """A context in which a residual of the block is evaluated again exactly as the first time."""
    with (
        parameters_replaced(step.inventory.slots, parameters),
        statistics_kept(step.inventory.norms),
        random_replayed((kept.cpu, kept.device), device),
        step.arithmetic(),
        nullcontext() if step.scheme.grid is None else as_compiled_before(step.index),
    ):
        yield
