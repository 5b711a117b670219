"""Crops: random pieces of a batch of images at another size, drawn as in torchvision's RandomResizedCrop.

One call per image would take longer than a training step of a small model.

Shapes: B images, C channels, S pixels of height and width.
"""

import math

import torch
from torch import Tensor

from revconsole.data._per_image import rescaled
from revconsole.data._placing import moved

TRIES = 10
"""Draws of a piece until one lies within the image, as in torchvision; otherwise the whole image is used."""


def resized_crops(
    images: Tensor, *, size: int, shares: tuple[float, float], ratio: float, draws: torch.Generator
) -> Tensor:
    """A random piece of each image, float32 (B, C, S, S) to (B, C, size, size).

    shares: range of the piece's share of the area. ratio: largest ratio of width to height, and of height to width.
    `draws` is on the CPU; it draws areas and logarithms of shapes, TRIES times per image, then the B rows and the B
    columns.
    """
    count, side, device = len(images), images.shape[-1], images.device

    def uniform(shape: tuple[int, ...], low: float, high: float) -> Tensor:
        return torch.empty(shape).uniform_(low, high, generator=draws)

    area = side**2 * uniform((TRIES, count), *shares)
    tilt = math.log(ratio)
    shape = uniform((TRIES, count), -tilt, tilt).exp()
    sides = torch.stack([(area / shape).sqrt(), (area * shape).sqrt()]).round()  # (2, TRIES, B)
    fits = ((sides > 0) & (sides <= side)).all(0)
    first = fits.to(torch.uint8).argmax(0)
    chosen = sides[:, first, torch.arange(count)].where(fits.any(0), float(side))  # (2, B)
    corners = (uniform((2, count), 0, 1) * (side - chosen + 1)).floor().minimum(side - chosen)
    return rescaled(images, moved(corners, device), moved(chosen, device), side=size)


def mirrored(images: Tensor, *, draws: torch.Generator) -> Tensor:
    """Images (B, C, S, S), each mirrored left to right with probability 1/2, by draws on the CPU."""
    mirror = torch.randint(0, 2, (len(images), 1, 1, 1), generator=draws).bool()
    return torch.where(moved(mirror, images.device), images.flip(-1), images)
