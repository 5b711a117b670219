"""Encoder: a vision transformer of timm without its head, from images of any size to tokens and features.

Shapes: B images, C channels, S pixels of height and width, N patches, T = N + 1 or + 0 tokens, D width, W width of
the features (2·D if a scheme concatenates two streams).
"""

from typing import Any

import torch
from timm.layers import resample_abs_pos_embed
from torch import Tensor


def headless(network: Any) -> int:
    """Remove the head of a network; returns the width of its input."""
    width = int(network.head.in_features)
    network.reset_classifier(0)
    return width


def embedded(encoder: Any, images: Tensor) -> Tensor:
    """Tokens (B, T, D) with position encodings, resampled for images of another size than the encoder's."""
    x = encoder.patch_embed(images)
    same = x.shape[1] == encoder.patch_embed.num_patches
    if same or encoder.pos_embed is None:
        tokens: Tensor = encoder._pos_embed(x)  # noqa: SLF001  timm has no public function for it
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
    """Tokens (B, T, D) after all blocks and the final norm, (B, T', W)."""
    after: Tensor = encoder.norm(encoder.blocks(encoder.norm_pre(tokens)))
    return after


def features(encoder: Any, images: Tensor) -> Tensor:
    """Features (B, W) of images (B, C, S, S): the input of a head."""
    tokens = encoded(encoder, embedded(encoder, images))
    pooled: Tensor = encoder.forward_head(tokens, pre_logits=True)
    return pooled
