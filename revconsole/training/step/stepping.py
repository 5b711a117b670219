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
from revconsole.training.setup.setting import TrainingState


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
    setting: TrainingState, number: int, epoch: int, *, images: Tensor, labels: Tensor
) -> TrainingStep:
    """Fill `.grad` with the gradient of the mean loss over the batch, clipped, and say what it was.

    labels: classes (B,), or shares of them (B, C); see `revconsole.data.Batch`.

    Micro-batches weigh as many images as they hold, so a short one counts for what it is. Nothing is changed but
    gradients and running statistics, and nothing depends on earlier calls: a step may be computed again, in other
    parts. What is drawn per micro-batch (dropout, drop-path) then differs, what is drawn per image (masks, crops, the
    signs of bdia) does not.
    """
    scaler, batch = setting.precision.scaler, len(images)
    setting.optimizer.zero_grad(set_to_none=True)
    setting.reach(number)
    loss, correct = images.new_zeros(()), labels.new_zeros((), dtype=torch.int64)
    carried = []
    for micro, part in enumerate(micro_batches(setting, setting.inputs(images, labels, number))):
        seed_generators(setting.plan.seed, step=number, micro=micro)
        setting.signs.aim(step=number, batch=batch, first=micro * setting.micro_batch)
        found, weight = loss_of(setting, part, number), len(part[0]) / batch
        share = found.mean * weight
        torch.autograd.backward(scaler.scale(share))
        loss += share.detach()
        correct += 0 if found.correct is None else found.correct
        carried += [] if found.carried is None else [found.carried * weight]

    scaler.unscale_(setting.optimizer)
    return TrainingStep(
        number=number,
        epoch=epoch,
        images=batch,
        rate=setting.rates.at(number),
        loss=loss,
        correct=correct,
        norm=_clipped_norm(setting),
        carried=torch.stack(carried).sum(dim=0) if carried else None,
    )


def loss_of(setting: TrainingState, part: Inputs, number: int) -> Loss:
    """The loss of a micro-batch in step `number`, in the precision of the plan."""
    with setting.precision.autocast():
        return setting.objective.loss(setting.model, part, progress=setting.progress(number))


def update_weights(setting: TrainingState, step: TrainingStep) -> None:
    """Move the weights along the gradient, and what follows them."""
    optimizers.set_rate(setting.optimizer, step.rate)
    setting.precision.scaler.step(setting.optimizer)
    setting.precision.scaler.update()
    over = step.number / setting.rates.length_at(step.number)
    setting.objective.update(setting.model, step.carried, progress=over)
    if setting.average is not None:
        setting.average.update_parameters(setting.model)


def micro_batches(setting: TrainingState, inputs: Inputs) -> Iterator[Inputs]:
    """The batch in parts of the micro-batch size, the last perhaps smaller, or larger where it would be too small."""
    sizes = part_sizes(len(inputs[0]), setting.micro_batch, setting.least_images)
    return zip(*(torch.split(each, sizes) for each in inputs), strict=True)


def _clipped_norm(setting: TrainingState) -> Tensor:
    """Norm of the gradient before it is clipped to `train.clip`."""
    parameters = [p for group in setting.optimizer.param_groups for p in group["params"]]
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if setting.plan.train.clip is not None:
        torch.nn.utils.clip_grads_with_norm_(parameters, setting.plan.train.clip, norm)
    return norm
