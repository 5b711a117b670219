"""Midpoint steps that mix: the weight of the older state is drawn once for every block.

    start     x₁ = x₀ + s·h₀(x₀)
    forward   x₊ = a·x₋ + (1 − a)·x + s·h(x)         a = ±1 + U(−w, w), fixed per block
    inverse   x₋ = (x₊ − (1 − a)·x − s·h(x)) / a
    kept      nothing per block; on a grid a store of the bits that the a's drop, 3 bytes per
              activation for the whole stack however deep, as what one block loses another gives back
    error     each block's rounding is multiplied by 1/|a| per block below it, which is as often more
              as less than one, beside a part that stays; on a grid none at all

Mixing ties even and odd states together, which the midpoint rule leaves apart. Use it in place of
`midpoint` when training from scratch. Not for pretrained weights. In evaluation the a's are the same.

The a's are multiples of 1/64 and come from `draw` and the block's index alone, so the same settings
are the same network everywhere.

Source: Gal et al. 2025 (arXiv 2512.02056), equation 3.6, w = ½.
"""

import random
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor, nn

from revconsole.errors import RevconsoleError
from revconsole.reversible.branches import residual
from revconsole.reversible.coupling import Coupling, Streams
from revconsole.reversible.lossless import Grid
from revconsole.reversible.two_step import error_growth, from_both, from_newest, newest

PARTS = 64  # the a's are whole multiples of one part in so many
WIDEST = 0.9


@lru_cache(maxsize=4096)
def weight(draw: int, index: int, spread: float) -> Fraction:
    """A of one block."""
    source = random.Random(f"midpoint_a {draw} {index}")
    sign = source.choice((-1, 1))
    return Fraction(round(PARTS * (sign + source.uniform(-spread, spread))), PARTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class MidpointA:
    """x₊ = a·x₋ + (1 − a)·x + s·h(x).

    step: s. spread: w in [0, 0.9]. draw: which draw of the a's, a whole number.
    grid_bits: l of the grid 2⁻ˡ, for exact reconstruction; None keeps floats.
    """

    step: float = 1.0
    spread: float = 0.5
    draw: int = 0
    grid_bits: int | None = None

    name: ClassVar[str] = "midpoint_a"
    draws: ClassVar[bool] = False
    plain: ClassVar[str] = "never"

    def __post_init__(self) -> None:
        if not 0.0 <= self.spread <= WIDEST:
            raise RevconsoleError(
                f"the spread of midpoint_a lies in [0, {WIDEST}], not at {self.spread:g}: "
                "the inverse divides by weights as small as 1 − spread"
            )

    @property
    def streams(self) -> int:
        """Two states, and on a grid the store."""
        return 2 if self.grid is None else 3

    @property
    def grid(self) -> Grid | None:
        """The grid the streams live on, if any."""
        return Grid.of(self.grid_bits)

    def weight(self, index: int) -> Fraction:
        """A of the block `index`."""
        return weight(self.draw, index, self.spread)

    def lift(self, x: Tensor) -> Streams:
        """The first block replaces one of the two; a store starts empty."""
        return (x, x) if self.grid is None else (x, x, torch.zeros_like(x))

    def couplings(self, block: nn.Module, index: int, draw: Tensor | None) -> tuple[Coupling, ...]:
        """An explicit Euler step first, mixed midpoint steps from then on."""
        del draw
        h, step, a = residual(block), self.step, self.weight(index)
        if index == 0:
            return from_newest(index, lambda x: torch.add(x, h(x), alpha=step))
        carried = 1.0 - float(a)
        return from_both(
            index,
            lambda x: torch.add(carried * x, h(x), alpha=step),
            scale=float(a) if self.grid is None else a,
            earlier=[self.weight(block) for block in range(1, index)] if self.grid else (),
        )

    def merge(self, streams: Streams, blocks: int) -> Tensor:
        """The newest state."""
        return newest(streams, blocks)

    def error_growth(self, blocks: int) -> float:
        """As the a's of these blocks have it; 0 on a grid."""
        if self.grid:
            return 0.0
        weights = [float(self.weight(index)) for index in range(blocks)]
        return error_growth([(a, 1.0 - a, self.step) for a in weights])

    def require_inverse(self, blocks: int) -> None:
        """No weight is near zero."""
        del blocks
