"""Blocks in a row in one forward pass, each with its own backward."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import torch
from torch import Tensor, nn

from revconsole.errors import RevconsoleError
from revconsole.reversible.checkpointed import run_checkpointed
from revconsole.reversible.coupling import Streams, advance
from revconsole.reversible.extras import Extras
from revconsole.reversible.inventory import Inventories
from revconsole.reversible.lossless import Grid, peak, peak_of_changed
from revconsole.reversible.presence import HERE, Presence
from revconsole.reversible.reversal import run_reversibly
from revconsole.reversible.room import require_room
from revconsole.reversible.rounding import require_digits
from revconsole.reversible.scheme import UNDONE, Scheme
from revconsole.reversible.shapes import shapes_only
from revconsole.reversible.tape import Tape
from revconsole.reversible.transforms import recorded, require_reach


@dataclass(frozen=True, slots=True)
class WiredRun:
    """Blocks in a row under one scheme, for one forward pass."""

    scheme: Scheme
    extras: Extras
    tensors: tuple[Tensor, ...]
    inventories: Inventories
    presence: Presence = HERE

    def through(
        self, blocks: Sequence[nn.Module], backwards: Sequence[str], x: Tensor, signs: Tensor | None
    ) -> Tensor:
        """What the scheme makes of x over these blocks, each with its backward.

        signs: ±1, (blocks, B, 1, …, 1) with B on the axis of the batch, where the scheme draws.
        """
        grid, scheme = self.scheme.grid, self.scheme
        require_reach(x, backwards, exact=grid is not None)
        if grid is not None:
            x = _onto(grid, x)
        if UNDONE.intersection(backwards):
            scheme.require_inverse(len(blocks))
            weights = (p for block in blocks for p in self.inventories.of(block).parameters)
            require_digits(scheme, weights, backwards, x)
        streams, tapes, draws = scheme.lift(x), self._tapes(backwards), _rows(signs, x, len(blocks))
        watched = grid is not None and not recorded() and not shapes_only()
        peaks = [peak(x)] if watched else []
        for index, (block, backward, draw) in enumerate(zip(blocks, backwards, draws, strict=True)):
            before = streams
            streams = self.presence.arrive(block, streams)
            if backward in UNDONE:
                tape, anchored, given = tapes[index], backward == "anchored", self.tensors
                streams = run_reversibly(
                    tape, block, index, draw, streams, extras=given, anchored=anchored
                )
            elif backward == "checkpointed":
                through, given = partial(self._stored, block, index), self.tensors
                inventory = self.inventories.of(block)
                streams = run_checkpointed(
                    through, inventory, index, draw, streams, extras=self.extras, tensors=given
                )
            else:
                streams = self._stored(block, index, draw, streams, self.tensors)
            streams = self.presence.depart(block, streams)
            if watched:
                peaks.append(peak_of_changed(streams[:2], before))
        after = scheme.merge(streams, len(blocks))
        if grid is not None and watched:
            require_room(grid, peaks, x.dtype, after)
        return after

    def _tapes(self, backwards: Sequence[str]) -> dict[int, Tape]:
        """The tape of its stretch for each reversed block, by index."""
        tapes: dict[int, Tape] = {}
        stretches = groupby(range(len(backwards)), lambda index: backwards[index] in UNDONE)
        for reversed_, group in stretches:
            indices = list(group)
            if reversed_:
                tape = Tape(
                    scheme=self.scheme,
                    first=indices[0],
                    last=indices[-1],
                    extras=self.extras,
                    inventories=self.inventories,
                )
                tapes |= dict.fromkeys(indices, tape)
        return tapes

    def _stored(
        self,
        block: nn.Module,
        index: int,
        draw: Tensor | None,
        streams: Streams,
        extras: Sequence[Tensor],
    ) -> Streams:
        bound = self.extras.bound(block, extras)
        for coupling in self.scheme.couplings(bound, index, draw):
            streams, _ = advance(coupling, streams, self.scheme.grid)
        return streams


def _onto(grid: Grid, x: Tensor) -> Tensor:
    """The embedding on the grid, in the grid's dtype."""
    if coarse(x):
        raise RevconsoleError(
            f"an exact scheme keeps its streams in float32, and this model computes in {x.dtype}: "
            "keep the weights in float32 and use torch.autocast, or leave the grid (grid_bits=None)"
        )
    return grid.round(x.to(grid.dtype(x.dtype)))


def coarse(x: Tensor) -> bool:
    """Whether a model computes in fewer bits than float32 throughout."""
    few = x.dtype.itemsize < torch.float32.itemsize
    return few and not torch.is_autocast_enabled(x.device.type)


def _rows(signs: Tensor | None, x: Tensor, blocks: int) -> Sequence[Tensor | None]:
    """One row of signs per block in the dtype of x; None for each where nothing is drawn."""
    return [None] * blocks if signs is None else list(signs.to(x).unbind())
