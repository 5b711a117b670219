"""Local convolutional blocks, then global attention blocks (after UniFormer, Li et al. 2022), for small images.

Every block adds two branches to its features: a mixture of places, preceded by a depthwise convolution that encodes
positions, and an MLP of 1×1 convolutions for each place. The first stage mixes neighbours (a depthwise 5×5
convolution between two 1×1 ones), the second all places (attention). Blocks name their two branches, so every scheme
can wire them; `additive` must fuse its streams by their mean, because a second stage follows.

Shapes: B batch, C channels, S side of the features.
"""

from collections.abc import Callable
from typing import Any

from timm.layers import DropPath, calculate_drop_path_rates
from timm.models.vision_transformer import Attention
from torch import Tensor, nn

from revconsole.records.sections.model import Uniformer

Branch = Callable[[Tensor], Tensor]


def build(settings: Uniformer, *, size: int, channels: int, classes: int) -> nn.Module:
    """The network with random initial weights, on the current default device."""
    return LocalGlobal(settings, size=size, channels=channels, classes=classes)


class LocalGlobal(nn.Module):
    """The whole network: stem, local stage, reduction, global stage, head."""

    def __init__(self, settings: Uniformer, *, size: int, channels: int, classes: int) -> None:
        super().__init__()
        self.img_size = (size, size)
        C, depths = settings.dim, (settings.local_depth, settings.depth)
        rates: list[float] = calculate_drop_path_rates(settings.drop_path, sum(depths))
        ratio = settings.mlp_ratio
        self.stem = _reduced(channels, C, settings.patch)
        self.local_blocks = nn.Sequential(
            *(MixingBlock(C, Neighbours(C), ratio, rate) for rate in rates[: depths[0]])
        )
        self.reduction = _reduced(C, 2 * C, 2)
        self.global_blocks = nn.Sequential(
            *(
                MixingBlock(2 * C, Everything(2 * C, settings.heads), ratio, rate)
                for rate in rates[depths[0] :]
            )
        )
        self.norm = nn.BatchNorm2d(2 * C)
        self.head = nn.Linear(2 * C, classes)
        nn.init.trunc_normal_(self.head.weight, std=0.02)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, channels, side, side) to logits (B, classes)."""
        x = self.local_blocks(self.stem(images))
        x = self.global_blocks(self.reduction(x))
        logits: Tensor = self.head(self.norm(x).mean(dim=(2, 3)))
        return logits


class MixingBlock(nn.Module):
    """A residual block with two branches: one mixes places, the other is an MLP for each place."""

    def __init__(
        self, channels: int, mixture: nn.Module, mlp_ratio: float, drop_path: float
    ) -> None:
        super().__init__()
        hidden = int(channels * mlp_ratio)
        self.position = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.norm1 = nn.BatchNorm2d(channels)
        self.mixture = mixture
        self.norm2 = nn.BatchNorm2d(channels)
        self.mlp = nn.Sequential(
            nn.Conv2d(channels, hidden, 1), nn.GELU(), nn.Conv2d(hidden, channels, 1)
        )
        self.drop_path = DropPath(drop_path)

    def branches(self) -> tuple[Branch, Branch]:
        """The two branches that the block adds to its features, in order."""
        return self._mixed, self._widened

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, C, S, S) to the same shape."""
        for branch in self.branches():
            x = x + branch(x)
        return x

    def _mixed(self, x: Tensor) -> Tensor:
        placed: Tensor = self.position(x)
        mixed: Tensor = self.drop_path(self.mixture(self.norm1(x + placed)))
        return placed + mixed

    def _widened(self, x: Tensor) -> Tensor:
        widened: Tensor = self.drop_path(self.mlp(self.norm2(x)))
        return widened


class Neighbours(nn.Sequential):
    """A mixture of each place with its neighbours by a depthwise 5×5 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, channels, 1),
            nn.Conv2d(channels, channels, 5, padding=2, groups=channels),
            nn.Conv2d(channels, channels, 1),
        )


class Everything(nn.Module):
    """A mixture of all places by softmax attention."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(channels, num_heads=heads, qkv_bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, C, S, S) to the same shape."""
        tokens = self.attention(x.flatten(2).transpose(1, 2))
        mixed: Tensor = tokens.transpose(1, 2).reshape(x.shape)
        return mixed


def _reduced(before: int, after: int, factor: int) -> Any:
    """A strided convolution with batch norm that divides the side by `factor`."""
    return nn.Sequential(nn.Conv2d(before, after, factor, stride=factor), nn.BatchNorm2d(after))
