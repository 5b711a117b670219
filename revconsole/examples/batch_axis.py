"""A vision transformer whose attention mixes the images of a batch instead of the patches of an image, and its repair.

`nn.TransformerEncoderLayer` takes (tokens, batch, width) unless it is told `batch_first=True`. A model that forgets
it runs without an error, and learns nothing: four models of a course report stood at 1.00 % of CIFAR-100 for weeks.
`revconsole verify python:revconsole.examples.batch_axis:broken` says so in seconds.
"""

import torch
from torch import Tensor, nn


class EncoderVit(nn.Module):
    """A small ViT on PyTorch's own encoder layers. Images (B, channels, size, size) to logits (B, classes)."""

    def __init__(self, size: int, channels: int, classes: int, *, batch_first: bool) -> None:
        super().__init__()
        patch, width = max(size // 4, 1), 64
        self.patches = nn.Conv2d(channels, width, patch, patch)
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(0.02 * torch.randn(1, (size // patch) ** 2 + 1, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, batch_first=batch_first)
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes)."""
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls.expand(len(images), -1, -1), tokens], dim=1) + self.position
        logits: Tensor = self.head(self.blocks(tokens)[:, 0])
        return logits


def broken(size: int, channels: int, classes: int) -> nn.Module:
    """The model with the mistake."""
    return EncoderVit(size, channels, classes, batch_first=False)


def repaired(size: int, channels: int, classes: int) -> nn.Module:
    """The same model with the axes right."""
    return EncoderVit(size, channels, classes, batch_first=True)
