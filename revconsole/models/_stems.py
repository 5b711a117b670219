"""Stems: how an image becomes the tokens of a transformer, other than by one matrix per patch.

Shapes: B batch, C channels, S side of the image, P side of a patch, D width, N = (S/P)² tokens.
"""

from itertools import pairwise

import torch
from timm.models.resnet import BasicBlock
from torch import Tensor, nn
from torch.nn import functional as F

NARROWEST = 8
"""Least number of channels of the first layer."""


class Stem(nn.Module):
    """Layers that turn (B, C, S, S) into features (B, D, side, side), which are read as tokens (B, N, D)."""

    def __init__(self, layers: nn.Module, *, size: tuple[int, int], grid: tuple[int, int]) -> None:
        """size, grid: pixels and tokens, each of height and width."""
        super().__init__()
        self.img_size = size
        self.grid_size = grid
        self.num_patches = grid[0] * grid[1]
        self.layers = layers

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, S, S) to tokens (B, N, D)."""
        tokens: Tensor = self.layers(images).flatten(2).transpose(1, 2)
        return tokens


class ShiftedPatches(nn.Module):
    """Shifted patch tokenisation: the image and four copies shifted by half a patch, cut, normed and projected.

    Source: Lee et al. 2021, "Vision Transformer for Small-Size Datasets", SPT.
    """

    def __init__(self, channels: int, dim: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        width = 5 * channels * patch * patch
        self.norm = nn.LayerNorm(width)
        self.proj = nn.Linear(width, dim)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, C, S, S) to features (B, D, S/P, S/P)."""
        half = self.patch // 2
        corners = [(x, y) for x in (half, -half) for y in (half, -half)]
        moved = [F.pad(images, (x, -x, y, -y)) for x, y in corners]
        cut = F.pixel_unshuffle(torch.cat([images, *moved], dim=1), self.patch)
        tokens: Tensor = self.proj(self.norm(cut.permute(0, 2, 3, 1)))
        return tokens.permute(0, 3, 1, 2)


def stem(kind: str, *, size: tuple[int, int], channels: int, dim: int, patch: int) -> Stem:
    """A stem of kind `shifted`, `conv` or `resnet`, with a token for each patch. size: height and width."""
    if kind == "shifted":
        layers: nn.Module = ShiftedPatches(channels, dim, patch)
    elif kind == "conv":
        layers = early_convolutions(channels, dim, patch)
    else:
        layers = residual_convolutions(channels, dim, patch)
    return Stem(layers, size=size, grid=(size[0] // patch, size[1] // patch))


def early_convolutions(channels: int, dim: int, patch: int) -> nn.Sequential:
    """3×3 convolutions of stride 2 with batch norm until a patch is one pixel, then a 1×1 convolution.

    Source: Xiao et al. 2021, "Early Convolutions Help Transformers See Better".
    """
    layers: list[nn.Module] = []
    for before, after in pairwise([channels, *_widths(dim, patch)]):
        layers += [_convolution(before, after, stride=2), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(dim, dim, 1))


def residual_convolutions(channels: int, dim: int, patch: int) -> nn.Sequential:
    """A small residual network with one basic block per halving of the side, then a 1×1 convolution.

    Source: the hybrid of Dosovitskiy et al. 2021, sized for small images.
    """
    widths = _widths(dim, patch)
    first = widths[0]
    layers: list[nn.Module] = [_convolution(channels, first), nn.BatchNorm2d(first), nn.ReLU()]
    for before, after in pairwise([first, *widths]):
        shortcut = nn.Sequential(
            nn.Conv2d(before, after, 1, stride=2, bias=False), nn.BatchNorm2d(after)
        )
        layers.append(BasicBlock(before, after, stride=2, downsample=shortcut))
    return nn.Sequential(*layers, nn.Conv2d(dim, dim, 1))


def convolutional_tokens(
    channels: int, dim: int, *, convolutions: int, kernel: int
) -> nn.Sequential:
    """Convolutions without biases, each with ReLU and an overlapping 3×3 pool that halves the side.

    Source: Hassani et al. 2021, "Escaping the Big Data Paradigm with Compact Transformers".
    """
    widths = [channels, *[64] * (convolutions - 1), dim]
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        stride, around = _cct_steps(kernel)
        layers += [
            nn.Conv2d(before, after, kernel, stride=stride, padding=around, bias=False),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        ]
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    return nn.Sequential(*layers)


def side_of_tokens(size: int, *, convolutions: int, kernel: int) -> int:
    """Number of tokens along a side after `convolutional_tokens`."""
    stride, around = _cct_steps(kernel)
    for _ in range(convolutions):
        size = (size + 2 * around - kernel) // stride + 1
        size = (size + 2 - 3) // 2 + 1
    return size


def _cct_steps(kernel: int) -> tuple[int, int]:
    """(stride, padding) of a convolution; larger kernels have a stride above 1."""
    return max(1, kernel // 2 - 1), max(1, kernel // 2)


def _widths(dim: int, patch: int) -> list[int]:
    """Channels after each halving of the side: doubling, up to `dim`."""
    halvings = patch.bit_length() - 1
    return [
        dim if remaining == 0 else min(dim, max(NARROWEST, dim >> remaining))
        for remaining in reversed(range(halvings))
    ]


def _convolution(before: int, after: int, *, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
