"""Attention and MLP as the two halves of one motion: position and momentum push each other in turn.

    forward   q ← q + s·A(p);  p ← p + s·M(q)       A attention, M MLP, no skip inside either
    inverse   p ← p − s·M(q);  q ← q − s·A(p)
    start     both are the embedding
    end       p, of the model's own width
    kept      nothing per block
    error     with the root of the depth: each block's rounding arrives unamplified; on a grid none

The couplings are those of `additive`; what differs is the step s and the end, which reads one
stream and so leaves norm and head as they are. Use it where a two-stream network should keep the
plain head, or with a small s in very deep stacks. Not for pretrained weights. Published trainings of
language models rank it behind the midpoint rules.

Source: Chang et al. 2018 (arXiv 1709.03698); Gal et al. 2025 (arXiv 2512.02056), equations 2.8 and
2.9.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from revconsole import arithmetic
from revconsole.reversible.coupling import Coupling, Streams
from revconsole.reversible.schemes.additive import crossing, halves
from revconsole.reversible.two_step import TwoStreams


@dataclass(frozen=True, slots=True, kw_only=True)
class Hamiltonian(TwoStreams):
    """q ← q + s·A(p), p ← p + s·M(q). The streams are (q, p).

    step: s. grid_bits: l of the grid 2⁻ˡ, for exact reconstruction; None keeps floats.
    """

    step: float = 1.0
    grid_bits: int | None = None

    name: ClassVar[str] = "hamiltonian"

    def couplings(self, block: nn.Module, index: int, draw: Tensor | None) -> tuple[Coupling, ...]:
        """Attention moves the position, then the MLP the momentum."""
        del draw
        attention, mlp = halves(block, index, self.name)
        step = self.step
        if step == 1.0:
            return crossing(attention, mlp)
        return crossing(lambda p: step * attention(p), lambda q: step * mlp(q))

    def merge(self, streams: Streams, blocks: int) -> Tensor:
        """The momentum, which the last block moved last."""
        del blocks
        return streams[1]

    def error_growth(self, blocks: int) -> float:
        """See `arithmetic.unamplified`; 0 on a grid."""
        return arithmetic.unamplified(blocks, exact=self.grid is not None)
