"""TrainingState: everything a training step needs that does not change from the first step to the last.

Shapes: B images of a batch, C channels, S pixels of height and width.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from revconsole.data import OpenedData, OpenedSplit, evaluation_batches, resized
from revconsole.records.foresight.foresight import StepMemory
from revconsole.records.keys import key
from revconsole.records.sections.scheme import CoefficientsSection
from revconsole.records.settings.plan import Plan
from revconsole.reversible import move_weights
from revconsole.training.machine.precision import Precision
from revconsole.training.objectives import Inputs, Objective
from revconsole.training.setup.draws import Signs
from revconsole.training.setup.schedules import Rates
from revconsole.training.together.alone import ALONE, Together
from revconsole.training.together.holding import HOLDS_ALL, Holding


@dataclass(slots=True, kw_only=True)
class TrainingState:
    """A plan realised on a device of this machine.

    micro_batch: images per forward pass. With `foreseen` it is the only field that may change: it shrinks when memory runs
    out, if the plan allows it.
    """

    plan: Plan
    device: torch.device
    precision: Precision
    data: OpenedData
    objective: Objective
    model: nn.Module
    """The module that is trained: the network plus the objective's head or decoder."""
    batches: Callable[["TrainingState", int, int], Iterator[tuple[Tensor, Tensor]]]
    """The batches of an epoch from one on; see `Learning.batches`."""
    optimizer: Optimizer
    rates: Rates
    signs: Signs
    micro_batch: int
    least_images: int = 1
    """Least images per forward pass; a smaller rest of an epoch or batch is joined to the part before it."""
    average: AveragedModel | None = None
    """Moving average of the weights, if the plan has one; its buffers are the model's."""
    foreseen: StepMemory | None = None
    """The memory of a step with the blocks that backward `auto` has chosen; None before, and where it was measured."""
    together: Together = ALONE
    """The ranks that share the work of each step."""
    holding: Holding = HOLDS_ALL
    """The weights that this rank holds."""

    @property
    def encoder(self) -> nn.Module:
        """The part of the model whose blocks the scheme wires."""
        return self.objective.encoder(self.model)

    @property
    def judged(self) -> nn.Module:
        """The network that is validated and tested."""
        return self.model if self.average is None else self.average.module

    @property
    def in_step(self) -> bool:
        """Whether every rank has to compute whenever one does, because they exchange something on the way."""
        synchronised = self.plan.train.sync_batchnorm and self.together.world > 1
        return synchronised or not self.holding.everything

    @property
    def readable(self) -> nn.Module:
        """The model, if all of its weights are here to be read; else an empty module."""
        return self.model if self.holding.everything else nn.Module()

    @property
    def probes(self) -> bool:
        """Whether this rank runs the model by itself while the others wait, to measure something of it."""
        return self.together.first and self.holding.everything

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps per epoch, including a last smaller batch."""
        return self.rates.steps_per_epoch

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self.rates.steps

    @property
    def epochs(self) -> int:
        """Number of epochs that the run begins; the last may be cut short."""
        return math.ceil(self.steps / self.steps_per_epoch)

    def set_scheme_progress(self, number: int) -> None:
        """Set the scheme's moving weights (α, β) to their values in step `number`, from 1."""
        scheme = self.plan.scheme
        if isinstance(scheme, CoefficientsSection):
            for network in {self.model, self.judged}:
                move_weights(network, (number - 1) / (scheme.moving * self.rates.length_at(number)))

    def inputs(self, images: Tensor, labels: Tensor, number: int) -> Inputs:
        """The inputs of the loss for a batch in step `number`, including all random draws."""
        seed = key(self.plan.seed, "objective", number)
        return self.objective.inputs(images, labels, seed=seed)

    def progress(self, number: int) -> float:
        """Fraction of the run that is finished before step `number`, from 1."""
        return max(0, number - 1) / self.rates.length_at(number)

    def training_batches(self, epoch: int, *, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Images float32 (B, C, S, S) and labels of an epoch (from 1), starting with batch `first`.

        Labels are classes (B,) or class shares (B, K); see `revconsole.data.Batch`. The last epoch of a run with a
        length in steps ends with the last step.
        """
        return self.batches(self, epoch, first)

    def evaluation_batches(self, split: OpenedSplit) -> Iterator[tuple[Tensor, Tensor]]:
        """All images of a split in order, in batches of the micro-batch size."""
        for _, images, labels in evaluation_batches(split, batch=self.micro_batch):
            yield resized(images, self.plan.image_shape), labels

    def evaluation_turns(
        self, split: OpenedSplit
    ) -> Iterator[tuple[int | None, Tensor, Tensor] | None]:
        """Of the evaluation's batches those of this rank, with their numbers; None in a round that has none for it.

        Where others need the weights of this rank, it has an image without a number then, whose results do not count.
        """
        ranks, size = self.together, self.micro_batch
        own = evaluation_batches(split, batch=size, first=ranks.rank, every=ranks.world)
        for place in ranks.turns(math.ceil(len(split) / size)):
            if place is None and self.holding.everything:
                yield None
            elif place is None:
                _, images, labels = next(evaluation_batches(split, batch=1))
                yield None, resized(images, self.plan.image_shape), labels
            else:
                _, images, labels = next(own)
                yield place, resized(images, self.plan.image_shape), labels


def averaged(model: nn.Module, decay: float | None) -> AveragedModel | None:
    """The moving average of a model's weights; None without a decay."""
    if decay is None:
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]
