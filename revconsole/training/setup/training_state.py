"""Setting: everything a training step needs that stays the same from the first step to the last.

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
from revconsole.records.sections.model import Svm
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
    """A plan, realised on a device of this machine.

    micro_batch: images that go through the model at once. The one thing here that may change: it shrinks when
    memory runs out, if the plan says so.
    """

    plan: Plan
    device: torch.device
    precision: Precision
    data: OpenedData
    objective: Objective
    model: nn.Module
    """What trains, all of it: the network, and what the objective adds to it."""
    optimizer: Optimizer
    rates: Rates
    signs: Signs
    micro_batch: int
    least_images: int = 1
    """That the model can train on at once; what an epoch or a batch leaves beneath it is joined to what is before."""
    average: AveragedModel | None = None
    """The moving average of the weights, where the plan wants one; buffers are the model's own."""

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
        """Whether the model is fitted, pair by pair of classes, and has no gradient and no loss; see `pairs`."""
        return isinstance(self.model, SupportVectors)

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of one epoch; a last, smaller batch counts."""
        return self.rates.steps_per_epoch

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self.rates.steps

    @property
    def epochs(self) -> int:
        """Epochs that the run begins, the last perhaps cut short."""
        if self.fitted:
            return 1
        steps = self.plan.train.steps
        return self.plan.train.epochs if steps is None else math.ceil(steps / self.steps_per_epoch)

    def set_scheme_progress(self, number: int) -> None:
        """Move the scheme's weights to where they are in step `number`, counted from 1."""
        scheme = self.plan.scheme
        if isinstance(scheme, CoefficientsSection):
            for network in {self.model, self.judged}:
                move_weights(network, (number - 1) / (scheme.moving * self.rates.length_at(number)))

    def inputs(self, images: Tensor, labels: Tensor, number: int) -> Inputs:
        """What the loss of a batch is computed from, in step `number`; everything drawn is drawn here."""
        seed = key(self.plan.seed, "objective", number)
        return self.objective.inputs(images, labels, seed=seed)

    def progress(self, number: int) -> float:
        """The share of the run that is over before step `number`, counted from 1."""
        return max(0, number - 1) / self.rates.length_at(number)

    def training_batches(self, epoch: int, *, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Images float32 (B, C, S, S) and labels of an epoch (from 1), beginning with batch `first`.

        Labels are classes (B,), or shares of them (B, classes); see `revconsole.data.Batch`.
        The last epoch of a run that counts steps ends with the last step. Of a model that is fitted, a batch is
        all images of a pair of classes.
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
        left = self.steps - (epoch - 1) * self.steps_per_epoch - first
        with closing(order):
            for _, images, labels in itertools.islice(order, left):
                yield images, labels

    def _pairs(self, model: SupportVectors, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        for pair in model.pairs[first:]:
            _, images, labels = of_classes(self.data.train, pair)
            yield resized(images, self.plan.image_size), labels

    def evaluation_batches(self, split: OpenedSplit) -> Iterator[tuple[Tensor, Tensor]]:
        """All of a split in order, in batches of the size that training holds in memory."""
        for _, images, labels in evaluation_batches(split, batch=self.micro_batch):
            yield resized(images, self.plan.image_size), labels


def prepare(plan: Plan, *, data: Path, say: Callable[[str], None] = log.info) -> TrainingState:
    """Realise a plan: device, images, model, optimiser.

    data: the folder that datasets live in. say: takes a sentence about data that takes long or was left out.
    Raises what `choose`, `open_data` and `build_learner` raise, and RunFailed if the images are not those
    that the plan asks for.
    """
    fitted = isinstance(plan.model, Svm)
    device = devices.choose("cpu" if fitted else plan.train.device, say)
    arithmetic = precision.prepare(plan.train.precision, device)
    opened = open_data(plan.data, folder=data, device=device, say=say)
    say(f"what was read: {opened.read}")
    _refuse_other_data(plan, opened.fingerprint)

    model, signs, objective = build_learner(plan).to(device), Signs(plan.seed), objective_of(plan)
    least = 1 if fitted else norms.least_images(objective, model, plan)
    norms.refuse_single(plan, least, len(opened.train))
    set_draws(model, signs)
    per_epoch = (
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
            steps_per_epoch=per_epoch,
            steps=per_epoch if fitted else plan.train.steps or per_epoch * plan.train.epochs,
            earlier=tuple(
                end if plan.train.steps else end * per_epoch for end in plan.lengthened or ()
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


def _refuse_other_data(plan: Plan, found: str) -> None:
    """Raise RunFailed unless the images, labels and split are those of the plan."""
    wanted, earlier = plan.data.fingerprint, plan.data_fingerprint
    if wanted is not None and not found.startswith(wanted.lower()):
        raise RunFailed(
            f"the fingerprint of {plan.data.dataset} here is {found[:12]}, and the profile asks for "
            f"{wanted[:12]}: other images or another split; change data.fingerprint or the data"
        )
    if earlier is not None and found != earlier:
        raise RunFailed(
            f"{plan.data.dataset} has changed since this run began: its fingerprint was {earlier[:12]} "
            f"and is {found[:12]}; restore the files, or launch a new run"
        )
