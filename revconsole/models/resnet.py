"""Residual network of convolutions, 18, 34 or 50 layers (He et al. 2016), timm's.

Its basic and bottleneck blocks are the paper's identity blocks; those that change the shape are its projection blocks.
"""

import timm
from torch import nn

from revconsole.records.sections.model import Resnet


def build(
    settings: Resnet, *, size: int, channels: int, classes: int, width: int | None = None
) -> nn.Module:
    """The network with random initial weights, on the current default device; accepts images of any size."""
    del size, width
    model: nn.Module = timm.create_model(
        f"resnet{settings.layers}",
        in_chans=channels,
        num_classes=classes,
        drop_path_rate=settings.drop_path,
    )
    if settings.stem == "cifar":
        first = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(first.weight, mode="fan_out", nonlinearity="relu")
        model.conv1, model.maxpool = first, nn.Identity()
    return model
