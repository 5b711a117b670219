"""Nearest neighbours: how well features learnt without labels separate the classes, without further training.

Each image gets the class that its nearest training images vote for, by the cosine of their features; a vote has
weight exp(cosine / 0.07). Source: Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric Instance
Discrimination", as in DINO.

Shapes: B images of a batch, R training images, D width of the features, K classes.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from revconsole.data import OpenedSplit, moved, only
from revconsole.training.setup.training_state import TrainingState

NEIGHBOURS = 20
TEMPERATURE = 0.07
MOST = 10_000
"""Most training images used; more hardly change the result and take longer than an epoch of a small model."""


def vote(features: Tensor, reference: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Predicted class (B,) for features (B, D), from features (R, D) and labels (R,) of the training images."""
    nearest = min(NEIGHBOURS, len(reference))
    cosines, which = (features @ reference.T).topk(nearest, dim=1)  # (B, nearest)
    weights = (cosines / TEMPERATURE).exp()
    votes = weights.new_zeros(len(features), classes).scatter_add_(1, labels[which], weights)
    return votes.argmax(dim=1)


def known_features(
    state: TrainingState, model: nn.Module, listen: Callable[[], object]
) -> tuple[Tensor, Tensor]:
    """Unit features (R, D) and labels (R,) of the training images."""
    parts: list[Tensor] = []
    known = evenly(state.data.train, MOST)
    for turn in state.evaluation_turns(known):
        if turn is not None:
            place, images, _ = turn
            features = features_of(state, model, images)
            parts += [features] if place is not None else []
        state.together.meet()
        listen()
    every = state.together.in_order(parts, math.ceil(len(known) / state.micro_batch))
    return torch.cat(every).to(state.device), moved(known.labels, state.device)


def features_of(state: TrainingState, model: nn.Module, images: Tensor) -> Tensor:
    """Unit features (B, D) of images (B, C, S, S)."""
    with state.precision.autocast():
        features: Tensor = model(images)
    return F.normalize(features.float(), dim=1)


def evenly(split: OpenedSplit, most: int) -> OpenedSplit:
    """At most `most` images of a split, evenly spread."""
    every = -(-len(split) // most)
    chosen = slice(None, None, every)
    return replace(split, images=only(split.images, chosen), labels=split.labels[chosen])


def evenly_count(images: int, most: int) -> int:
    """Number of images that `evenly` takes from `images` images."""
    return -(-images // -(-images // most))
