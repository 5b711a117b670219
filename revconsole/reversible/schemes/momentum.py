"""The residual network with a velocity: Momentum ResNet.

    forward   v ← γ v + (1 − γ) h(x);  x ← x + v
    inverse   x ← x − v;  v ← (v − (1 − γ) h(x)) / γ
    start     v = 0 (`zero`), or v = h₀(x₀) (`first`), which makes the first step a plain one
    kept      nothing per block; on a grid also a store of the bits that γ drops, 3 bytes per
              activation for every 136 blocks at γ = 0.9, 23 at γ = ½
    error     each block's rounding grows by 1/γ per block below it: 1.11 at γ = 0.9; on a grid
              none at all

Use it where a stack must be reversible with one stream of the model's width and the plain head. It
is another function of the same weights: start from γ near 0 or train longer when fine-tuning. Not
for small γ in deep stacks without a grid, where the inverse drowns in rounding (`rounding` refuses it).
γ = 0 is the plain network and has no inverse. With `first` it is BDIA at a constant −γ.

On the grid 2⁻ˡ position, velocity and each push (1 − γ)·h(x) are rounded to it, and the velocity is
scaled by γ as a ratio of whole numbers in floor arithmetic, right for negative numbers too.

Source: Sander, Ablin, Blondel, Peyré 2021, "Momentum Residual Neural Networks" (arXiv 2102.07870).
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from revconsole import arithmetic
from revconsole.errors import RevconsoleError, UnknownName
from revconsole.reversible.branches import residual
from revconsole.reversible.coupling import Branch, Coupling, Streams, itself
from revconsole.reversible.lossless import store_fills, thousandths
from revconsole.reversible.two_step import STORE, TwoStreamsAndStore, require_gamma

STARTS = ("zero", "first")


@dataclass(frozen=True, slots=True, kw_only=True)
class Momentum(TwoStreamsAndStore):
    """v ← γ v + (1 − γ) h(x), x ← x + v. The streams are (x, v), on a grid (x, v, store).

    gamma: γ in [0, 1). start: the initial velocity, `zero` or `first`, h₀(x₀).
    grid_bits: l of the grid 2⁻ˡ, for exact reconstruction; None keeps floats.
    """

    gamma: float = 0.9
    start: Literal["zero", "first"] = "zero"
    grid_bits: int | None = None

    name: ClassVar[str] = "momentum"

    def __post_init__(self) -> None:
        if not 0.0 <= self.gamma < 1.0:
            raise RevconsoleError(f"the gamma of momentum lies in [0, 1), not at {self.gamma:g}")
        if self.start not in STARTS:
            raise UnknownName("start of the scheme momentum", self.start, STARTS)
        if self.grid:
            thousandths("gamma", self.gamma)

    def couplings(self, block: nn.Module, index: int, draw: Tensor | None) -> tuple[Coupling, ...]:
        """The velocity from the block, then the position from the velocity."""
        del draw
        h = residual(block)
        weight = 1.0 if index == 0 and self.start == "first" else 1.0 - self.gamma
        return (
            self._velocity(index, lambda x: (weight * h(x)).to(x.dtype)),  # autocast gives bf16
            Coupling(target=0, source=1, residual=itself),
        )

    def _velocity(self, index: int, push: Branch) -> Coupling:
        if index == 0 or self.gamma == 0.0:
            return Coupling(target=1, source=0, residual=push, scale=0.0)
        if self.grid is None:
            return Coupling(target=1, source=0, residual=push, scale=self.gamma)
        ratio = thousandths("gamma", self.gamma)
        parks = STORE if store_fills((ratio,) * index) else None
        return Coupling(target=1, source=0, residual=push, scale=ratio, store=STORE, parks=parks)

    def merge(self, streams: Streams, blocks: int) -> Tensor:
        """The position; the last velocity is dropped."""
        del blocks
        return streams[0]

    def error_growth(self, blocks: int) -> float:
        """See `arithmetic.momentum`; infinite at γ = 0, 0 on a grid."""
        return arithmetic.momentum(blocks, gamma=self.gamma, exact=self.grid is not None)

    def require_inverse(self, blocks: int) -> None:
        """Raise NotInvertible at γ = 0."""
        del blocks
        require_gamma(self.name, self.gamma, 0.9)
