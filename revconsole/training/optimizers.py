"""The optimiser a plan names, over the parameters that train."""

import torch
from timm.optim import param_groups_weight_decay
from torch import nn
from torch.optim import Optimizer

from revconsole.records.sections import Adam, AdamW, Sgd
from revconsole.records.sections import Optimizer as Settings


def build(settings: Settings, model: nn.Module) -> Optimizer:
    """The optimiser; its learning rate is set before every step, by the schedule.

    AdamW spares from decay what has one dimension (biases, norms, scales) and what the model names: tokens
    and positions. Adam and SGD add the penalty to every gradient, as their definitions have it.
    """
    rate = settings.learning_rate
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    match settings:
        case AdamW(weight_decay=decay):
            groups = param_groups_weight_decay(model, decay, no_weight_decay_list=_spared(model))
            return torch.optim.AdamW(groups, lr=rate, fused=True)
        case Adam(weight_decay=decay):
            return torch.optim.Adam(trained, lr=rate, weight_decay=decay, fused=True)
        case Sgd(weight_decay=decay, momentum=momentum):
            return torch.optim.SGD(
                trained, lr=rate, weight_decay=decay, momentum=momentum, fused=True
            )


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """The learning rate of the next step, for every group."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def _spared(model: nn.Module) -> set[str]:
    """Names of parameters that the model itself asks not to decay."""
    named = getattr(model, "no_weight_decay", None)
    return set(named()) if callable(named) else set()
