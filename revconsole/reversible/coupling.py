"""The coupling: the one update rule every reversible scheme is made of.

    target ← scale · target + residual(source)

One stream is updated from another and the rest is left alone, so that

    target ← (target − residual(source)) / scale

undoes it, and its gradient needs nothing but the vector-Jacobian product of `residual` at `source`. Both use the same
evaluation of `residual`: `evaluate` runs it once, with a graph, for `undo` and `retreat`, and that is all a backward
pass through a coupling costs beyond plain training. A scheme lists its couplings and never writes a gradient.

A coupling whose scale is zero *replaces* its target: so a scheme begins, as at the start every stream holds the
embedding. On a grid a scaling loses nothing: what it would lose is its remainder, or is taken up by a *store*, a
stream of its own (see `lossless`). Where undoing would be hopeless, or a store is full, a coupling *parks* a stream:
it is set aside as it is before the coupling, and put back after.

Source: Gomez et al. 2017, "The Reversible Residual Network", generalised by a scale (Sander et al. 2021; Zhang et al.
2024).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import torch
from torch import Tensor

from revconsole.reversible.lossless import Grid

Streams = tuple[Tensor, ...]
Gradients = tuple[Tensor | None, ...]
Branch = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupling:
    """`streams[target] ← scale · streams[target] + residual(streams[source])`.

    scale: a number for all samples, or a tensor (B, 1, …, 1) with one per sample. store: the stream that takes up what
    scaling by a Fraction would lose; only on a grid. parks: the stream set aside before: the target, which then need not
    be recovered by division, or the store, which then starts again from nothing.
    """

    target: int
    source: int
    residual: Branch
    scale: float | Fraction | Tensor = 1.0
    store: int | None = None
    parks: int | None = None

    @property
    def replaces(self) -> bool:
        """Whether the target's old value is discarded."""
        return not isinstance(self.scale, Tensor) and self.scale == 0

    @property
    def adds(self) -> bool:
        """Whether the target is only added to, which loses nothing on a grid."""
        return not isinstance(self.scale, Tensor) and self.scale == 1

    @property
    def flips(self) -> bool:
        """Whether the target only changes its sign, which loses nothing either."""
        return not isinstance(self.scale, Tensor) and self.scale == -1


class Lost(NamedTuple):
    """What the streams after a coupling no longer tell of those before; None for nothing.

    remainder: of scaling the target on a grid, uint8. parked: the stream that was set aside.
    """

    remainder: Tensor | None = None
    parked: Tensor | None = None


def itself(source: Tensor) -> Tensor:
    """The residual of `target ← scale · target + source`, which costs no evaluation."""
    return source


def advance(
    coupling: Coupling, streams: Streams, grid: Grid | None, residual: Tensor | None = None
) -> tuple[Streams, Lost]:
    """The streams after the coupling, and what cannot be told from them.

    residual: at the source, where it is evaluated already. Differentiable as it stands: run under autograd it is the
    `stored` backward. A target keeps its dtype; a replaced one takes the residual's.
    """
    if residual is None:
        residual = coupling.residual(streams[coupling.source])
    remainder = parked = None
    if coupling.parks is not None:
        parked = streams[coupling.parks].detach()
        if coupling.parks == coupling.store:
            streams = _with(streams, coupling.parks, torch.zeros_like(parked))

    old = streams[coupling.target]
    residual = residual if grid is None else residual.to(old.dtype)
    if coupling.replaces:
        return _with(streams, coupling.target, _rounded(residual, grid)), Lost(parked=parked)
    if coupling.adds:
        on_it = grid is None or coupling.residual is itself  # as streams are already
        new = old + residual if on_it else _on(grid).add(old, residual)
    elif coupling.flips:
        new = _rounded(residual, grid) - old
    elif grid is None or not (grid.lost or coupling.store):
        new = _scaled_sum(old, coupling.scale, _rounded(residual, grid))
    elif coupling.store is None:
        scaled, remainder = grid.shrink(old, _number(coupling.scale))
        new = grid.add(scaled, residual)
    else:
        ratio = Fraction(coupling.scale)  # type: ignore[arg-type]  # a store goes with a number
        scaled, store = grid.multiply(old, ratio, streams[coupling.store])
        streams = _with(streams, coupling.store, store)
        new = grid.add(scaled, residual)
    return _with(streams, coupling.target, new.to(old.dtype)), Lost(
        remainder=remainder, parked=parked
    )


