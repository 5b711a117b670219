"""Updates: by how much one step changes the weights of each block, relative to their size.

The weights are read before a step's update and again before the next one, for one step between two reports, so that an
ordinary step does nothing for it. Of a tensor with more weights than `SAMPLED` that many are read, at random places
that stay the same: a copy of all weights would be memory that the run does not need otherwise. On a CPU as on a GPU
nothing is waited for before the report reads the ratios.
"""

import math

import torch
from torch import Tensor

from revconsole.records.logs.per_block import of_block
from revconsole.training.setup.blocks import blocks_of
from revconsole.training.setup.training_state import TrainingState

UPDATE_RATIO = "update_ratio"
SAMPLED = 1024
"""Weights of a tensor that are read at most."""


class BlockUpdates:
    """The relative size of an update by block, ‖Δw‖ / ‖w‖, w the weights of the block before it."""

    def __init__(self, state: TrainingState) -> None:
        blocks = list(blocks_of(state.readable).values())
        self._blocks = blocks if len(blocks) > 1 else []
        generator = torch.Generator().manual_seed(0)
        self._places = [[_places(w, generator) for w in block] for block in self._blocks]
        self._before: list[list[Tensor]] | None = None
        self._ratios: Tensor | None = None

    @torch.no_grad()
    def begin(self) -> None:
        """Remember the weights before the update of a step."""
        if self._blocks:
            self._before = self._read()

    @torch.no_grad()
    def end(self) -> None:
        """Compare with the weights after that update; call it before the next one. Does nothing without `begin`."""
        if self._before is None:
            return
        before, self._before = self._before, None
        shares = [[w.numel() for w in block] for block in self._blocks]
        sizes = [_size(old, each) for old, each in zip(before, shares, strict=True)]
        changes = [
            _size([a - b for a, b in zip(new, old, strict=True)], each)
            for new, old, each in zip(self._read(), before, shares, strict=True)
        ]
        self._ratios = torch.stack(changes) / torch.stack(sizes)

    def values(self) -> dict[str, float]:
        """The metrics of the step compared last, once; empty without one, and without blocks whose weights were all 0."""
        ratios, self._ratios = self._ratios, None
        if ratios is None:
            return {}
        found = enumerate(ratios.tolist())
        return {of_block(UPDATE_RATIO, n): ratio for n, ratio in found if math.isfinite(ratio)}

    def _read(self) -> list[list[Tensor]]:
        """The weights at the places, a new tensor each."""
        return [
            [_at(w, at) for w, at in zip(block, places, strict=True)]
            for block, places in zip(self._blocks, self._places, strict=True)
        ]


def _places(weight: Tensor, generator: torch.Generator) -> Tensor | None:
    """The numbers of the weights that are read; None for all."""
    if weight.numel() <= SAMPLED:
        return None
    return torch.randint(weight.numel(), (SAMPLED,), generator=generator).to(weight.device)


def _at(weight: Tensor, places: Tensor | None) -> Tensor:
    flat = weight.detach().reshape(-1)
    return (flat.clone() if places is None else flat[places]).float()


def _size(tensors: list[Tensor], weights: list[int]) -> Tensor:
    """The norm of a block, from the mean square of what was read of each tensor. weights: their numbers of weights."""
    squares = [n * t.square().mean() for t, n in zip(tensors, weights, strict=True)]
    return torch.stack(squares).sum().sqrt()
