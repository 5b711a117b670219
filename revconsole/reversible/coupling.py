"""The coupling: the one update rule every reversible scheme is made of.

    target ← scale · target + residual(source)

One stream is updated from another and the rest is left alone, so that

    target ← (target − residual(source)) / scale

undoes it, and its gradient needs nothing but the vector-Jacobian product of `residual` at `source`.
Both use the same evaluation of `residual`: `evaluate` runs it once, with a graph, for `undo` and
`retreat`, and that is all a backward pass through a coupling costs beyond plain training. A scheme
lists its couplings and never writes a gradient; nothing here knows which scheme it serves.

A coupling whose scale is zero *replaces* its target. It is how a scheme begins: at the start every
stream holds the embedding, and what a replaced stream held is neither needed nor recovered.

Source: Gomez et al. 2017, "The Reversible Residual Network", generalised by a scale
(Sander et al. 2021; Zhang et al. 2024).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from revconsole.reversible.lossless import Grid

Streams = tuple[Tensor, ...]
Gradients = tuple[Tensor | None, ...]
Branch = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupling:
    """`streams[target] ← scale · streams[target] + residual(streams[source])`.

    scale: a number for all samples, or a tensor (B, 1, …, 1) with one per sample.
    """

    target: int
    source: int
    residual: Branch
    scale: float | Tensor = 1.0

    @property
    def replaces(self) -> bool:
        """Whether the target's old value is discarded."""
        return isinstance(self.scale, float) and self.scale == 0.0

    @property
    def adds(self) -> bool:
        """Whether the target is only added to, which loses nothing on a grid."""
        return isinstance(self.scale, float) and self.scale == 1.0


def itself(source: Tensor) -> Tensor:
    """The residual of `target ← scale · target + source`, which costs no evaluation."""
    return source


def advance(
    coupling: Coupling, streams: Streams, grid: Grid | None
) -> tuple[Streams, Tensor | None]:
    """The streams after the coupling, and what the grid's scaling would have lost of the target.

    Differentiable as it stands: run under autograd it is the `stored` backward. A target keeps its
    dtype; a replaced one takes the residual's. The remainder is None where nothing is lost.
    """
    old = streams[coupling.target]
    residual = coupling.residual(streams[coupling.source])
    remainder = None
    if grid is not None:
        residual = grid.round(residual.to(old.dtype))

    if coupling.replaces:
        new = residual
    elif coupling.adds:
        new = old + residual
    elif grid is not None:
        scaled, remainder = grid.shrink(old, coupling.scale)
        new = scaled + residual
    else:
        new = old * coupling.scale + residual

    if not coupling.replaces:
        new = new.to(old.dtype)
    return _with(streams, coupling.target, new), remainder


def undo(
    coupling: Coupling,
    streams: Streams,
    residual: Tensor,
    grid: Grid | None,
    bits: Tensor | None,
) -> Streams:
    """The streams as they were before the coupling, given its residual at the (unchanged) source.

    bits: the packed remainder of the target, where `advance` gave one.
    Equal bit for bit on a grid, otherwise off by one rounding divided by the scale. A replaced
    target is left as it is: nothing before the coupling depended on it.
    """
    if coupling.replaces:
        return streams
    new = streams[coupling.target]
    if grid is not None:
        residual = grid.round(residual.to(new.dtype))

    difference = new - residual
    if coupling.adds:
        old = difference
    elif grid is not None and bits is not None:
        old = grid.grow(difference, coupling.scale, grid.unpack(bits, new.shape))
    else:
        old = difference / coupling.scale
    return _with(streams, coupling.target, old.to(new.dtype))


def evaluate(coupling: Coupling, streams: Streams, *, source_wanted: bool) -> tuple[Tensor, Tensor]:
    """The source as a leaf of a new graph, and the residual computed from it with its graph."""
    source = streams[coupling.source].detach().requires_grad_(source_wanted)
    with torch.enable_grad():
        return source, coupling.residual(source)


def retreat(
    coupling: Coupling,
    gradients: Gradients,
    source: Tensor,
    residual: Tensor,
    parameters: Sequence[Tensor],
) -> tuple[Gradients, list[Tensor | None]]:
    """The gradients before the coupling, from those after it and the graph of its residual.

    gradients:  of the streams after the coupling; None where the loss does not depend on one.
    parameters: that may take part in the residual; those that require no gradient get None.
    Frees the graph. Straight through the rounding, if the streams are on a grid.
    """
    before = list(gradients)
    found: list[Tensor | None] = [None] * len(parameters)
    at_target = gradients[coupling.target]
    if at_target is None:
        return gradients, found

    if coupling.replaces:
        before[coupling.target] = None
    elif not coupling.adds:
        before[coupling.target] = at_target * coupling.scale
    if residual.requires_grad:
        at_source, found = _vector_jacobian(residual, at_target, source, parameters)
        before[coupling.source] = added(before[coupling.source], at_source)
    return tuple(before), found


def _vector_jacobian(
    residual: Tensor, at_residual: Tensor, source: Tensor, parameters: Sequence[Tensor]
) -> tuple[Tensor | None, list[Tensor | None]]:
    leaves = [source, *parameters]
    sought = [index for index, leaf in enumerate(leaves) if leaf.requires_grad]
    products = torch.autograd.grad(
        residual,
        [leaves[index] for index in sought],
        at_residual.to(residual.dtype),
        allow_unused=True,
    )
    all_products: list[Tensor | None] = [None] * len(leaves)
    for index, product in zip(sought, products, strict=True):
        all_products[index] = product
    return all_products[0], all_products[1:]


def added(left: Tensor | None, right: Tensor | None) -> Tensor | None:
    """The sum of two gradients, where None is zero."""
    if left is None or right is None:
        return right if left is None else left
    return left + right


def _with(streams: Streams, index: int, stream: Tensor) -> Streams:
    return (*streams[:index], stream, *streams[index + 1 :])
