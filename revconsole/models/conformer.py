"""Convolutions and a transformer side by side, coupled in every block (Peng et al. 2021), for small images.

The convolutions keep local detail at half the side of the image; the transformer sees the whole in patches.
In each block a coupling unit hands the features down to the tokens, and the tokens back up. Each branch has a
head, and the logits are the mean of the two. With two streams already, its blocks take no scheme.

Shapes: B batch, C channels, S side of the features, N tokens with the class token first, D width.
"""

from typing import Any

import torch
from timm.layers import calculate_drop_path_rates
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional as F

from revconsole.records.sections.model import Conformer

SQUEEZE = 4
"""Ratio of a block's channels to those of its bottleneck."""


def build(settings: Conformer, *, size: int, channels: int, classes: int) -> nn.Module:
    """The network with random initial weights, on the current default device."""
    return Coupled(settings, size=size, channels=channels, classes=classes)


class Coupled(nn.Module):
    """The whole network: stem, coupled blocks, and one head per branch."""

    def __init__(self, settings: Conformer, *, size: int, channels: int, classes: int) -> None:
        super().__init__()
        self.img_size = (size, size)
        C, D, stride = settings.channels, settings.dim, settings.patch // 2
        self.stem = nn.Sequential(
            nn.Conv2d(channels, C, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(C), nn.ReLU()
        )
        self.patch_embed = nn.Conv2d(C, D, stride, stride=stride)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, D))
        self.first_features = Bottleneck(C)
        self.first_tokens = _transformer_block(settings, 0.0)
        rates: list[float] = calculate_drop_path_rates(settings.drop_path, settings.depth)
        side = size // settings.patch
        self.blocks = nn.ModuleList(CoupledBlock(settings, side, rate) for rate in rates[1:])
        self.norm = nn.LayerNorm(D)
        self.head = nn.Linear(D, classes)
        self.head_features = nn.Linear(C, classes)
        for weight in (self.head.weight, self.head_features.weight, self.cls_token):
            nn.init.trunc_normal_(weight, std=0.02)

    def no_weight_decay(self) -> set[str]:
        """Names of parameters without decay: the class token, as in timm's models."""
        return {"cls_token"}

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, channels, 2S, 2S) to logits (B, classes)."""
        features = self.stem(images)
        patches = self.patch_embed(features).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        features, _ = self.first_features(features)
        tokens = self.first_tokens(tokens)
        for block in self.blocks:
            features, tokens = block(features, tokens)
        of_features: Tensor = self.head_features(features.mean(dim=(2, 3)))
        of_tokens: Tensor = self.head(self.norm(tokens)[:, 0])
        return (of_features + of_tokens) / 2


class CoupledBlock(nn.Module):
    """A bottleneck, a transformer block that also sees its features, and a bottleneck that sees the tokens."""

    def __init__(self, settings: Conformer, side: int, drop_path: float) -> None:
        super().__init__()
        inner, stride = settings.channels // SQUEEZE, settings.patch // 2
        self.features = Bottleneck(settings.channels)
        self.down = Down(inner, settings.dim, stride)
        self.tokens = _transformer_block(settings, drop_path)
        self.up = Up(settings.dim, inner, stride, side)
        self.fusion = Bottleneck(settings.channels)

    def forward(self, features: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, C, S, S) and tokens (B, N, D) to the same shapes."""
        features, within = self.features(features)
        tokens = self.tokens(tokens + self.down(within, tokens))
        features, _ = self.fusion(features, self.up(tokens))
        return features, tokens


class Bottleneck(nn.Module):
    """1×1, 3×3, 1×1 convolutions around a skip connection; features may be added in the middle."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // SQUEEZE
        self.conv1 = nn.Conv2d(channels, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor, added: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Output (B, C, S, S) of x (B, C, S, S), and inner features (B, C/4, S, S). added: (B, C/4, S, S) or None."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = y if added is None else y + added
        within = F.relu(self.bn2(self.conv2(y)))
        return F.relu(x + self.bn3(self.conv3(within))), within


class Down(nn.Module):
    """Features to tokens: project to the tokens' width, average over each patch, normalise."""

    def __init__(self, channels: int, dim: int, stride: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, dim, 1)
        self.pool = nn.AvgPool2d(stride)
        self.norm = nn.LayerNorm(dim)

    def forward(self, features: Tensor, tokens: Tensor) -> Tensor:
        """Features (B, C, S, S) to tokens (B, N, D); the class token has no place and is passed through."""
        patches = self.pool(self.project(features)).flatten(2).transpose(1, 2)
        return torch.cat([tokens[:, :1], F.gelu(self.norm(patches))], dim=1)


class Up(nn.Module):
    """Tokens to features: project to the bottleneck's channels, spread each patch of the grid over its pixels."""

    def __init__(self, dim: int, channels: int, stride: int, side: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(dim, channels, 1)
        self.norm = nn.BatchNorm2d(channels)
        self.stride = stride
        self.side = side

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, D) to features (B, C, S, S)."""
        grid = tokens[:, 1:].transpose(1, 2).reshape(len(tokens), -1, self.side, self.side)
        features = F.relu(self.norm(self.project(grid)))
        return F.interpolate(features, scale_factor=self.stride)


def _transformer_block(settings: Conformer, drop_path: float) -> Any:
    return Block(
        settings.dim,
        settings.heads,
        mlp_ratio=settings.mlp_ratio,
        qkv_bias=True,
        drop_path=drop_path,
    )
