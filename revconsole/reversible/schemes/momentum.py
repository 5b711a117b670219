"""The residual network with a velocity: Momentum ResNet.

    forward   v ← γ v + (1 − γ) h(x);  x ← x + v
    inverse   x ← x − v;  v ← (v − (1 − γ) h(x)) / γ
    start     v = 0 (`zero`), or v = h₀(x₀) (`first`), which makes the first step a plain one
    kept      nothing per block
    error     each block's rounding grows by 1/γ per block below it: 1.11 at γ = 0.9

Use it where a stack must be reversible with one stream of the model's width and the plain head. It
is another function of the same weights: start from γ near 0 or train longer when fine-tuning. Not
for small γ in deep stacks, where the inverse drowns in rounding (see `error_growth`). γ = 0 is the
plain network and has no inverse. With `first` it is BDIA at a constant −γ.

Source: Sander, Ablin, Blondel, Peyré 2021, "Momentum Residual Neural Networks" (arXiv 2102.07870).
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from revconsole.errors import NotInvertible, RevconsoleError, UnknownName
from revconsole.reversible.branches import residual
from revconsole.reversible.coupling import Coupling, Streams, itself

STARTS = ("zero", "first")


@dataclass(frozen=True, slots=True, kw_only=True)
class Momentum:
    """v ← γ v + (1 − γ) h(x), x ← x + v. The streams are (x, v).

    gamma: γ in [0, 1). start: the initial velocity, `zero` or `first`, h₀(x₀).
    """

    gamma: float = 0.9
    start: Literal["zero", "first"] = "zero"

    name: ClassVar[str] = "momentum"
    streams: ClassVar[int] = 2
    draws: ClassVar[bool] = False
    plain: ClassVar[str] = "never"
    grid: ClassVar[None] = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.gamma < 1.0:
            raise RevconsoleError(f"the gamma of momentum lies in [0, 1), not at {self.gamma:g}")
        if self.start not in STARTS:
            raise UnknownName("start of the scheme momentum", self.start, STARTS)

    def lift(self, x: Tensor) -> Streams:
        """The first block replaces the velocity, so what stands in its place does not matter."""
        return (x, x)

    def couplings(self, block: nn.Module, index: int, draw: Tensor | None) -> tuple[Coupling, ...]:
        """The velocity from the block, then the position from the velocity."""
        del draw
        h = residual(block)
        weight = 1.0 if index == 0 and self.start == "first" else 1.0 - self.gamma
        scale = 0.0 if index == 0 else self.gamma
        return (
            Coupling(target=1, source=0, residual=lambda x: weight * h(x), scale=scale),
            Coupling(target=0, source=1, residual=itself),
        )

    def merge(self, streams: Streams, blocks: int) -> Tensor:
        """The position; the last velocity is dropped."""
        del blocks
        return streams[0]

    def error_growth(self, blocks: int) -> float:
        """Σ γ⁻ᵏ over the blocks; infinite at γ = 0."""
        return math.inf if self.gamma == 0.0 else sum(self.gamma**-k for k in range(blocks))

    def require_inverse(self, blocks: int) -> None:
        """Raise NotInvertible at γ = 0, where the velocity is forgotten at once."""
        del blocks
        if self.gamma == 0.0:
            raise NotInvertible(
                "momentum with gamma 0 is the plain network and has no inverse: use gamma 0.9, "
                "or backward='checkpointed'"
            )
