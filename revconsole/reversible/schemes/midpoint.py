"""The explicit midpoint rule: each state from the one before the last, and a full step from the last.

    start     x₁ = x₀ + s·h₀(x₀)
    forward   x₊ = x₋ + 2s·h(x)
    inverse   x₋ = x₊ − 2s·h(x)
    kept      nothing per block
    error     each block's rounding arrives as the blocks below it steepen it, which 2s·h does; on a grid
              none at all

Use it for exact reconstruction that costs no memory at all (`grid_bits`), at any depth, in networks
trained from scratch. Not for pretrained weights, whose function it changes. Even and odd states
only meet through h, so that the network falls into two interleaved ones of half the depth; trained
language models lost accuracy by it, which `midpoint_a` and `bdia` repair by mixing.

Source: Chang et al. 2018, "Reversible Architectures for Arbitrarily Deep Residual Neural Networks"
(arXiv 1709.03698); Gal et al. 2025 (arXiv 2512.02056), equations 2.4 and 2.5. It is bdia at a
constant γ = 1, when s = 1.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from revconsole import arithmetic
from revconsole.reversible.branches import residual
from revconsole.reversible.coupling import Coupling
from revconsole.reversible.two_step import TwoStreams, from_both, from_newest


@dataclass(frozen=True, slots=True, kw_only=True)
class Midpoint(TwoStreams):
    """x₊ = x₋ + 2s·h(x).

    step: s. grid_bits: l of the grid 2⁻ˡ, for exact reconstruction; None keeps floats.
    """

    step: float = 1.0
    grid_bits: int | None = None

    name: ClassVar[str] = "midpoint"

    def couplings(self, block: nn.Module, index: int, draw: Tensor | None) -> tuple[Coupling, ...]:
        """An explicit Euler step first, midpoint steps from then on."""
        del draw
        h, step = residual(block), self.step
        if index == 0:
            return from_newest(index, lambda x: x + step * h(x))
        return from_both(index, lambda x: (2.0 * step) * h(x), scale=1.0)

    def error_growth(self, blocks: int) -> float:
        """See `arithmetic.midpoint`; 0 on a grid."""
        return arithmetic.midpoint(blocks, step=self.step, exact=self.grid is not None)
