"""The two-step family: a new state from the newest and the one before it.

    start     x₁ = x₀ + c·h₀(x₀)
    forward   x₊ = a·x₋ + b·x + c·h(x)
    inverse   x₋ = (x₊ − b·x − c·h(x)) / a

Two streams exchange roles at every block: the new state is written over the older one, which is one
coupling with scale a. The schemes bdia, midpoint, leapfrog, midpoint_a and coefficients are its
members, momentum is one in other coordinates. Without the residual the states grow by the roots of
r² − b·r − a, and an error made on the way back grows by their inverses: b = 1 − a has the roots
1 and −a.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

from torch import Tensor

from revconsole.reversible.coupling import Branch, Coupling, Streams
from revconsole.reversible.lossless import store_fills

STORE = 2  # the third stream, where there is one
SLOPE = 0.15  # of a block's residual, in the mean over the directions of an error: ViTs, fresh and rough


def from_newest(index: int, residual: Branch) -> tuple[Coupling, ...]:
    """The new state from the newest alone: how a stack begins, and every block of a plain network."""
    return (Coupling(target=1 - index % 2, source=index % 2, residual=residual, scale=0.0),)


def from_both(
    index: int,
    residual: Branch,
    *,
    scale: float | Fraction | Tensor,
    earlier: Sequence[Fraction] = (),
    parks: bool = False,
) -> tuple[Coupling, ...]:
    """The new state, written over the older one: scale · older + residual(newest).

    earlier: the ratios that the older states were scaled by before, where the bits that are lost go
    to a store. parks: set the older state aside instead of recovering it.
    """
    source, target = index % 2, 1 - index % 2
    if isinstance(scale, Fraction) and abs(scale) != 1:
        full = store_fills((*earlier, scale))
        parked = target if parks else STORE if full else None
        store: int | None = STORE
    else:
        parked, store = target if parks else None, None
    return (
        Coupling(
            target=target,
            source=source,
            residual=residual,
            scale=scale,
            store=store,
            parks=parked,
        ),
    )


def newest(streams: Streams, blocks: int) -> Tensor:
    """The state after that many blocks."""
    return streams[blocks % 2]


def error_growth(weights: Sequence[tuple[float, float, float]]) -> float:
    """How many roundings the worse of the two states carries once these blocks are undone.

    weights: a, b and c of each block. An inverse, x₋ = (x₊ − b·x − c·h(x)) / a, makes roundings of its
    own, of the state and of what b and c weigh, and hands on those of both states it reads. They are
    of all signs, so that their squares add up.
    """
    newer = older = together = worst = 0.0  # variances and covariance, in squared roundings
    for a, b, c in reversed(weights):
        made = (1.0 + abs(b) + abs(c)) ** 2
        handed_on = newer + (b * b + (c * SLOPE) ** 2) * older - 2.0 * b * together
        newer, older, together = older, handed_on / a / a + made, (together - b * older) / a
        if not math.isfinite(older):
            return math.inf
        worst = max(worst, older)
    return math.sqrt(worst)
