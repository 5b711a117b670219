"""TrainingState: everything a training step needs that does not change from the first step to the last.

Shapes: B images of a batch, C channels, S pixels of height and width.
"""

import itertools
import logging
import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from revconsole.data import (
    OpenedData,
    OpenedSplit,
    batches,
    evaluation_batches,
    of_classes,
    open_data,
    resized,
    steps_per_epoch,
)
from revconsole.errors import RunFailed
from revconsole.models.svm import SupportVectors
from revconsole.records.keys import key
from revconsole.records.sections.scheme import CoefficientsSection
from revconsole.records.settings.plan import Plan
from revconsole.reversible import move_weights, set_draws
from revconsole.training.machine import devices, precision
from revconsole.training.machine.precision import Precision
from revconsole.training.objectives import Inputs, Objective, objective_of
from revconsole.training.setup import norms, optimizers
from revconsole.training.setup.build import build_learner
from revconsole.training.setup.draws import Signs
from revconsole.training.setup.schedules import Rates

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class TrainingState:
    """A plan realised on a device of this machine.

    micro_batch: images per forward pass. It is the only field that may change: it shrinks when memory runs out, if
    the plan allows it.
    """

    plan: Plan
    device: torch.device
    precision: Precision
    data: OpenedData
    objective: Objective
    model: nn.Module
    """The module that is trained: the network plus the objective's head or decoder."""
    optimizer: Optimizer
    rates: Rates
    signs: Signs
    micro_batch: int
    least_images: int = 1
    """Least images per forward pass; a smaller rest of an epoch or batch is joined to the part before it."""
    average: AveragedModel | None = None
    """Moving average of the weights, if the plan has one; its buffers are the model's."""

    @property
    def encoder(self) -> nn.Module:
        """The part of the model whose blocks the scheme wires."""
        return self.objective.encoder(self.model)

    @property
    def judged(self) -> nn.Module:
        """The network that is validated and tested."""
        return self.model if self.average is None else self.average.module

    @property
    def fitted(self) -> bool:
        """Whether the model is fitted pair by pair of classes, without gradient and loss; see `pairs`."""
        return self.plan.fitted

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
        if self.fitted:
            return 1
        steps = self.plan.train.steps
        return self.plan.train.epochs if steps is None else math.ceil(steps / self.steps_per_epoch)

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
        length in steps ends with the last step. For a fitted model a batch is all images of a pair of classes.
        """
        plan = self.plan
        if isinstance(self.model, SupportVectors):
            yield from self._pairs(self.model, first)
            return
        order = batches(
            self.data.train,
            batch=plan.train.batch,
            seed=plan.seed,
            epoch=epoch - 1,
            first=first,
            least=self.least_images,
            size=plan.image_size,
            prefetch=plan.data.prefetch,
        )
        remaining = self.steps - (epoch - 1) * self.steps_per_epoch - first
        with closing(order):
            for _, images, labels in itertools.islice(order, remaining):
                yield images, labels

    def _pairs(self, model: SupportVectors, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        for pair in model.pairs[first:]:
            _, images, labels = of_classes(self.data.train, pair)
            yield resized(images, self.plan.image_size), labels

    def evaluation_batches(self, split: OpenedSplit) -> Iterator[tuple[Tensor, Tensor]]:
        """All images of a split in order, in batches of the micro-batch size."""
        for _, images, labels in evaluation_batches(split, batch=self.micro_batch):
            yield resized(images, self.plan.image_size), labels


def prepare(plan: Plan, *, data: Path, say: Callable[[str], None] = log.info) -> TrainingState:
    """Realise a plan: device, images, model, optimiser.

    data: folder of the datasets. say: receives a sentence about slow or omitted data. Raises as `choose`, `open_data`
    and `build_learner` do, and RunFailed if the images are not those that the plan requires.
    """
    device = devices.choose("cpu" if plan.fitted else plan.train.device, say)
    arithmetic = precision.prepare(plan.train.precision, device)
    opened = open_data(plan.data, folder=data, device=device, say=say)
    say(f"what was read: {opened.read}")
    _refuse_other_data(plan, opened.fingerprint)

    model, signs, objective = build_learner(plan).to(device), Signs(plan.seed), objective_of(plan)
    least = 1 if plan.fitted else norms.least_images(objective, model, plan)
    norms.refuse_single(plan, least, len(opened.train))
    set_draws(model, signs)
    steps_in_epoch = (
        len(model.pairs)
        if isinstance(model, SupportVectors)
        else steps_per_epoch(len(opened.train), batch=plan.train.batch, least=least)
    )
    return TrainingState(
        plan=plan,
        device=device,
        precision=arithmetic,
        data=opened,
        objective=objective,
        model=model,
        optimizer=optimizers.build(plan.optimizer, model),
        rates=Rates(
            schedule=plan.schedule,
            peak=plan.optimizer.learning_rate,
            steps_per_epoch=steps_in_epoch,
            steps=steps_in_epoch
            if plan.fitted
            else plan.train.steps or steps_in_epoch * plan.train.epochs,
            earlier=tuple(
                end if plan.train.steps else end * steps_in_epoch for end in plan.lengthened or ()
            ),
        ),
        signs=signs,
        micro_batch=plan.train.batch // plan.train.accumulate,
        least_images=least,
        average=_average(plan.train.average, model),
    )


def _average(decay: float | None, model: nn.Module) -> AveragedModel | None:
    if decay is None:
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]


def _refuse_other_data(plan: Plan, fingerprint: str) -> None:
    """Raise RunFailed unless the images, labels and split have the plan's fingerprint."""
    required, earlier = plan.data.fingerprint, plan.data_fingerprint
    if required is not None and not fingerprint.startswith(required.lower()):
        raise RunFailed(
            f"the fingerprint of {plan.data.dataset} here is {fingerprint[:12]}, and the profile asks for "
            f"{required[:12]}: the images or the split differ; change data.fingerprint or the data"
        )
    if earlier is not None and fingerprint != earlier:
        raise RunFailed(
            f"{plan.data.dataset} has changed since this run began: its fingerprint was {earlier[:12]} "
            f"and is {fingerprint[:12]}; restore the files, or launch a new run"
        )
