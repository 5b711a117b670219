"""The leapfrog rule: a second-order equation of motion, x″ = h(x), in steps of s.

    start     x₁ = x₀ + s²·h₀(x₀)                at rest: the state before x₀ is x₀ too
    forward   x₊ = 2x − x₋ + s²·h(x)
    inverse   x₋ = 2x − x₊ + s²·h(x)
    kept      nothing per block
    error     each block's rounding grows linearly with the blocks below it, so all of them
              with the depth to the power of 1.5; on a grid none at all

Use it for exact reconstruction without memory, like `midpoint`, where the network should carry a
velocity: it is `momentum` without friction. Not for pretrained weights. The velocity is never
damped, so states grow faster with depth than a plain network's: lower the step, or normalise.

Source: Chang et al. 2018, "Reversible Architectures for Arbitrarily Deep Residual Neural Networks"
(arXiv 1709.03698); Gal et al. 2025 (arXiv 2512.02056), equations 2.6 and 2.7.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from revconsole import arithmetic
from revconsole.reversible.branches import residual
from revconsole.reversible.coupling import Coupling
from revconsole.reversible.two_step import TwoStreams, from_both, from_newest


@dataclass(frozen=True, slots=True, kw_only=True)
class Leapfrog(TwoStreams):
    """x₊ = 2x − x₋ + s²·h(x).

    step: s. grid_bits: l of the grid 2⁻ˡ, for exact reconstruction; None keeps floats.
    """

    step: float = 1.0
    grid_bits: int | None = None

    name: ClassVar[str] = "leapfrog"

    def couplings(self, block: nn.Module, index: int, draw: Tensor | None) -> tuple[Coupling, ...]:
        """The older state is reflected in the newest and pushed by the residual."""
        del draw
        h, square = residual(block), self.step**2
        if index == 0:
            return from_newest(index, lambda x: torch.add(x, h(x), alpha=square))
        return from_both(index, lambda x: torch.add(2.0 * x, h(x), alpha=square), scale=-1.0)

    def error_growth(self, blocks: int) -> float:
        """See `arithmetic.leapfrog`; 0 on a grid."""
        return arithmetic.leapfrog(blocks, step=self.step, exact=self.grid is not None)
