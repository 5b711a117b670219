"""Nearest neighbours: how well features that were learnt without labels tell the classes apart, with nothing trained.

Each image is given the class that its nearest training images vote for, by the cosine of their features, a vote
weighing exp(cosine / 0.07). Training images are taken as they are, evenly spread, at most `MOST` of them.
Source: Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric Instance Discrimination", as in DINO.

Shapes: B images of a batch, R training images, D width of the features, K classes.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from revconsole.data import OpenedSplit
from revconsole.training.setup.training_state import TrainingState

NEIGHBOURS = 20
TEMPERATURE = 0.07
MOST = 10_000
"""Training images: more hardly change the figure and take longer than an epoch of a small model."""


def vote(features: Tensor, known: Tensor, labels: Tensor, classes: int) -> Tensor:
    """The class (B,) of each of features (B, D), given those of the training images (R, D) and their labels (R,)."""
    nearest = min(NEIGHBOURS, len(known))
    cosines, which = (features @ known.T).topk(nearest, dim=1)  # (B, nearest)
    weights = (cosines / TEMPERATURE).exp()
    votes = weights.new_zeros(len(features), classes).scatter_add_(1, labels[which], weights)
    return votes.argmax(dim=1)


def known_features(
    state: TrainingState, model: nn.Module, listen: Callable[[], object]
) -> tuple[Tensor, Tensor]:
    """Features (R, D), of length 1, and labels (R,) of training images."""
    found, labels = [], []
    for images, of in state.evaluation_batches(evenly(state.data.train, MOST)):
        found.append(features_of(state, model, images))
        labels.append(of)
        listen()
    return torch.cat(found), torch.cat(labels)


def features_of(state: TrainingState, model: nn.Module, images: Tensor) -> Tensor:
    """(B, D), of length 1."""
    with state.precision.autocast():
        features: Tensor = model(images)
    return F.normalize(features.float(), dim=1)


def evenly(split: OpenedSplit, most: int) -> OpenedSplit:
    """At most so many images of a split, evenly spread over it."""
    every = -(-len(split) // most)
    return replace(split, images=split.images[::every], labels=split.labels[::every])


def evenly_many(images: int, most: int) -> int:
    """How many `evenly` takes of so many."""
    return -(-images // -(-images // most))
