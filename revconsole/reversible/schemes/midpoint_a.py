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

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import torch
from torch import Tensor, nn

from revconsole import arithmetic
from revconsole.errors import RevconsoleError
from revconsole.reversible.branches import residual
from revconsole.reversible.coupling import Coupling
from revconsole.reversible.two_step import TwoStreamsAndStore, from_both, from_newest

WIDEST = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class MidpointA(TwoStreamsAndStore):
    """x₊ = a·x₋ + (1 − a)·x + s·h(x).

    step: s. spread: w in [0, 0.9]. draw: which draw of the a's, a whole number.
    grid_bits: l of the grid 2⁻ˡ, for exact reconstruction; None keeps floats.
    """

    step: float = 1.0
    spread: float = 0.5
    draw: int = 0
    grid_bits: int | None = None

    name: ClassVar[str] = "midpoint_a"

    def __post_init__(self) -> None:
        if not 0.0 <= self.spread <= WIDEST:
            raise RevconsoleError(
                f"the spread of midpoint_a lies in [0, {WIDEST}], not at {self.spread:g}: "
                "the inverse divides by weights as small as 1 − spread"
            )

    def weight(self, index: int) -> Fraction:
        """The weight a of the block `index`."""
        return arithmetic.mixing_weight(self.draw, index, self.spread)

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

    def error_growth(self, blocks: int) -> float:
        """Error growth with the weights a of these blocks; 0 on a grid."""
        return arithmetic.midpoint_a(
            blocks, step=self.step, spread=self.spread, draw=self.draw, exact=self.grid is not None
        )
