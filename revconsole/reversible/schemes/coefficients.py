"""Two residual weights that move during fine-tuning, from those of a pretrained network to those of a reversible one.

    start     x₁ = x₀ + h₀(x₀)
    forward   x₊ = β·x₋ + α·x + h(x)
    inverse   x₋ = (x₊ − α·x − h(x)) / β
    error     in floats a rounding grows by the inverse of the smaller root of r² − α·r − β per block
              below it: 10.9 at (1, 0.1), 1.43 at (0.3, 0.7), 1 at (0, 1); on a grid none at all
    kept      on a grid a store of the bits that β drops. In floats two states wherever a rounding
              would have grown five hundredfold since the last two: all of them while β is tiny, as
              checkpointing does, half of them at (1, 0.1), two of 19 at (0.3, 0.7)

At α = 1, β = 0 it is the network it came from, to the bit. `at` moves the weights in a straight
line, so that fine-tuning starts there and ends where the inverse is well-conditioned; weights with
α + β = 1 keep a constant state constant. Use it to fine-tune pretrained weights when `bdia`, which
needs no change of the function at all, does not suit. Not from scratch, where α and β mean nothing.

MEFT's λ and β are such weights on two streams. Source: Zhao et al. 2024, "Dr2Net: Dynamic Reversible
Dual-Residual Networks for Memory-Efficient Finetuning" (arXiv 2401.04105); Liao, Tan, Monz 2023,
"Make Pre-trained Model Reversible" (arXiv 2306.00477).
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from revconsole import arithmetic
from revconsole.errors import NotInvertible
from revconsole.reversible.branches import residual, step
from revconsole.reversible.coupling import Coupling
from revconsole.reversible.lossless import thousandths
from revconsole.reversible.two_step import TwoStreamsAndStore, from_both, from_newest

PAIR = 2  # states from which the ones before are recovered


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients(TwoStreamsAndStore):
    """x₊ = β·x₋ + α·x + h(x).

    alpha, beta: the weights at the start. end_alpha, end_beta: where they move to; None stays.
    grid_bits: l of the grid 2⁻ˡ, for exact reconstruction; None keeps floats.
    progress: how far they have moved, from 0 to 1; see `at`.
    """

    alpha: float = 1.0
    beta: float = 0.0
    end_alpha: float | None = 0.3
    end_beta: float | None = 0.7
    grid_bits: int | None = None
    progress: float = 0.0

    name: ClassVar[str] = "coefficients"

    def __post_init__(self) -> None:
        if self.grid_bits is not None:
            thousandths("beta", self.beta)
            thousandths("end_beta", self._end_beta)

    def at(self, progress: float) -> Self:
        """The scheme when the weights have moved that far, from 0 to 1."""
        return replace(self, progress=min(max(progress, 0.0), 1.0))

    @property
    def weights(self) -> tuple[float, float]:
        """α and β now. On a grid β moves in steps of a hundredth."""
        end_alpha = self.alpha if self.end_alpha is None else self.end_alpha
        beta = self.beta + (self._end_beta - self.beta) * self.progress
        if self.grid_bits is not None and 0.0 < self.progress < 1.0:
            beta = round(beta, 2)
        return self.alpha + (end_alpha - self.alpha) * self.progress, beta

    @property
    def plain(self) -> str:
        """`always` as long as the network is the one it came from: its blocks may then be called by themselves."""
        return "always" if self.weights == (1.0, 0.0) and self.grid is None else "never"

    def couplings(self, block: nn.Module, index: int, draw: Tensor | None) -> tuple[Coupling, ...]:
        """A plain step first, weighted ones from then on."""
        del draw
        alpha, beta = self.weights
        plain = block if self.plain == "always" else step(block)
        if index == 0:
            return from_newest(index, plain)
        h = residual(block)
        update = plain if alpha == 1.0 else lambda x: torch.add(h(x), x, alpha=alpha)
        if beta == 0.0:
            return from_both(index, update, scale=0.0, parks=True)
        if self.grid:
            ratio = Fraction(round(beta * 1000), 1000)
            return from_both(index, update, scale=ratio, earlier=(ratio,) * (index - 1))
        undone = arithmetic.longest_undone(alpha, beta)
        return from_both(index, update, scale=beta, parks=(index - 1) % (undone + PAIR) >= undone)

    def error_growth(self, blocks: int) -> float:
        """The most that it becomes on the way from start to end; 0 on a grid, infinite at β = 0."""
        start, end = self.at(0.0).weights, self.at(1.0).weights
        return arithmetic.coefficients(blocks, start=start, end=end, exact=self.grid is not None)

    def require_inverse(self, blocks: int) -> None:
        """Raise NotInvertible if β ends at 0."""
        del blocks
        if self.at(1.0).weights[1] == 0.0:
            raise NotInvertible(
                "coefficients whose beta ends at 0 forget the older state, and every state would be set "
                "aside: let end_beta be 0.7, say, or choose backward='checkpointed', which does the same"
            )

    @property
    def _end_beta(self) -> float:
        return self.beta if self.end_beta is None else self.end_beta
