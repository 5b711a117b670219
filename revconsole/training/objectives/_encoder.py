"""A vision transformer of timm's as an encoder: its tokens, at any size of the image, and its features.

Shapes: B images, C channels, S pixels of height and width, N patches, T = N + 1 or + 0 tokens, D width, W width of
the features (2·D where a scheme hands on two streams side by side).
"""

from typing import Any

import torch
from timm.layers import resample_abs_pos_embed
from torch import Tensor, nn


def headless(network: Any) -> int:
    """Take the head off; returns the width of what it read."""
    width = int(network.head.in_features)
    network.reset_classifier(0)
    return width


def embedded(encoder: Any, images: Tensor) -> Tensor:
    """Tokens (B, T, D) with their positions, which are resampled for images of another size than the encoder's."""
    x = encoder.patch_embed(images)
    same = x.shape[1] == encoder.patch_embed.num_patches
    if same or encoder.pos_embed is None:
        tokens: Tensor = encoder._pos_embed(x)  # noqa: SLF001  timm's own way from patches to tokens
        return tokens
    side = int(x.shape[1] ** 0.5)
    positions = resample_abs_pos_embed(
        encoder.pos_embed,
        new_size=[side, side],
        old_size=list(encoder.patch_embed.grid_size),
        num_prefix_tokens=encoder.num_prefix_tokens,
    )
    if encoder.cls_token is not None:
        x = torch.cat([encoder.cls_token.expand(len(x), -1, -1), x], dim=1)
    dropped: Tensor = encoder.pos_drop(x + positions)
    return dropped


def encoded(encoder: Any, tokens: Tensor) -> Tensor:
    """Tokens (B, T, D) through all blocks and the norm behind them, (B, T', W)."""
    after: Tensor = encoder.norm(encoder.blocks(encoder.norm_pre(tokens)))
    return after


def features(encoder: Any, images: Tensor) -> Tensor:
    """What a head would read of images (B, C, S, S), (B, W)."""
    tokens = encoded(encoder, embedded(encoder, images))
    pooled: Tensor = encoder.forward_head(tokens, pre_logits=True)
    return pooled


def spared(encoder: nn.Module, prefix: str) -> set[str]:
    """Names of parameters that the encoder asks not to decay."""
    named = getattr(encoder, "no_weight_decay", None)
    return {f"{prefix}{name}" for name in named()} if callable(named) else set()
