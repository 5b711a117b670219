"""Optimisers: the optimiser named in a plan, over the parameters that train."""

from typing import Any

import torch
from timm.optim import (
    create_optimizer_v2,
    list_optimizers,
    param_groups_layer_decay,
    param_groups_weight_decay,
)
from torch import nn
from torch.optim import Optimizer

from revconsole.errors import ProfileError, UnknownName
from revconsole.models._views import spared
from revconsole.records.sections import Optimizer as Settings
from revconsole.records.sections.optimizer import Adam, AdamW, Sgd, TimmOptimizer

SCALE = "lr_scale"
"""timm's key for a parameter group's factor of the learning rate."""
Groups = list[dict[str, Any]]


def build(settings: Settings, model: nn.Module) -> Optimizer:
    """The optimiser of a plan. The schedule sets its learning rate before every step.

    AdamW and timm's optimisers apply no decay to one-dimensional parameters (biases, norms, scales) and to those the
    model names (tokens, positions). Adam and SGD add the penalty to every gradient, as defined. Raises UnknownName
    for an algorithm timm does not have, and ProfileError for an unsupported combination.
    """
    rate = settings.learning_rate
    if not any(True for _ in model.parameters()):  # a fitted model has no parameters
        return torch.optim.SGD([{"params": []}], lr=rate)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    match settings:
        case AdamW():
            return torch.optim.AdamW(_groups(settings, model), lr=rate, fused=True)
        case Adam(weight_decay=decay):
            return torch.optim.Adam(trained, lr=rate, weight_decay=decay, fused=True)
        case Sgd(weight_decay=decay, momentum=momentum, nesterov=nesterov):
            return torch.optim.SGD(
                trained,
                lr=rate,
                weight_decay=decay,
                momentum=momentum,
                nesterov=nesterov,
                fused=True,
            )
        case TimmOptimizer():
            return _by_timm(settings, _groups(settings, model))


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the learning rate of the next step, times each group's factor."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get(SCALE, 1.0)


def _groups(settings: AdamW | TimmOptimizer, model: nn.Module) -> Groups:
    """Parameter groups with and without weight decay, by layer if the learning rate falls with depth."""
    decay, undecayed = settings.weight_decay, spared(model)
    if settings.layer_decay is None:
        groups: Groups = param_groups_weight_decay(model, decay, no_weight_decay_list=undecayed)
        return groups
    if not hasattr(model, "group_matcher"):
        raise ProfileError.of_plan(
            "optimizer.layer_decay",
            f"{type(model).__name__} does not say which layer a parameter belongs to; leave layer_decay out",
        )
    by_layer: Groups = param_groups_layer_decay(
        model, decay, no_weight_decay_list=undecayed, layer_decay=settings.layer_decay
    )
    return by_layer


def _by_timm(settings: TimmOptimizer, groups: Groups) -> Optimizer:
    name = settings.algorithm.lower()
    if name not in list_optimizers():
        raise UnknownName("optimiser of timm", settings.algorithm, list_optimizers())
    try:
        optimizer: Optimizer = create_optimizer_v2(groups, opt=name, lr=settings.learning_rate)
    except (ImportError, AssertionError, TypeError, ValueError, RuntimeError) as error:
        raise ProfileError.of_plan(
            "optimizer.algorithm",
            f"timm cannot make {name}: {' '.join(str(error).split())[:160]}",
        ) from error
    return optimizer
