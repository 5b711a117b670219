"""Preparing: a plan, realised on this machine as the state of its training.

`learning_of` is the one place where networks and fitted models part.
"""

import logging
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from revconsole.data import open_data
from revconsole.errors import RunFailed
from revconsole.records.settings.plan import Plan
from revconsole.reversible import set_draws
from revconsole.training.learning.by_fitting import BY_FITTING
from revconsole.training.learning.by_gradients import BY_GRADIENTS
from revconsole.training.learning.learning import Learning
from revconsole.training.machine import devices, precision
from revconsole.training.objectives import objective_of
from revconsole.training.setup import norms, optimizers
from revconsole.training.setup.build import build_learner
from revconsole.training.setup.draws import Signs
from revconsole.training.setup.schedules import Rates
from revconsole.training.setup.tiny_maps import refuse_wrong_gradients
from revconsole.training.setup.training_state import TrainingState, averaged
from revconsole.training.together.alone import ALONE, Together
from revconsole.training.together.exchange import ByTorch
from revconsole.training.together.holding import HOLDS_ALL, Holding
from revconsole.training.together.placing import placed

log = logging.getLogger(__name__)
OTHERS = "{world} ranks train this run; what the others print is in ranks/ of the attempt's folder"
SYNCHRONISED = "BatchNorm takes its statistics over the batch of all ranks (train.sync_batchnorm)"
LENT = (
    "the weights of the blocks are shared out among the ranks (train.shard); what one rank measures by itself is left out: "
    "the audit, the probes of the reconstruction, gradients and updates by block"
)


def learning_of(plan: Plan) -> Learning:
    """How the planned model comes to its weights."""
    return BY_FITTING if plan.fitted else BY_GRADIENTS


def prepare(
    plan: Plan,
    *,
    data: Path,
    say: Callable[[str], None] = log.info,
    together: Together = ALONE,
) -> TrainingState:
    """Realise a plan: device, images, model, optimiser.

    data: folder of the datasets. say: receives a sentence about slow or omitted data. together: the ranks that share
    the work. Raises as `choose`, `open_data` and `build_learner` do, and RunFailed if the images are not those that the
    plan requires.
    """
    learning = learning_of(plan)
    device = devices.choose(together.device or learning.device(plan), say)
    arithmetic = precision.prepare(plan.train.precision, device)
    opened = open_data(plan.data, folder=data, device=device, say=say)
    say(f"what was read: {opened.read}")
    _refuse_other_data(plan, opened.fingerprint)

    model, signs, objective = build_learner(plan), Signs(plan.seed), objective_of(plan)
    holding = _holding(plan, model, device, together, say)
    least = norms.least_images(objective, model, plan)
    norms.refuse_single(plan, least, len(opened.train))
    refuse_wrong_gradients(arithmetic, objective, model, plan)
    set_draws(model, signs)
    steps_per_epoch, steps = learning.length(plan, model, opened, least)
    optimizer = optimizers.build(plan.optimizer, model)
    holding.update_own(optimizer)
    return TrainingState(
        plan=plan,
        device=device,
        precision=arithmetic,
        data=opened,
        objective=objective,
        model=model,
        batches=learning.batches,
        optimizer=optimizer,
        rates=Rates(
            schedule=plan.schedule,
            peak=plan.optimizer.learning_rate,
            steps_per_epoch=steps_per_epoch,
            steps=steps,
            earlier=tuple(
                end if plan.train.steps else end * steps_per_epoch for end in plan.lengthened or ()
            ),
        ),
        signs=signs,
        micro_batch=plan.train.micro_batch,
        least_images=least,
        average=averaged(model, plan.train.average),
        together=together,
        holding=holding,
    )


def _holding(
    plan: Plan,
    model: nn.Module,
    device: torch.device,
    together: Together,
    say: Callable[[str], None],
) -> Holding:
    """Move the model to the device, or what this rank holds of it. Raises as `placed` does."""
    holding: Holding = HOLDS_ALL
    if together.world > 1:
        say(OTHERS.format(world=together.world))
        if plan.train.sync_batchnorm:
            say(SYNCHRONISED)
        if plan.train.shard:
            say(LENT)
        holding = placed(plan, model, ByTorch(device))
    model.to(device)
    return holding


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
