"""Views: several views of one example pass through the same trunk; one linear head reads their joint features.

Doersch, Gupta and Efros 2015, arXiv:1505.05192, late fusion: both patches go through one network with shared weights.

Shapes: B batch, V views, C channels of a view, S side, F features of a view.
"""

from typing import Any

import torch
from torch import Tensor, nn

from revconsole.errors import RevconsoleError
from revconsole.reversible.rest import evaluating


class Views(nn.Module):
    """A trunk from images (B, C, S, S) to features (B, F), and a head over the features of every view."""

    def __init__(self, trunk: nn.Module, *, views: int, width: int, classes: int) -> None:
        super().__init__()
        self.views = views
        self.trunk = trunk
        self.head = nn.Linear(views * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Views (B, V·C, S, S) to logits; one view at a time, so that draws and batch norms apply to one view."""
        features = [self.trunk(view) for view in images.chunk(self.views, dim=1)]
        logits: Tensor = self.head(torch.cat(features, dim=1))
        return logits

    def no_weight_decay(self) -> set[str]:
        """Names of parameters that the trunk excludes from decay."""
        return spared(self.trunk, "trunk.")


def spared(model: nn.Module, prefix: str = "") -> set[str]:
    """Names of parameters that a model excludes from decay, with a prefix."""
    named = getattr(model, "no_weight_decay", None)
    return {f"{prefix}{name}" for name in named()} if callable(named) else set()


def without_head(model: Any) -> nn.Module:
    """The model with features (B, F) in place of logits.

    Raises RevconsoleError if its head cannot be found.
    """
    if callable(getattr(model, "reset_classifier", None)):
        model.reset_classifier(0)
    elif isinstance(model, nn.Sequential) and isinstance(model[-1], nn.Linear):
        model[-1] = nn.Identity()
    elif isinstance(getattr(model, "head", None), nn.Linear):
        model.head = nn.Identity()
    else:
        raise RevconsoleError(
            f"{type(model).__name__} has no linear head to replace by one over two views; "
            "leave data.views at 1"
        )
    trunk: nn.Module = model
    return trunk


def width_of(trunk: nn.Module, image: Tensor) -> int:
    """Number of features of the trunk for an image (1, C, S, S). Raises RevconsoleError if they are no vector."""
    with evaluating(trunk), torch.no_grad():
        features = trunk(image)
    if not isinstance(features, Tensor) or features.ndim != 2:
        raise RevconsoleError(
            f"{type(trunk).__name__} without its head does not give a vector of features; leave data.views at 1"
        )
    return features.shape[1]
