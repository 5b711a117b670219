"""Crops: random rectangles of images at another size, as torchvision's RandomResizedCrop draws them, a batch at once.

One call per image takes longer than a training step of a small model; `roi_align` cuts and resizes them all.

Shapes: B images, C channels, S pixels of height and width.
"""

import math

import torch
from torch import Tensor

RATIOS = (3 / 4, 4 / 3)
"""Of width to height, as torchvision's."""


def resized_crops(
    images: Tensor,
    *,
    size: int,
    shares: tuple[float, float],
    mirrored: bool,
    draws: torch.Generator,
) -> Tensor:
    """One rectangle of each of float32 (B, C, S, S), as (B, C, size, size).

    shares: least and most of the image's area. mirrored: every other one left to right. `draws` is on the CPU and
    draws, for all images, shares, ratios, columns, rows, then mirrorings.
    """
    from torchvision.ops import roi_align  # deferred: slow to import, and most runs do without

    share, ratio, column, row, coin = torch.rand(5, len(images), generator=draws)
    area = shares[0] + (shares[1] - shares[0]) * share
    stretch = torch.exp(math.log(RATIOS[0]) + (math.log(RATIOS[1]) - math.log(RATIOS[0])) * ratio)
    width, height = (area * stretch).sqrt().clamp(max=1), (area / stretch).sqrt().clamp(max=1)
    left, top = column * (1 - width), row * (1 - height)
    corners = torch.stack([left, top, left + width, top + height], dim=1) * images.shape[-1]
    boxes = torch.cat([torch.arange(len(images))[:, None], corners], dim=1).to(images.device)
    cut: Tensor = roi_align(images, boxes, output_size=size, aligned=True)
    if not mirrored:
        return cut
    return torch.where((coin < 0.5).to(cut.device)[:, None, None, None], cut.flip(-1), cut)