def undo(
    coupling: Coupling, streams: Streams, residual: Tensor, grid: Grid | None, lost: Lost
) -> Streams:
    """The streams as they were before the coupling, given its residual at the (unchanged) source.

    lost: as `advance` gave it. Equal bit for bit on a grid, otherwise off by one rounding divided by the scale. A
    replaced target is left as it is unless it was parked: nothing before the coupling depended on it.
    """
    at_once = put_back(coupling, streams, lost)
    if at_once is not None:
        return at_once

    new = streams[coupling.target]
    residual = residual if grid is None else residual.to(new.dtype)
    if coupling.flips:
        old = _rounded(residual, grid) - new
        return _with(streams, coupling.target, old.to(new.dtype))
    on_it = grid is None or coupling.residual is itself
    difference = new - residual if on_it else _on(grid).subtract(new, residual)
    if coupling.adds:
        old = difference
    elif coupling.store is not None:
        ratio = Fraction(coupling.scale)  # type: ignore[arg-type]  # a store goes with a number
        old, store = _on(grid).divide(difference, ratio, streams[coupling.store])
        streams = _with(streams, coupling.store, store if lost.parked is None else lost.parked)
    elif lost.remainder is not None:
        old = _on(grid).grow(difference, _number(coupling.scale), lost.remainder)
    else:
        old = difference.div_(_number(coupling.scale))
    return _with(streams, coupling.target, old.to(new.dtype))


def _rounded(residual: Tensor, grid: Grid | None) -> Tensor:
    """The residual, on the grid if there is one."""
    return residual if grid is None else grid.round(residual)


def put_back(coupling: Coupling, streams: Streams, lost: Lost) -> Streams | None:
    """The streams before the coupling, where its residual does not tell of them; None where it does."""
    if coupling.parks == coupling.target and lost.parked is not None:
        return _with(streams, coupling.target, lost.parked)
    return streams if coupling.replaces else None


def _scaled_sum(old: Tensor, scale: float | Fraction | Tensor, residual: Tensor) -> Tensor:
    """Scale · old + residual in one pass over memory."""
    if isinstance(scale, Tensor):
        return torch.addcmul(residual.to(old.dtype), old, scale.to(old.dtype))
    return torch.add(residual, old, alpha=float(scale))


def _number(scale: float | Fraction | Tensor) -> float | Tensor:
    return float(scale) if isinstance(scale, Fraction) else scale


def _on(grid: Grid | None) -> Grid:
    """The grid, which only couplings of an exact scheme ask for."""
    if grid is None:
        raise RuntimeError("a coupling with a remainder or a store belongs on a grid")
    return grid


def evaluate(coupling: Coupling, streams: Streams, *, source_wanted: bool) -> tuple[Tensor, Tensor]:
    """The source at the beginning of a new graph, and the residual computed from it with its graph.

    Where it has a gradient it is no leaf, as the stream between two blocks is none: a block may ask.
    """
    source = streams[coupling.source].detach().requires_grad_(source_wanted)
    with torch.enable_grad():
        source = source.view_as(source) if source_wanted else source
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
    at_target = gradients[coupling.target]
    if at_target is None or not residual.requires_grad:
        return handed_back(coupling, gradients, None), [None] * len(parameters)
    at_source, found = _vector_jacobian(residual, at_target, source, parameters)
    return handed_back(coupling, gradients, at_source), found


def handed_back(coupling: Coupling, gradients: Gradients, at_source: Tensor | None) -> Gradients:
    """The gradients of the streams before the coupling. at_source: what its residual adds to one of them."""
    at_target = gradients[coupling.target]
    if at_target is None:
        return gradients
    before = list(gradients)
    if coupling.replaces:
        before[coupling.target] = None
    elif coupling.flips:
        before[coupling.target] = -at_target
    elif not coupling.adds:
        before[coupling.target] = at_target * _number(coupling.scale)
    before[coupling.source] = added(before[coupling.source], at_source)
    return tuple(before)


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
