"""BDIA: each block mixes the two states before it with a random ±γ in training; evaluated, it is the plain network.

    start     x₁ = x₀ + h₀(x₀)
    forward   x₊ = γ x₋ + (1 − γ) x + (1 + γ) h(x)        γ = ±g, drawn per sample and block
    inverse   x₋ = (x₊ − (1 − γ) x − (1 + γ) h(x)) / γ
    evaluate  γ = 0, its mean: the plain network, weights and all; or a constant `evaluation_gamma`
    kept      the signs drawn; on a grid b bits per activation for all blocks but first and last
    error     none on the grid 2⁻⁹, the paper's and the default; in floats, which are asked for with
              `grid_bits=None`, each rounding grows by 1/g per block below it

On the grid 2⁻ˡ (`grid_bits=l`) both terms are rounded to it, and b = 1 bit at g = ½ (2 at ¼) makes
the scaling of x₋ exact, so that every stream is restored to the bit (`torch.equal`) at any depth, in
float32 whatever the autocast type, and in float64 where the model is; gradients are those of
`stored` to rounding, as sums are made in another order. Evaluation at γ = 0 needs no way back and is
the plain network to the bit, where the paper rounds there too. The new state is computed as γ·x₋ + (1 + γ)·(x + h(x)) − 2γ·x, so that the block is summed
in its own order. At g = 0 nothing can be undone, and there is no grid.

Use it to train or fine-tune an unchanged architecture: pretrained weights carry over, and the
random γ regularises. Not where |x| may reach 2²⁴⁻ˡ, 32,768 at l = 9 (it raises), nor in a model
whose weights are bf16 or fp16. A constant −g is `momentum` at g that starts with `first`.

Source: Zhang, Lewis, Kleijn, "On Exact Bit-level Reversible Transformers Without Changing
Architectures" (arXiv 2407.09093, ICML 2025).
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from revconsole import arithmetic
from revconsole.errors import RevconsoleError
from revconsole.reversible.branches import called, step
from revconsole.reversible.coupling import Branch, Coupling
from revconsole.reversible.lossless import Grid
from revconsole.reversible.two_step import TwoStreams, from_both, from_newest, require_gamma

PAPER = 9  # bits of the paper's grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Bdia(TwoStreams):
    """x₊ = γ x₋ + (1 − γ) x + (1 + γ) h(x). Two streams that exchange roles at every block.

    gamma:            g in [0, 1], the magnitude of γ; the signs are drawn.
    grid_bits:        l of the grid 2⁻ˡ, for exact reconstruction; None keeps the streams in floats,
                      at any g.
    evaluation_gamma: γ of every block and sample in evaluation, in [-1, 1]; 0 is the paper's.
    """

    gamma: float = 0.5
    grid_bits: int | None = PAPER
    evaluation_gamma: float = 0.0

    name: ClassVar[str] = "bdia"
    draws: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0.0 <= self.gamma <= 1.0:
            raise RevconsoleError(f"the gamma of bdia lies in [0, 1], not at {self.gamma:g}")
        if self.grid and self.gamma not in arithmetic.LOST_BITS:
            raise RevconsoleError(
                f"bdia on a grid scales without loss at gamma 0.5, 0.25 or 1, not at {self.gamma:g}: "
                "grid_bits=None computes in floats"
            )
        if not -1.0 <= self.evaluation_gamma <= 1.0:
            raise RevconsoleError(
                f"the evaluation_gamma of bdia lies in [-1, 1], not at {self.evaluation_gamma:g}"
            )
        if self.grid and abs(self.evaluation_gamma) not in {0.0, self.gamma}:
            raise RevconsoleError(
                f"bdia on a grid evaluates at gamma 0 or ±{self.gamma:g}, "
                f"not at {self.evaluation_gamma:g}: grid_bits=None computes in floats"
            )

    @property
    def plain(self) -> str:
        """Evaluation is the plain network at γ = 0, and at no other."""
        return "never" if self.evaluation_gamma else "in evaluation"

    @property
    def grid(self) -> Grid | None:
        """The grid the streams live on, if any: none at g = 0."""
        return (
            Grid.of(self.grid_bits, arithmetic.LOST_BITS.get(self.gamma, 0)) if self.gamma else None
        )

    def couplings(self, block: nn.Module, index: int, draw: Tensor | None) -> tuple[Coupling, ...]:
        """draw: ±1 per sample, (B, 1, …, 1); None in evaluation."""
        if draw is None and self.evaluation_gamma == 0.0:
            return from_newest(index, called(block))
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

    def error_growth(self, blocks: int) -> float:
        """Error growth in floats, that of alternating signs; 0 on a grid; infinite at g = 0."""
        return arithmetic.bdia(blocks, gamma=self.gamma, exact=self.grid is not None)

    def require_inverse(self, blocks: int) -> None:
        """Raise NotInvertible at g = 0."""
        del blocks
        require_gamma(self.name, self.gamma, 0.5)
