"""Two streams that update each other in turn: RevViT.

    forward   x₁ ← x₁ + F(x₂);  x₂ ← x₂ + G(x₁)      F attention, G MLP, no skip inside either
    inverse   x₂ ← x₂ − G(x₁);  x₁ ← x₁ − F(x₂)
    start     both streams are the embedding
    end       fused by `concat` (the final norm and the head are 2D wide) or by `mean`
    kept      nothing per block
    error     with the root of the depth: each block's rounding arrives unamplified; on a grid none

Use it for the least memory and the most trustworthy float reconstruction, training from scratch.
It is another function of the same weights, so pretrained weights do not carry over. Both streams
have the full width D; the branches keep their norm, LayerScale and DropPath. Under drop-path the
two branches of a block drop independently of one another, where SlowFast ties them by one seed.

Source: Gomez et al. 2017 (RevNet); Mangalam et al. 2022, "Reversible Vision Transformers"
(arXiv 2302.04869).
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from revconsole import arithmetic
from revconsole.errors import NotInvertible, UnknownName
from revconsole.reversible.branches import branches
from revconsole.reversible.coupling import Branch, Coupling, Streams
from revconsole.reversible.splits import in_turn
from revconsole.reversible.two_step import TwoStreams

FUSIONS = ("concat", "mean")


@dataclass(frozen=True, slots=True, kw_only=True)
class Additive(TwoStreams):
    """x₁ ← x₁ + F(x₂), x₂ ← x₂ + G(x₁).

    fuse: `concat` gives the head both streams, (…, 2D); `mean` their average, (…, D).
    grid_bits: l of the grid 2⁻ˡ, for exact reconstruction; None keeps floats.
    """

    fuse: Literal["concat", "mean"] = "concat"
    grid_bits: int | None = None

    name: ClassVar[str] = "additive"

    def __post_init__(self) -> None:
        if self.fuse not in FUSIONS:
            raise UnknownName("fuse of the scheme additive", self.fuse, FUSIONS)

    def couplings(self, block: nn.Module, index: int, draw: Tensor | None) -> tuple[Coupling, ...]:
        """F into the first stream, then G into the second."""
        del draw
        return crossing(*halves(block, index, self.name))

    def merge(self, streams: Streams, blocks: int) -> Tensor:
        """(…, 2D) or (…, D); see `fuse`."""
        del blocks
        if self.fuse == "concat":
            return torch.cat(streams, dim=-1)
        return (streams[0] + streams[1]) / 2

    def error_growth(self, blocks: int) -> float:
        """See `arithmetic.unamplified`; 0 on a grid."""
        return arithmetic.unamplified(blocks, exact=self.grid is not None)


def crossing(first: Branch, second: Branch) -> tuple[Coupling, Coupling]:
    """The first branch adds to stream 0 what it makes of stream 1, then the second the other way round."""
    to_first = Coupling(target=0, source=1, residual=first)
    return to_first, Coupling(target=1, source=0, residual=second)


def halves(block: nn.Module, index: int, scheme: str) -> tuple[Branch, Branch]:
    """The two branches of a block; of three, the first two are one.

    Raises NotInvertible if it has more or fewer.
    """
    parts = branches(block)
    if len(parts) not in {2, 3}:
        raise NotInvertible(
            f"the scheme {scheme} needs two branches in each block, and block {index} "
            f"({type(block).__name__}) has {len(parts)}: choose 'bdia' or 'momentum'"
        )
    return in_turn(parts[:-1]), parts[-1]
