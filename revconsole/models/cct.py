"""Compact convolutional transformer (Hassani et al. 2021), built on timm's layers.

Convolutions with overlapping pools make the tokens, learned weights pool them, and there is no class token.
CCT-2/3x2 is the default; CCT-7/3x1 is convolutions 1, depth 7, dim 256, heads 4, mlp_ratio 2. Blocks are the
usual pre-norm ones, where the paper's MLP adds to the normed stream.
"""

from typing import Any

from timm.models.vision_transformer import VisionTransformer
from torch import nn

from revconsole.models._attention import SequencePool
from revconsole.models._stems import Stem, convolutional_tokens, side_of_tokens
from revconsole.models.vit import fix_positions
from revconsole.records.sections.model import Cct


def build(settings: Cct, *, size: int, channels: int, classes: int) -> nn.Module:
    """The network with random initial weights, on the current default device."""
    shape = {"convolutions": settings.convolutions, "kernel": settings.kernel}
    side = side_of_tokens(size, **shape)
    token_stem = Stem(
        convolutional_tokens(channels, settings.dim, **shape), size=(size, size), grid=(side, side)
    )
    model: Any = VisionTransformer(
        img_size=size,
        patch_size=max(1, size // side),
        in_chans=channels,
        num_classes=classes,
        global_pool="avg",
        embed_dim=settings.dim,
        depth=settings.depth,
        num_heads=settings.heads,
        mlp_ratio=settings.mlp_ratio,
        qkv_bias=False,
        class_token=False,
        pos_embed="none" if settings.position == "none" else "learn",
        fc_norm=False,
        pos_drop_rate=settings.dropout,
        proj_drop_rate=settings.dropout,
        drop_path_rate=settings.drop_path,
        embed_layer=lambda **_: token_stem,
    )
    model.attn_pool = SequencePool(settings.dim)
    if settings.position == "sinusoidal":
        fix_positions(model, (side, side), settings.dim)
    built: nn.Module = model
    return built
