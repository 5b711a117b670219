"""What a scheme is, and the list of them.

A scheme is a frozen, stateless value: how many streams there are, which couplings a block becomes,
and what happens at the two ends. Everything else (inverse, gradient, randomness, precision, what is
kept) belongs to the engine and is the same for all.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Literal, Protocol

from torch import Tensor, nn

from revconsole.errors import UnknownName
from revconsole.reversible.coupling import Coupling, Streams
from revconsole.reversible.lossless import Grid
from revconsole.reversible.schemes.additive import Additive
from revconsole.reversible.schemes.bdia import Bdia
from revconsole.reversible.schemes.coefficients import Coefficients
from revconsole.reversible.schemes.hamiltonian import Hamiltonian
from revconsole.reversible.schemes.leapfrog import Leapfrog
from revconsole.reversible.schemes.midpoint import Midpoint
from revconsole.reversible.schemes.midpoint_a import MidpointA
from revconsole.reversible.schemes.momentum import Momentum
from revconsole.reversible.schemes.residual import Residual


class Scheme(Protocol):
    """How a stack of blocks advances its streams, and how it can be undone.

    name: as in profiles. streams: how many there are, each of the embedding's shape; a store of lost bits is one. draws:
    whether training draws a sign per sample and block. plain: when calling the blocks one after the other gives the
    scheme's result: `always`, `in evaluation` or `never`.
    """

    name: ClassVar[str]
    draws: ClassVar[bool]

    @property
    def streams(self) -> int: ...  # noqa: D102  see the class

    @property
    def plain(self) -> str: ...  # noqa: D102  see the class

    @property
    def grid(self) -> Grid | None:
        """The grid of an exact scheme, with the bits it keeps per activation; None in floats."""

    def lift(self, x: Tensor) -> Streams:
        """The streams at the start."""

    def couplings(self, block: nn.Module, index: int, draw: Tensor | None) -> tuple[Coupling, ...]:
        """What block `index` does to the streams.

        draw: the signs of this block, ±1 of shape (B, 1, …, 1) in the streams' dtype; None in
        evaluation and for a scheme that draws nothing. The same call is made again in the backward.
        """

    def merge(self, streams: Streams, blocks: int) -> Tensor:
        """What the stack hands on after that many blocks."""

    def error_growth(self, blocks: int) -> float:
        """How many roundings, amplified on their way down, the reconstructed input carries.

        0 where reconstruction is exact, infinite where there is none. Multiply by the rounding of the streams' dtype
        (6e-8 in float32) for the relative error to expect at least; steep blocks add their own slope.
        """

    def require_inverse(self, blocks: int) -> None:
        """Raise NotInvertible, saying what to use instead, if that many blocks cannot be undone."""


SCHEMES: Mapping[str, type[Scheme]] = {
    kind.name: kind
    for kind in (
        Residual,
        Additive,
        Momentum,
        Bdia,
        Midpoint,
        Leapfrog,
        Hamiltonian,
        MidpointA,
        Coefficients,
    )
}
"""Every scheme by its name: to add one, its class."""
Backward = Literal["stored", "checkpointed", "reversible", "anchored"]
BACKWARDS: tuple[Backward, ...] = ("stored", "checkpointed", "reversible")
"""The backwards of a whole model; single blocks may also be `anchored`."""
UNDONE: frozenset[str] = frozenset({"reversible", "anchored"})
"""The backwards that reconstruct the input of a block from its output."""


def make_scheme(name: str, options: Mapping[str, float | str | None] | None = None) -> Scheme:
    """The scheme of that name; `options` are the fields of its class, for instance `grid_bits`.

    Raises UnknownName for a scheme or an option that does not exist.
    """
    if name not in SCHEMES:
        raise UnknownName("scheme", name, SCHEMES)
    kind: Any = SCHEMES[name]
    known = [field.name for field in fields(kind)]
    for option in options or {}:
        if option not in known:
            raise UnknownName(f"option of the scheme {name}", option, known)
    scheme: Scheme = kind(**(options or {}))
    return scheme
