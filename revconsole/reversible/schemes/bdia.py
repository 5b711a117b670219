"""A plain network averaged over random time steps that undo one another: BDIA.

    start     x₁ = x₀ + h₀(x₀)
    forward   x₊ = γ x₋ + (1 − γ) x + (1 + γ) h(x)        γ = ±g, drawn per sample and block
    inverse   x₋ = (x₊ − (1 − γ) x − (1 + γ) h(x)) / γ
    evaluate  γ = 0, its mean: the plain network, weights and all; or a constant `evaluation_gamma`
    kept      the signs drawn; on a grid b bits per activation for all blocks but first and last
    error     in floats each rounding grows by 1/g per block below it: lost after a dozen blocks
              at g = ½; on a grid none at all

On the grid 2⁻ˡ (`grid_bits=l`, the paper's is 9) both terms are rounded to it, and b = 1 bit at
g = ½ (2 at ¼) makes the scaling of x₋ exact, so that reconstruction is bit-equal at any depth, in
float32 whatever the autocast type; evaluation rounds each block's output to the same grid. The new
state is computed as γ·x₋ + (1 + γ)·(x + h(x)) − 2γ·x, so that the block is summed in its own order.

Use it to train or fine-tune an unchanged architecture: pretrained weights carry over, and the
random γ regularises. Use the grid beyond a dozen blocks. Not where |x| may reach 2²⁴⁻ˡ, 32,768 at
l = 9 (it raises). A constant −g is `momentum` at g that starts with `first`.

Source: Zhang, Lewis, Kleijn, "On Exact Bit-level Reversible Transformers Without Changing
Architectures" (arXiv 2407.09093, ICML 2025).
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from revconsole.errors import NotInvertible, RevconsoleError
from revconsole.reversible.branches import step
from revconsole.reversible.coupling import Branch, Coupling, Streams
from revconsole.reversible.lossless import Grid
from revconsole.reversible.two_step import from_both, from_newest, newest

DEEPEST_IN_FLOATS = 12  # float32 loses 3 of 7 digits by then at g = ½, and all of them by 24
LOST = {1.0: 0, 0.5: 1, 0.25: 2}  # bits per number that a scaling by ±g would lose


@dataclass(frozen=True, slots=True, kw_only=True)
class Bdia:
    """x₊ = γ x₋ + (1 − γ) x + (1 + γ) h(x). Two streams that exchange roles at every block.

    gamma:            g in [0, 1], the magnitude of γ; the signs are drawn.
    grid_bits:        l of the grid 2⁻ˡ, for exact reconstruction; None keeps the streams in floats.
    evaluation_gamma: γ of every block and sample in evaluation, in [-1, 1]; 0 is the paper's.
    """

    gamma: float = 0.5
    grid_bits: int | None = None
    evaluation_gamma: float = 0.0

    name: ClassVar[str] = "bdia"
    streams: ClassVar[int] = 2
    draws: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0.0 <= self.gamma <= 1.0:
            raise RevconsoleError(f"the gamma of bdia lies in [0, 1], not at {self.gamma:g}")
        if self.grid and self.gamma and self.gamma not in LOST:
            raise RevconsoleError(
                f"bdia on a grid scales without loss at gamma 0.5, 0.25 or 1, not at {self.gamma:g}"
            )
        if not -1.0 <= self.evaluation_gamma <= 1.0:
            raise RevconsoleError(
                f"the evaluation_gamma of bdia lies in [-1, 1], not at {self.evaluation_gamma:g}"
            )
        if self.grid and abs(self.evaluation_gamma) not in {0.0, self.gamma}:
            raise RevconsoleError(
                f"bdia on a grid evaluates at gamma 0 or ±{self.gamma:g}, not at {self.evaluation_gamma:g}"
            )

    @property
    def plain(self) -> str:
        """Evaluation is the plain network at γ = 0, and at no other."""
        return "never" if self.evaluation_gamma else "in evaluation"

    @property
    def grid(self) -> Grid | None:
        """The grid the streams live on, if any."""
        return Grid.of(self.grid_bits, LOST.get(self.gamma, 0))

    def lift(self, x: Tensor) -> Streams:
        """The first block replaces one of the two."""
        return (x, x)

    def couplings(self, block: nn.Module, index: int, draw: Tensor | None) -> tuple[Coupling, ...]:
        """draw: ±1 per sample, (B, 1, …, 1); None in evaluation."""
        if draw is None and self.evaluation_gamma == 0.0:
            return from_newest(index, block)
        plain = step(block)
        if index == 0 or (draw is not None and self.gamma == 0.0):
            return from_newest(index, plain)
        if draw is None:
            return from_both(index, self._evaluated(plain), scale=self.evaluation_gamma)
        gamma = self.gamma * draw
        twice = -2.0 * gamma
        return from_both(
            index,
            lambda x: torch.addcmul((1.0 + gamma) * plain(x), x, twice),
            scale=gamma,
        )

    def _evaluated(self, plain: Branch) -> Branch:
        """What a block adds in evaluation at a constant γ."""
        gamma = self.evaluation_gamma
        return lambda x: torch.add((1.0 + gamma) * plain(x), x, alpha=-2.0 * gamma)

    def merge(self, streams: Streams, blocks: int) -> Tensor:
        """The newest state."""
        return newest(streams, blocks)

    def error_growth(self, blocks: int) -> float:
        """Σ g⁻ᵏ over the blocks in floats; 0 on a grid; infinite at g = 0."""
        if self.gamma == 0.0:
            return math.inf
        return 0.0 if self.grid else sum(self.gamma**-k for k in range(blocks))

    def require_inverse(self, blocks: int) -> None:
        """Raise NotInvertible at g = 0, and beyond twelve blocks without a grid."""
        if self.gamma == 0.0:
            raise NotInvertible(
                "bdia with gamma 0 is the plain network and has no inverse: use gamma 0.5, "
                "or backward='checkpointed'"
            )
        if self.grid is None and self.gamma < 1.0 and blocks > DEEPEST_IN_FLOATS:
            raise NotInvertible(
                f"bdia in floats multiplies rounding by {1 / self.gamma:g} per block and loses its "
                f"activations over {blocks} blocks ({DEEPEST_IN_FLOATS} at most): set grid_bits=9, "
                "or choose backward='checkpointed' or 'stored'"
            )
