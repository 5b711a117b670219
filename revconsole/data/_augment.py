"""Augmentation: what is done to the images of a training batch, each by its own draws, on their device.

    crop, flip                                        here, all images at once
    random_resized_crop                               in `_crops`, all at once, on grey levels
    rotation, rand_augment, colour_jitter, blur       in `_per_image`, all at once, on grey levels
    erasing                                           here, on standardised images, with zero
    mixup, cutmix                                     here, on whole batches; labels become shares

Erasing and mixing are torchvision's, to the bit, but for the generator: it draws from the global one, which belongs
to the model's step, beside which batches are made. All draws are made on the CPU: every device sees the same.

Shapes: B images, C channels, S pixels of height and width, P = S + 2·padding, p pixels of what is cut out.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from revconsole.data._crops import TRIES, mirrored, resized_crops
from revconsole.data._per_image import (
    blurred,
    randomly_augmented,
    recoloured,
    rotated,
)
from revconsole.data._placing import moved
from revconsole.records.sections import Data

RANDOM_OPERATIONS = 2
"""Of RandAugment, per image: the paper's choice, and timm's."""
LEAST_BLUR = 0.1  # pixels: what torchvision takes for hardly any
DEVIATIONS = 3  # to each side, where a Gaussian is cut off
ERASED_SHARE, ERASED_RATIO = (0.02, 0.33), (0.3, 3.3)
"""Of the area, and height by width: Zhong et al. 2017, and torchvision."""


def cropped_and_mirrored(pixels: Tensor, how: Data, *, generator: torch.Generator) -> Tensor:
    """Each of uint8 (B, C, S, S) at its own random crop, mirrored or not, as `how` says: (B, C, p, p).

    A crop is cut out of the image, with `crop_padding` black pixels on each side if `augment` says so; every offset is
    as likely as another. `generator` is on the CPU; it draws what the crop needs, then the B mirrorings.
    """
    if how.random_resized_crop is not None:
        shares, side = (how.random_resized_crop, how.crop_most), how.crop or pixels.shape[-1]
        pixels = _levels(
            resized_crops(
                pixels.float(), size=side, shares=shares, ratio=how.crop_ratio, draws=generator
            )
        )
    elif how.augment != "none" or how.crop is not None:
        pixels = _windows(pixels, how, generator=generator)
    return mirrored(pixels, draws=generator) if how.mirrors else pixels


def _windows(pixels: Tensor, how: Data, *, generator: torch.Generator) -> Tensor:
    """Pieces as they are, (B, C, p, p); the B rows are drawn, then the B columns."""
    count, device = len(pixels), pixels.device
    padding = how.crop_padding if how.augment != "none" else 0
    side = how.crop or pixels.shape[-1]
    last = pixels.shape[-1] + 2 * padding - side
    rows, columns = moved(torch.randint(0, last + 1, (2, count), generator=generator), device)
    padded = F.pad(pixels, [padding] * 4)  # (B, C, P, P)
    windows = padded.unfold(2, side, 1).unfold(3, side, 1)  # a view: (B, C, P-p+1, P-p+1, p, p)
    return windows[torch.arange(count, device=device), :, rows, columns]


def transformed(pixels: Tensor, how: Data, *, seed: int) -> Tensor:
    """Each of uint8 (B, C, S, S) rotated, randomly augmented, recoloured and blurred, as far as `how` says."""
    draws, device = torch.Generator().manual_seed(seed), pixels.device

    def even(shape: tuple[int, ...], low: float, high: float) -> Tensor:
        return moved(torch.empty(shape).uniform_(low, high, generator=draws), device)

    count, size = len(pixels), pixels.shape[-1]
    if how.rotation:
        degrees = even((count,), -how.rotation, how.rotation)
        pixels = _levels(rotated(pixels.float(), degrees))
    if how.rand_augment is not None:
        pixels = randomly_augmented(
            pixels, how.rand_augment, operations=RANDOM_OPERATIONS, draws=draws
        )
    if how.colour_jitter:
        factors = even((3, count), 1 - how.colour_jitter, 1 + how.colour_jitter)
        pixels = _levels(recoloured(pixels.float(), factors))
    if how.blur:
        deviations = even((count,), min(LEAST_BLUR, how.blur), how.blur)
        # Mirroring at the edge takes less than the whole image.
        reach = min(math.ceil(DEVIATIONS * how.blur), size - 1)
        pixels = _levels(blurred(pixels.float(), deviations, reach=reach))
    return pixels


def erased(images: Tensor, how: Data, *, seed: int) -> Tensor:
    """Standardised images (B, C, S, S), each with a rectangle at zero with that probability; written in place."""
    if how.erasing:
        draws = torch.Generator().manual_seed(seed)
        erase = torch.zeros(len(images), 1, *images.shape[-2:], dtype=torch.bool)
        for mask in erase:
            if float(torch.rand(1, generator=draws)) < how.erasing:
                rows, columns = _rectangle(images.shape[-1], draws)
                mask[:, rows, columns] = True
        images.masked_fill_(moved(erase, images.device), 0)
    return images


def mixed(
    images: Tensor, labels: Tensor, how: Data, *, classes: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Each image mixed with its neighbour in the batch, and the labels with it.

    labels: int64 (B,). Returns images and each image's shares of the classes, float32 (B, classes); both
    unchanged where nothing is mixed. With mixup and cutmix a batch gets one or the other, evenly.
    """
    if not how.mixes:
        return images, labels
    draws = torch.Generator().manual_seed(seed)
    kinds = [(_blended, how.mixup)] if how.mixup else []
    kinds += [(_pasted, how.cutmix)] if how.cutmix else []
    mix, alpha = kinds[int(torch.multinomial(torch.ones(len(kinds)), 1, generator=draws))]
    share = torch._sample_dirichlet(torch.tensor([[alpha, alpha]]), generator=draws)  # noqa: SLF001  Beta takes no generator
    images, kept = mix(images, float(share[0, 0]), draws)
    whole = F.one_hot(labels, classes).float()
    return images, whole.roll(1, 0).mul_(1 - kept).add_(whole.mul(kept))


