"""Vision transformer built on timm's layers (Dosovitskiy et al. 2020), for images of any size.

The plain pre-norm network: patches, tokens, `depth` blocks of attention and MLP, one linear head. Its parts can be
chosen: the stem (`_stems`), the mixture of tokens and pooling (`_attention`), merging of tokens (`_merging`). Schemes
rewire the blocks, so there is no reversible model here.

Shapes: S side of the image, P side of a patch, D width.
"""

from typing import Any

import torch
from timm.layers import PatchEmbed, build_sincos2d_pos_embed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from revconsole.errors import DataUnavailable
from revconsole.models._attention import SequencePool, attention
from revconsole.models._epsilon import with_epsilon
from revconsole.models._merging import MergingBlocks
from revconsole.models._stems import stem
from revconsole.models._weights import loaded
from revconsole.records.sections.model import Vit

SAME_SINES = 1e-5
"""Sines of the same angles, computed in float32 by other programs."""


def build(
    settings: Vit, *, size: int, channels: int, classes: int, width: int | None = None
) -> nn.Module:
    """The network with random initial weights, or those of a file, on the current default device.

    width: of images that are not square. Raises DataUnavailable for a file of weights that does not fit.

    Dropout acts as in the paper: on the tokens after the positions are added, after the projection of each attention,
    and after both layers of each MLP; never on attention weights or before the head.
    """
    model: Any = VisionTransformer(
        **arguments(settings, size=size, channels=channels, classes=classes)
        | {"img_size": (size, width or size)},
        pos_drop_rate=settings.dropout,
        proj_drop_rate=settings.dropout,
        drop_path_rate=settings.drop_path,
        embed_layer=_stem(settings, (size, width or size), channels),
    )
    model.pretrained_cfg = {"first_conv": "patch_embed.proj", "classifier": "head"}
    if settings.attention != "softmax":
        _replace_attention(model, settings)
    if settings.pool == "sequence":
        model.attn_pool = SequencePool(settings.dim)
    if settings.position == "sinusoidal":
        grid = (size // settings.patch, (width or size) // settings.patch)
        fix_positions(model, grid, settings.dim)
    with_epsilon(model, settings.norm_eps)
    if settings.weights is not None:
        _load(settings, model, channels=channels, classes=classes)
    if settings.token_merging:
        model.blocks = MergingBlocks(model.blocks, merged=settings.token_merging)
    built: nn.Module = model
    return built


def arguments(settings: Vit, *, size: int, channels: int, classes: int) -> dict[str, Any]:
    """Timm's arguments that say what the network computes; its stem, and what drops activations, come on top."""
    return {
        "img_size": size,
        "patch_size": settings.patch,
        "in_chans": channels,
        "num_classes": classes,
        "global_pool": "token" if settings.pool == "cls" else "avg",
        "embed_dim": settings.dim,
        "depth": settings.depth,
        "num_heads": settings.heads,
        "mlp_ratio": _ratio(settings),
        "class_token": settings.pool == "cls",
        "pos_embed": "none" if settings.position == "none" else "learn",
        "init_values": settings.layer_scale,
        "final_norm": settings.final_norm,
        "fc_norm": False if settings.pool == "sequence" else None,
    }


def fix_positions(model: Any, grid: tuple[int, int], dim: int) -> None:
    """Replace the model's trained positions by fixed sines and cosines. grid: rows and columns of patches."""
    positions = sinusoidal_positions(grid, dim, with_token=model.cls_token is not None)
    del model.pos_embed
    model.register_buffer("pos_embed", positions)


def sinusoidal_positions(grid: tuple[int, int], dim: int, *, with_token: bool) -> Tensor:
    """Fixed sines and cosines of row and column, (1, rows · columns + 1 or + 0, D); zeros for the class token."""
    device = torch.get_default_device()
    positions: Tensor = build_sincos2d_pos_embed(list(grid), dim, device=device).unsqueeze(0)
    if not with_token:
        return positions
    return torch.cat([positions.new_zeros(1, 1, dim), positions], dim=1)


def _load(settings: Vit, model: Any, *, channels: int, classes: int) -> None:
    """Load a file of weights. Raises DataUnavailable, also for trained positions in place of fixed ones."""
    fixed = model.pos_embed.clone() if settings.position == "sinusoidal" else None
    loaded(model, str(settings.weights), channels=channels, classes=classes, taker="architecture vit")  # fmt: skip
    if fixed is not None and not torch.allclose(fixed, model.pos_embed, atol=SAME_SINES):
        raise DataUnavailable(
            f"{settings.weights} does not fit architecture vit: its positions are not the sines of "
            "model.position=sinusoidal; set it to learned"
        )


def _ratio(settings: Vit) -> float:
    """Timm's factor for `dim`; for a width, half a unit more, because timm rounds down."""
    if settings.mlp_width is None:
        return settings.mlp_ratio
    return (settings.mlp_width + 0.5) / settings.dim


def _stem(settings: Vit, size: tuple[int, int], channels: int) -> Any:
    """The function that timm calls to make the patch embedding."""
    if settings.stem == "linear":
        return PatchEmbed
    layer = stem(
        settings.stem, size=size, channels=channels, dim=settings.dim, patch=settings.patch
    )
    return lambda **_: layer


def _replace_attention(model: Any, settings: Vit) -> None:
    """Give each block another attention, initialised like timm's."""
    for block in model.blocks:
        block.attn = attention(
            settings.attention,
            settings.dim,
            settings.heads,
            dropout=settings.dropout,
            landmarks=settings.landmarks,
        ).apply(model._init_weights)  # noqa: SLF001  timm has no public function for it
