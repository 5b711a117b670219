"""Inspection: what the kept weights of a run show: how its positions resemble each other, where its attention lies.

Plain values, so that they may be drawn without torch. Shapes: G tokens on a side of the grid, N = G² tokens, D width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from revconsole.records.findings.samples import Picture

Rows = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """Position encodings of the patches' tokens, row by row of the image; that of a class token is left out.

    table: (N, D). similarity: (N, N), the cosine of every position with every other.
    """

    kind: Literal["learned", "fixed"]
    side: int
    table: Rows
    similarity: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Attended:
    """One test image, its class, what it was called, and the share of the attention that each patch has, (G, G).

    The shares sum to 1 over the patches.
    """

    picture: Picture
    truth: str
    called: str
    shares: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionRollout:
    """Attention rolled out over blocks. of: whose it is. blocks: how many softmax attentions it went through."""

    of: Literal["the class token", "the mean over all tokens"]
    blocks: int
    side: int
    images: tuple[Attended, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What one checkpoint shows. best: whether it is of the best epoch, the one that was tested.

    positions, attention: or the reason why there are none.
    """

    epoch: int
    step: int
    best: bool
    positions: Positions | str
    attention: AttentionRollout | str
