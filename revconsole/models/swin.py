"""Transformer of shifted windows in stages (Liu et al. 2021), timm's: tiny, small, and one for 32 pixels.

`mini` has patches of 2, windows of 4, stages of 2, 6 and 4 blocks with 3, 6 and 12 heads and an MLP twice as wide
(after Lee et al. 2021); tiny and small are the paper's, for any image size.
"""

from typing import Any

import timm
from timm.models.swin_transformer import SwinTransformer
from torch import nn

from revconsole.errors import ProfileError
from revconsole.records.sections.model import Swin

MINI: dict[str, Any] = {
    "patch_size": 2, "window_size": 4, "embed_dim": 96, "depths": (2, 6, 4), "num_heads": (3, 6, 12),
    "mlp_ratio": 2.0,
}  # fmt: skip
NAMES = {"tiny": "swin_tiny_patch4_window7_224", "small": "swin_small_patch4_window7_224"}
PATCHES = {"mini": 2, "tiny": 4, "small": 4}


def build(settings: Swin, *, size: int, channels: int, classes: int) -> nn.Module:
    """The network with random initial weights, on the current default device.

    Raises ProfileError for images that do not divide into patches, or are too small for the last stage.
    """
    patch = PATCHES[settings.variant]
    least = patch * 2 ** (2 if settings.variant == "mini" else 3)
    if size % patch or size < least:
        raise ProfileError.of_plan(
            "data.image_size",
            f"swin {settings.variant} sees images of {least} pixels or more, a multiple of {patch}, "
            f"not {size}",
        )
    arguments = {
        "img_size": size,
        "in_chans": channels,
        "num_classes": classes,
        "drop_path_rate": settings.drop_path,
    }
    if settings.variant == "mini":
        mini: nn.Module = SwinTransformer(**MINI, **arguments)
        return mini
    model: nn.Module = timm.create_model(NAMES[settings.variant], **arguments)
    return model