def _levels(images: Tensor) -> Tensor:
    """Grey levels as they are stored."""
    return images.round().clamp(0, 255).to(torch.uint8)


def _rectangle(size: int, draws: torch.Generator) -> tuple[slice, slice]:
    """Rows and columns, drawn as torchvision's RandomErasing does; none if nothing fits in so many tries."""

    def even(low: float, high: float) -> Tensor:
        return torch.empty(1).uniform_(low, high, generator=draws)

    tilts = torch.tensor(ERASED_RATIO).log().tolist()
    for _ in range(TRIES):
        area = size**2 * even(*ERASED_SHARE).item()
        ratio = even(*tilts).exp().item()
        height, width = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if max(height, width) < size:
            top = int(torch.randint(0, size - height + 1, (1,), generator=draws))
            left = int(torch.randint(0, size - width + 1, (1,), generator=draws))
            return slice(top, top + height), slice(left, left + width)
    return slice(0), slice(0)


def _blended(images: Tensor, share: float, draws: torch.Generator) -> tuple[Tensor, float]:
    """mixup: the sum of both images, and the share of each image's own label; nothing else is drawn."""
    del draws
    return images.roll(1, 0).mul_(1 - share).add_(images.mul(share)), share


def _pasted(images: Tensor, share: float, draws: torch.Generator) -> tuple[Tensor, float]:
    """cutmix: a rectangle of the neighbour, cut off at the edge, and what is left of the own label."""
    size = images.shape[-1]
    across, down = (int(torch.randint(size, (1,), generator=draws)) for _ in range(2))
    reach = int(0.5 * math.sqrt(1 - share) * size)
    (top, bottom), (left, right) = (
        (max(middle - reach, 0), min(middle + reach, size)) for middle in (down, across)
    )
    pasted = images.clone()
    pasted[..., top:bottom, left:right] = images.roll(1, 0)[..., top:bottom, left:right]
    return pasted, 1 - (right - left) * (bottom - top) / size**2
