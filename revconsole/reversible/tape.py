"""What a backward needs of a stretch of blocks that are undone one after the other, of each of them and of each coupling."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from revconsole.reversible.coupling import Coupling, Lost, Streams, itself
from revconsole.reversible.extras import Extras
from revconsole.reversible.inventory import Inventories, Inventory
from revconsole.reversible.lossless import Grid, pack_store, unpack_store
from revconsole.reversible.outside import Outside
from revconsole.reversible.replay import Arithmetic
from revconsole.reversible.scheme import Scheme


@dataclass(slots=True, kw_only=True)
class Tape:
    """Some blocks in a row in one forward pass, and the streams on their way back through them.

    first, last: index of the first and the last of the blocks. extras: what all of them are given. inventories: of the
    blocks of the sequence. after: the block after which the streams stood as they are here; none outside the backward.
    outside: where the random numbers of Python and numpy stood after the last block, in the forward.
    """

    scheme: Scheme
    first: int
    last: int
    extras: Extras
    inventories: Inventories
    after: int | None = None
    streams: Streams = ()
    outside: Outside | None = None

    def put(self, after: int | None, streams: Streams) -> None:
        """Leave the streams for the block `after`."""
        self.after, self.streams = after, streams

    def take(self, after: int) -> Streams:
        """The streams that were left for that block, of which the tape lets go."""
        if self.after != after:
            raise RuntimeError(f"block {after} runs backward out of turn, as {self.after} is next")
        streams = self.streams
        self.put(None, ())
        return streams


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoneBlock:
    """One block in one forward pass: all that its backward needs and is not a tensor."""

    tape: Tape
    inventory: Inventory
    index: int
    arithmetic: Arithmetic
    device: torch.device
    anchored: bool

    @property
    def scheme(self) -> Scheme:
        """The scheme of the pass."""
        return self.tape.scheme

    @property
    def block(self) -> nn.Module:
        """The block."""
        return self.inventory.block

    @property
    def last(self) -> bool:
        """Whether this block keeps the streams, as no block follows that could restore them."""
        return self.index == self.tape.last

    def couplings(self, draw: Tensor | None, extras: Sequence[Tensor]) -> tuple[Coupling, ...]:
        """The couplings of the block under that draw, computing with these extra tensors."""
        block = self.tape.extras.bound(self.block, extras)
        couplings = self.scheme.couplings(block, self.index, draw)
        at = self.anchor(couplings)
        if at is None or couplings[at].replaces:
            return couplings
        parking = replace(couplings[at], parks=couplings[at].target)
        return (*couplings[:at], parking, *couplings[at + 1 :])

    def anchor(self, couplings: Sequence[Coupling]) -> int | None:
        """The coupling whose target is set aside, of an anchored block: the last that evaluates something."""
        places = [
            n for n, c in enumerate(couplings) if c.residual is not itself and c.store is None
        ]
        return places[-1] if self.anchored and places else None

    def undone(self, number: int, of: int) -> bool:
        """Whether coupling `number` of the block's `of` is undone: not so at either end of the tape."""
        at_the_end = self.last and number == of - 1
        at_the_start = self.index == self.tape.first and number == 0
        return not at_the_end and not at_the_start


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
