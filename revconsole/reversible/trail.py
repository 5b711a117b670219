"""What a coupling of a reversed block leaves for its way back."""

from typing import NamedTuple

from torch import Tensor

from revconsole.reversible.coupling import Coupling, Lost
from revconsole.reversible.lossless import Grid, pack_store, unpack_store


class Kept(NamedTuple):
    """What one coupling keeps for its way back; None for what it does not need.

    bits: the packed remainder of its target. parked: the stream it set aside.
    cpu, device: generator states before its residual.
    """

    bits: Tensor | None = None
    parked: Tensor | None = None
    cpu: Tensor | None = None
    device: Tensor | None = None

    def lost(self, coupling: Coupling, like: Tensor, grid: Grid | None) -> Lost:
        """What `undo` needs. like: the target."""
        remainder, parked = None, self.parked
        if grid is not None and self.bits is not None:
            remainder = grid.unpack(self.bits, like.shape)
        if parked is not None and coupling.parks == coupling.store:
            parked = unpack_store(parked, like.dtype)
        return Lost(remainder=remainder, parked=parked)


def kept_of(
    lost: Lost, coupling: Coupling, grid: Grid | None, generators: tuple[Tensor | None, ...]
) -> Kept:
    """What has to be kept so that the coupling can be undone."""
    bits, parked = None, lost.parked
    recovered = parked is None or coupling.parks != coupling.target
    if grid is not None and lost.remainder is not None and recovered:
        bits = grid.pack(lost.remainder)
    if parked is not None and coupling.parks == coupling.store:
        parked = pack_store(parked)
    return Kept(bits=bits, parked=parked, cpu=generators[0], device=generators[1])
