"""One optimiser step: the gradients of a batch, over its micro-batches, and the update they make.

Shapes: B images of the batch, M of a micro-batch, C classes.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from revconsole.data import dominant
from revconsole.models.svm import Machine
from revconsole.training import optimizers
from revconsole.training.draws import seed_generators
from revconsole.training.setting import Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one step computed; tensors stay on the device, so that reading them is left to the meter.

    loss: mean over the batch, smoothing included. correct: images whose class came first, in training mode; of a
    mixed image, the class with the larger share.
    norm: of the whole gradient, before clipping.
    """

    number: int
    epoch: int
    images: int
    rate: float
    loss: Tensor
    correct: Tensor
    norm: Tensor
    machine: Machine | None = None
    """What was fitted to a pair of classes, of a model that has no gradient; see `pairs`."""


def compute_gradients(
    setting: Setting, number: int, epoch: int, *, images: Tensor, labels: Tensor
) -> Step:
    """Fill `.grad` with the gradient of the mean loss over the batch, clipped, and say what it was.

    labels: classes (B,), or shares of them (B, C); see `revconsole.data.Batch`.

    Micro-batches weigh as many images as they hold, so a short one counts for what it is. Nothing is changed but
    gradients and running statistics, and nothing depends on earlier calls: a step may be computed again, in other
    parts. What is drawn per micro-batch (dropout, drop-path) then differs, what is drawn per image (the signs of
    bdia) does not.
    """
    train, scaler, batch = setting.plan.train, setting.precision.scaler, len(labels)
    setting.optimizer.zero_grad(set_to_none=True)
    setting.reach(number)
    loss, correct = images.new_zeros(()), dominant(labels).new_zeros(())
    for micro, (part, wanted) in enumerate(micro_batches(setting, images, labels)):
        seed_generators(setting.plan.seed, step=number, micro=micro)
        setting.signs.aim(step=number, batch=batch, first=micro * setting.micro_batch)
        with setting.precision.autocast():
            logits = setting.model(part)  # (M, C)
        mean = F.cross_entropy(logits.float(), wanted, label_smoothing=train.label_smoothing)
        share = mean * (len(wanted) / batch)
        torch.autograd.backward(scaler.scale(share))
        loss += share.detach()
        correct += (logits.detach().argmax(dim=1) == dominant(wanted)).sum()

    scaler.unscale_(setting.optimizer)
    return Step(
        number=number,
        epoch=epoch,
        images=batch,
        rate=setting.rates.at(number),
        loss=loss,
        correct=correct,
        norm=_clipped_norm(setting),
    )


def update_weights(setting: Setting, step: Step) -> None:
    """Move the weights along the gradient, and their average after them."""
    optimizers.set_rate(setting.optimizer, step.rate)
    setting.precision.scaler.step(setting.optimizer)
    setting.precision.scaler.update()
    if setting.average is not None:
        setting.average.update_parameters(setting.model)


def micro_batches(
    setting: Setting, images: Tensor, labels: Tensor
) -> Iterable[tuple[Tensor, Tensor]]:
    """The batch in parts of the micro-batch size, the last perhaps smaller."""
    size = setting.micro_batch
    return zip(torch.split(images, size), torch.split(labels, size), strict=True)


def _clipped_norm(setting: Setting) -> Tensor:
    """Norm of the gradient before it is clipped to `train.clip`."""
    parameters = [p for group in setting.optimizer.param_groups for p in group["params"]]
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    if setting.plan.train.clip is not None:
        torch.nn.utils.clip_grads_with_norm_(parameters, setting.plan.train.clip, norm)
    return norm
