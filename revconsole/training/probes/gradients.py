"""Gradients: how large they are block by block, and which units have none, whenever the meter reports.

Measured on the gradients of the last step, that is once in half a second; an ordinary step does nothing for it. A unit is
a row of a weight: if its gradient is zero to the bit, no image of the batch reached it through its activation (a ReLU
that is never positive), or nothing of the loss did. It counts as dead after several such reports in a row, because a unit
may be silent for the images of one batch.
"""

import math

import torch
from torch import Tensor

from revconsole.records.logs.per_block import of_block
from revconsole.training.setup.blocks import blocks_of, weights_of_units
from revconsole.training.setup.training_state import TrainingState

REPORTS = 5
"""Reports in a row without a gradient after which a unit is dead."""


class BlockGradients:
    """The gradients of a model's blocks and units."""

    def __init__(self, state: TrainingState) -> None:
        self._clip = state.plan.train.clip
        self._blocks = list(blocks_of(state.readable).values())
        self._units = list(weights_of_units(state.readable))
        self._silent = [w.new_zeros(len(w), dtype=torch.int64) for w in self._units]

    @torch.no_grad()
    def values(self, norm: float) -> dict[str, float]:
        """The metrics; empty for gradients that are not finite. norm: of the whole gradient before clipping."""
        if not math.isfinite(norm):
            return {}
        undone = max(1.0, norm / self._clip) if self._clip is not None else 1.0
        return self._of_blocks(undone) | self._of_units()

    def _of_blocks(self, undone: float) -> dict[str, float]:
        if len(self._blocks) < 2 or any(p.grad is None for block in self._blocks for p in block):
            return {}
        sizes = [sum(p.numel() for p in block) for block in self._blocks]
        norms = [torch.nn.utils.get_total_norm([_grad(p) for p in block]) for block in self._blocks]
        read: list[float] = torch.stack(norms).tolist()
        means = [undone * n / math.sqrt(size) for n, size in zip(read, sizes, strict=True)]
        least, most = min(means), max(means)
        return {of_block("gradient", number): mean for number, mean in enumerate(means)} | {
            "least_block_gradient": least,
            "least_gradient_block": float(means.index(least)),
            "most_block_gradient": most,
            "most_gradient_block": float(means.index(most)),
        }

    def _of_units(self) -> dict[str, float]:
        if not self._units or any(weight.grad is None for weight in self._units):
            return {}
        for number, weight in enumerate(self._units):
            silent = _grad(weight).flatten(1).abs().amax(dim=1) == 0
            self._silent[number] = (self._silent[number] + 1) * silent
        dead = torch.stack([(silent >= REPORTS).sum() for silent in self._silent]).sum().item()
        return {"dead_share": dead / sum(len(silent) for silent in self._silent)}


def _grad(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None  # noqa: S101  asked before
    return parameter.grad
