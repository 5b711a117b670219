"""Vision transformer built on timm's layers (Dosovitskiy et al. 2020), for images of any size.

The plain pre-norm network: patches, tokens, `depth` blocks of attention and MLP, one linear head. Wiring the
blocks otherwise is the business of a scheme, so there is no reversible model here.

Shapes: S side of the image, P side of a patch, D width.
"""

import torch
from timm.layers import build_sincos2d_pos_embed
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from revconsole.records.sections import Vit


def build(settings: Vit, *, size: int, channels: int, classes: int) -> nn.Module:
    """The network with freshly drawn weights, on the current default device.

    Dropout acts where the paper has it: on the tokens after the positions are added, after the projection
    of each attention and after both layers of each MLP; never on attention weights or before the head.
    """
    with_token = settings.pool == "cls"
    model: nn.Module = VisionTransformer(
        img_size=size,
        patch_size=settings.patch,
        in_chans=channels,
        num_classes=classes,
        global_pool="token" if with_token else "avg",
        embed_dim=settings.dim,
        depth=settings.depth,
        num_heads=settings.heads,
        mlp_ratio=settings.mlp_ratio,
        class_token=with_token,
        pos_drop_rate=settings.dropout,
        proj_drop_rate=settings.dropout,
        drop_path_rate=settings.drop_path,
    )
    if settings.position == "sinusoidal":
        positions = sinusoidal_positions(
            size // settings.patch, settings.dim, with_token=with_token
        )
        model.pos_embed = nn.Parameter(positions, requires_grad=False)
    return model


def sinusoidal_positions(side: int, dim: int, *, with_token: bool) -> Tensor:
    """Fixed sines and cosines of row and column, (1, side² + 1 or + 0, D); zeros for the class token."""
    device = torch.get_default_device()
    positions: Tensor = build_sincos2d_pos_embed([side, side], dim, device=device).unsqueeze(0)
    if not with_token:
        return positions
    return torch.cat([positions.new_zeros(1, 1, dim), positions], dim=1)
