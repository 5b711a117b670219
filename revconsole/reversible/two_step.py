"""The two-step family: a new state from the newest and the one before it.

    start     x₁ = x₀ + c·h₀(x₀)
    forward   x₊ = a·x₋ + b·x + c·h(x)
    inverse   x₋ = (x₊ − b·x − c·h(x)) / a

Two streams exchange roles at every block: the new state is written over the older one, which is one coupling with
scale a. Its members are bdia, midpoint, leapfrog, midpoint_a and coefficients; momentum is one in other coordinates.
Without the residual the states grow by the roots of r² − b·r − a, and an error made on the way back grows by their
inverses: b = 1 − a has the roots 1 and −a.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import ClassVar

import torch
from torch import Tensor

from revconsole.errors import NotInvertible
from revconsole.reversible.coupling import Branch, Coupling, Streams
from revconsole.reversible.lossless import Grid, store_fills


def require_gamma(scheme: str, gamma: float, usual: float) -> None:
    """Raise NotInvertible at γ = 0, where a scheme is the plain network."""
    if gamma == 0.0:
        raise NotInvertible(
            f"{scheme} with gamma 0 is the plain network and has no inverse: use gamma {usual:g}, "
            "or backward='checkpointed'"
        )


STORE = 2  # the third stream, where there is one


class TwoStreams:
    """What a scheme of two streams is unless it says otherwise: both begin as the embedding, the newest is handed on.

    grid_bits: l of the grid 2⁻ˡ, for exact reconstruction; None keeps floats.
    """

    __slots__ = ()

    draws: ClassVar[bool] = False
    grid_bits: int | None

    @property
    def streams(self) -> int:
        """Two."""
        return 2

    @property
    def plain(self) -> str:
        """The blocks called one after the other are another network."""
        return "never"

    @property
    def grid(self) -> Grid | None:
        """The grid the streams live on, if any."""
        return Grid.of(self.grid_bits)

    def lift(self, x: Tensor) -> Streams:
        """Both streams are the embedding; the first block replaces one of the two, or moves it."""
        return (x, x)

    def merge(self, streams: Streams, blocks: int) -> Tensor:
        """The newest state."""
        return streams[blocks % 2]

    def require_inverse(self, blocks: int) -> None:
        """The inverse is safe at any depth."""
        del blocks


class TwoStreamsAndStore(TwoStreams):
    """A scheme of two streams that on a grid stores the bits that a scaling drops in a third."""

    __slots__ = ()

    @property
    def streams(self) -> int:
        """Two states, and on a grid the store."""
        return 2 if self.grid is None else 3

    def lift(self, x: Tensor) -> Streams:
        """The first block replaces one of the two; a store starts empty."""
        return (x, x) if self.grid is None else (x, x, torch.zeros_like(x))


def from_newest(index: int, residual: Branch) -> tuple[Coupling, ...]:
    """The new state from the newest alone: how a stack begins, and every block of a plain network."""
    return (Coupling(target=1 - index % 2, source=index % 2, residual=residual, scale=0.0),)


def from_both(
    index: int,
    residual: Branch,
    *,
    scale: float | Fraction | Tensor,
    earlier: Sequence[Fraction] = (),
    parks: bool = False,
) -> tuple[Coupling, ...]:
    """The new state, written over the older one: scale · older + residual(newest).

    earlier: the ratios that the older states were scaled by before, where the bits that are lost go
    to a store. parks: set the older state aside instead of recovering it.
    """
    source, target = index % 2, 1 - index % 2
    if isinstance(scale, Fraction) and abs(scale) != 1:
        full = store_fills((*earlier, scale))
        parked = target if parks else STORE if full else None
        store: int | None = STORE
    else:
        parked, store = target if parks else None, None
    coupling = Coupling(
        target=target, source=source, residual=residual, scale=scale, store=store, parks=parked
    )
    return (coupling,)
