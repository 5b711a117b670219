"""Totals: loss and correct predictions of a step, from those of its micro-batches."""

from typing import Self

import torch
from torch import Tensor

from revconsole.training.objectives import Loss
from revconsole.training.together.alone import Together


class Totals:
    """The totals of the micro-batches of this process.

    loss: mean over the batch. correct: images predicted correctly. carried: weighted data for the objective's update,
    of each micro-batch.
    """

    def __init__(self, together: Together, images: Tensor) -> None:
        self._together, self._images = together, images
        self.loss = images.new_zeros(())
        self.correct = images.new_zeros((), dtype=torch.int64)
        self.carried: list[Tensor] = []
        self._shares: list[tuple[Tensor, Tensor]] = []

    def add(self, share: Tensor, result: Loss, weight: float) -> None:
        """Add a micro-batch: its share of the mean loss, its results and its share of the images."""
        self.loss += share
        self.correct += 0 if result.correct is None else result.correct
        if self._together.world > 1:
            none = self.correct.new_zeros(())
            self._shares.append((share, none if result.correct is None else result.correct))
        self.carried += [] if result.carried is None else [result.carried * weight]

    def of_all(self, parts: int) -> Self:
        """The totals over all ranks of a batch in `parts` micro-batches, added in their order."""
        together = self._together
        if together.world == 1:
            return self
        rows = [torch.stack([share.double(), c.double()]) for share, c in self._shares]
        like = self._images.new_zeros(2, dtype=torch.float64)
        every = type(self)(together, self._images)
        for share, correct in together.in_order(rows, parts, like=like):
            every.loss += share.to(every.loss)
            every.correct += correct.to(every.correct)
        if together.told(bool(self.carried)):
            every.carried = together.in_order(self.carried, parts)
        return every
