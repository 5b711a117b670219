"""The plain residual network, which everything else is compared with.

    forward   x ← x + h(x)
    inverse   none in closed form
    kept      all activations (`stored`), or one stream per block (`checkpointed`)
    error     not applicable

Use it as the baseline, and with `backward="checkpointed"` as the honest rival of every reversible
scheme. It is the block's own forward, so it equals the model it came from bit for bit.

Source: He et al. 2016, "Deep Residual Learning"; Dosovitskiy et al. 2021 for the transformer block.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from revconsole.errors import NotInvertible
from revconsole.reversible.branches import called
from revconsole.reversible.coupling import Coupling, Streams


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """x ← x + h(x), one stream, no inverse."""

    name: ClassVar[str] = "residual"
    streams: ClassVar[int] = 1
    draws: ClassVar[bool] = False
    plain: ClassVar[str] = "always"
    grid: ClassVar[None] = None

    def lift(self, x: Tensor) -> Streams:
        """The one stream is the embedding."""
        return (x,)

    def couplings(self, block: nn.Module, index: int, draw: Tensor | None) -> tuple[Coupling, ...]:
        """The whole block in place of its input. It reads what it replaces: hence no inverse."""
        del index, draw
        return (Coupling(target=0, source=0, residual=called(block), scale=0.0),)

    def merge(self, streams: Streams, blocks: int) -> Tensor:
        """The one stream."""
        del blocks
        return streams[0]

    def error_growth(self, blocks: int) -> float:
        """Infinite: there is no inverse."""
        del blocks
        return math.inf

    def require_inverse(self, blocks: int) -> None:
        """Always raises NotInvertible."""
        del blocks
        raise NotInvertible(
            "a plain residual network has no inverse to reconstruct activations with: choose the "
            "scheme 'bdia', 'momentum' or 'additive', or backward='checkpointed'"
        )
