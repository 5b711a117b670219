"""Inspection: similarity of the position encodings and attention maps of a run's kept weights.

Plain values, which can be drawn without torch. Shapes: R rows and C columns of the grid, N = R · C tokens, D width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from revconsole.records.findings.samples import Picture

Rows = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """Position encodings of the patch tokens, row by row of the image, without the class token.

    table: (N, D). similarity: (N, N), cosine similarity of every pair of positions.
    """

    kind: Literal["learned", "fixed"]
    grid: tuple[int, int]
    table: Rows
    similarity: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Attended:
    """One test image with its class, the predicted one, and each patch's share of the attention, (R, C), of sum 1."""

    picture: Picture
    truth: str
    called: str
    shares: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionRollout:
    """Attention rolled out over blocks. of: whose attention. blocks: number of softmax attentions included."""

    of: Literal["the class token", "the mean over all tokens"]
    blocks: int
    grid: tuple[int, int]
    images: tuple[Attended, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """One checkpoint. best: whether of the best epoch, the tested one. positions, attention: or the reason why there are none."""

    epoch: int
    step: int
    best: bool
    positions: Positions | str
    attention: AttentionRollout | str
