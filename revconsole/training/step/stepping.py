"""Stepping: one optimiser step, as the gradients of a batch over its micro-batches and the update.

Shapes: B images of the batch, K classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from revconsole.training.objectives import Inputs, Loss
from revconsole.training.setup import optimizers
from revconsole.training.setup.draws import seed_generators
from revconsole.training.setup.norms import part_sizes
from revconsole.training.setup.training_state import TrainingState
from revconsole.training.step.footprint import trained
from revconsole.training.step.running import RunningStatistics
from revconsole.training.step.totals import Totals
from revconsole.training.together.batch_norms import over_ranks


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingStep:
    """The results of one step; tensors stay on the device until the meter reads them.

    loss: mean over the batch, including smoothing. correct: images predicted correctly in training mode (for a mixed
    image, the class with the larger share); 0 without labels. norm: of the whole gradient before clipping. carried:
    data for the objective's update, if any.
    """

    number: int
    epoch: int
    images: int
    rate: float
    loss: Tensor
    correct: Tensor
    norm: Tensor
    carried: Tensor | None = None


class MicroBatch(NamedTuple):
    """Where a micro-batch is: its number in the batch of a step, and the images of that batch."""

    step: int
    number: int
    batch: int


def compute_gradients(
    state: TrainingState, number: int, epoch: int, *, images: Tensor, labels: Tensor
) -> TrainingStep:
    """Set `.grad` to the clipped gradient of the mean loss over the batch; returns the step's results.

    labels: classes (B,) or class shares (B, K). Each micro-batch is weighted by its number of images. Only gradients and
    running statistics change, and nothing depends on earlier calls, so a step may be recomputed with other micro-batches:
    draws per micro-batch (dropout, drop-path) then differ, draws per image (masks, crops, signs of bdia) do not.
    """
    scaler, batch = state.precision.scaler, len(images)
    state.optimizer.zero_grad(set_to_none=True)
    state.set_scheme_progress(number)
    together, holding = state.together, state.holding
    parameters = holding.everywhere(trained(state))
    totals = Totals(together, images)
    parts = list(micro_batches(state, state.inputs(images, labels, number)))
    statistics = RunningStatistics(state.model, len(parts), together)
    for turn, micro in enumerate(together.turns(len(parts))):
        if turn:
            together.clear_gradients(parameters)
        if micro is not None:
            with statistics.recorded(), over_ranks(state.model, counts=True):
                result, share = _differentiated(
                    state, parts[micro], MicroBatch(number, micro, batch)
                )
            holding.collect()
            totals.add(share, result, len(parts[micro][0]) / batch)
        elif state.in_step:
            apart = over_ranks(state.model, counts=False)
            with holding.going_along(), statistics.forgotten(), apart:
                _differentiated(state, parts[0], MicroBatch(number, 0, batch))
                holding.collect()
            state.optimizer.zero_grad(set_to_none=True)
        together.sum_gradients(parameters)
    holding.hand_out()
    statistics.apply()
    totals = totals.of_all(len(parts))

    scaler.unscale_(state.optimizer)
    return TrainingStep(
        number=number,
        epoch=epoch,
        images=batch,
        rate=state.rates.at(number),
        loss=totals.loss,
        correct=totals.correct,
        norm=_clipped_norm(state),
        carried=torch.stack(totals.carried).sum(dim=0) if totals.carried else None,
    )


def _differentiated(state: TrainingState, part: Inputs, micro: MicroBatch) -> tuple[Loss, Tensor]:
    """The loss of a micro-batch, and its share of the mean over the batch, whose gradients are added to `.grad`."""
    seed_generators(state.plan.seed, step=micro.step, micro=micro.number)
    first = micro.number * state.micro_batch
    state.signs.at_step(step=micro.step, batch=micro.batch, first=first)
    result = loss_of(state, part, micro.step)
    share = result.mean * (len(part[0]) / micro.batch)
    torch.autograd.backward(state.precision.scaler.scale(share))
    return result, share.detach()


def loss_of(state: TrainingState, part: Inputs, number: int) -> Loss:
    """The loss of a micro-batch in step `number`, in the precision of the plan."""
    with state.precision.autocast():
        return state.objective.loss(state.model, part, progress=state.progress(number))


def update_weights(state: TrainingState, step: TrainingStep) -> None:
    """Apply the optimiser step, then the objective's update and the moving average."""
    optimizers.set_rate(state.optimizer, step.rate)
    state.precision.scaler.step(state.optimizer)
    state.precision.scaler.update()
    finished = step.number / state.rates.length_at(step.number)
    state.objective.update(state.model, step.carried, progress=finished)
    if state.average is not None:
        state.average.update_parameters(state.model)


def micro_batches(state: TrainingState, inputs: Inputs) -> Iterator[Inputs]:
    """The batch split into micro-batches; the last may be smaller, or larger to reach the least size."""
    sizes = part_sizes(len(inputs[0]), state.micro_batch, state.least_images)
    return zip(*(torch.split(tensor, sizes) for tensor in inputs), strict=True)


def _clipped_norm(state: TrainingState) -> Tensor:
    """Norm of the gradient before clipping it to `train.clip`."""
    parameters = trained(state)
    norm = state.holding.norm(parameters)
    if state.plan.train.clip is not None:
        torch.nn.utils.clip_grads_with_norm_(parameters, state.plan.train.clip, norm)
    return norm
