"""One optimiser step: the gradients of a batch, over its micro-batches, and the update they make.

Shapes: B images of the batch.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from revconsole.models.svm import Machine
from revconsole.training.objectives import Inputs, Loss
from revconsole.training.setup import optimizers
from revconsole.training.setup.draws import seed_generators
from revconsole.training.setup.norms import part_sizes
from revconsole.training.setup.training_state import TrainingState


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingStep:
    """What one step computed; tensors stay on the device, so that reading them is left to the meter.

    loss: mean over the batch, smoothing included. correct: images whose class came first, in training mode; of a
    mixed image, the class with the larger share; 0 without labels.
    norm: of the whole gradient, before clipping. carried: what the objective wants for its update, if anything.
    """

    number: int
    epoch: int
    images: int
    rate: float
    loss: Tensor
    correct: Tensor
    norm: Tensor
    carried: Tensor | None = None
    machine: Machine | None = None
    """What was fitted to a pair of classes, of a model that has no gradient; see `pairs`."""


def compute_gradients(
    state: TrainingState, number: int, epoch: int, *, images: Tensor, labels: Tensor
) -> TrainingStep:
    """Fill `.grad` with the gradient of the mean loss over the batch, clipped, and say what it was.

    labels: classes (B,), or shares of them (B, C); see `revconsole.data.Batch`.

    Micro-batches weigh as many images as they hold, so a short one counts for what it is. Nothing is changed but
    gradients and running statistics, and nothing depends on earlier calls: a step may be computed again, in other
    parts. What is drawn per micro-batch (dropout, drop-path) then differs, what is drawn per image (masks, crops, the
    signs of bdia) does not.
    """
    scaler, batch = state.precision.scaler, len(images)
    state.optimizer.zero_grad(set_to_none=True)
    state.set_scheme_progress(number)
    loss, correct = images.new_zeros(()), labels.new_zeros((), dtype=torch.int64)
    carried = []
    for micro, part in enumerate(micro_batches(state, state.inputs(images, labels, number))):
        seed_generators(state.plan.seed, step=number, micro=micro)
        state.signs.at_step(step=number, batch=batch, first=micro * state.micro_batch)
        found, weight = loss_of(state, part, number), len(part[0]) / batch
        share = found.mean * weight
        torch.autograd.backward(scaler.scale(share))
        loss += share.detach()
        correct += 0 if found.correct is None else found.correct
        carried += [] if found.carried is None else [found.carried * weight]

    scaler.unscale_(state.optimizer)
    return TrainingStep(
        number=number,
        epoch=epoch,
        images=batch,
        rate=state.rates.at(number),
        loss=loss,
        correct=correct,
        norm=_clipped_norm(state),
        carried=torch.stack(carried).sum(dim=0) if carried else None,
    )


def loss_of(state: TrainingState, part: Inputs, number: int) -> Loss:
    """The loss of a micro-batch in step `number`, in the precision of the plan."""
    with state.precision.autocast():
        return state.objective.loss(state.model, part, progress=state.progress(number))


def update_weights(state: TrainingState, step: TrainingStep) -> None:
    """Move the weights along the gradient, and what follows them."""
    optimizers.set_rate(state.optimizer, step.rate)
    state.precision.scaler.step(state.optimizer)
    state.precision.scaler.update()
    over = step.number / state.rates.length_at(step.number)
    state.objective.update(state.model, step.carried, progress=over)
    if state.average is not None:
        state.average.update_parameters(state.model)


def micro_batches(state: TrainingState, inputs: Inputs) -> Iterator[Inputs]:
    """The batch in parts of the micro-batch size, the last perhaps smaller, or larger where it would be too small."""
    sizes = part_sizes(len(inputs[0]), state.micro_batch, state.least_images)
    return zip(*(torch.split(each, sizes) for each in inputs), strict=True)


def _clipped_norm(state: TrainingState) -> Tensor:
    """Norm of the gradient before it is clipped to `train.clip`."""
    parameters = [p for group in state.optimizer.param_groups for p in group["params"]]
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if state.plan.train.clip is not None:
        torch.nn.utils.clip_grads_with_norm_(parameters, state.plan.train.clip, norm)
    return norm
