"""Augmentation of the images of a training batch, each by its own draws, on their device.

    crop, flip, random_resized_crop                   here, all images at once; the last on grey levels
    rotation, rand_augment, colour_jitter, blur       in `_per_image`, all at once, on grey levels
    erasing                                           here, on standardised images, with zero
    mixup, cutmix                                     here, on whole batches; labels become shares

Crops, erasing and mixing are drawn as in torchvision, but from a generator of their own: the global one belongs to the
model's step. All draws are made on the CPU, so every device sees the same images.

Shapes: B images, C channels, S pixels of height and width, P = S + 2·padding, p pixels of a piece.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from revconsole.data._per_image import blurred, randomly_augmented, recoloured, rescaled, rotated
from revconsole.data._placing import moved
from revconsole.records.sections import Data

RANDOM_OPERATIONS = 2
"""Operations of RandAugment per image, as in the paper and in timm."""
LEAST_BLUR = 0.1  # pixels, torchvision's smallest deviation
DEVIATIONS = 3  # half-width of a Gaussian, beyond which it is cut off
TRIES = 10
"""Draws of a piece until one lies within the image, as in torchvision; otherwise the whole image, or none, is taken."""
ERASED_SHARE, ERASED_RATIO = (0.02, 0.33), (0.3, 3.3)
"""Ranges of area and of height by width of an erased rectangle: Zhong et al. 2017, and torchvision."""


def cropped_and_mirrored(pixels: Tensor, settings: Data, *, generator: torch.Generator) -> Tensor:
    """Each image of uint8 (B, C, S, S) at its own random crop, mirrored or not, as `settings` says: (B, C, p, p).

    A crop is cut out of the image, with `crop_padding` black pixels on each side if `augment` says so; every offset
    is equally likely. `generator` is on the CPU; it draws for the crop, then the B mirrorings.
    """
    if settings.random_resized_crop is not None:
        crops = resized_crops(
            pixels.float(),
            size=settings.crop or pixels.shape[-1],
            shares=(settings.random_resized_crop, settings.crop_most),
            ratio=settings.crop_ratio,
            draws=generator,
        )
        pixels = _levels(crops)
    elif settings.augment != "none" or settings.crop is not None:
        pixels = _windows(pixels, settings, generator=generator)
    return mirrored(pixels, draws=generator) if settings.mirrors else pixels


def _windows(pixels: Tensor, settings: Data, *, generator: torch.Generator) -> Tensor:
    """Unscaled pieces (B, C, p, p); draws the B rows, then the B columns."""
    count, device = len(pixels), pixels.device
    padding = settings.crop_padding if settings.augment != "none" else 0
    height, width = (settings.crop or side for side in pixels.shape[-2:])
    last = (
        pixels.shape[-1] + 2 * padding - width
    )  # downwards too: only squares are cut to another size
    rows, columns = moved(torch.randint(0, last + 1, (2, count), generator=generator), device)
    padded = F.pad(pixels, [padding] * 4)  # (B, C, P, P)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # a view: (B, C, P-p+1, P-p+1, p, p)
    return windows[torch.arange(count, device=device), :, rows, columns]


def transformed(pixels: Tensor, settings: Data, *, seed: int) -> Tensor:
    """Each image of uint8 (B, C, S, S) rotated, randomly augmented, recoloured and blurred, as the settings say."""
    draws, device = torch.Generator().manual_seed(seed), pixels.device

    def uniform(shape: tuple[int, ...], low: float, high: float) -> Tensor:
        return moved(torch.empty(shape).uniform_(low, high, generator=draws), device)

    count, size = len(pixels), min(pixels.shape[-2:])
    if settings.rotation:
        degrees = uniform((count,), -settings.rotation, settings.rotation)
        pixels = _levels(rotated(pixels.float(), degrees))
    if settings.rand_augment is not None:
        pixels = randomly_augmented(
            pixels, settings.rand_augment, operations=RANDOM_OPERATIONS, draws=draws
        )
    if settings.colour_jitter:
        factors = uniform((3, count), 1 - settings.colour_jitter, 1 + settings.colour_jitter)
        pixels = _levels(recoloured(pixels.float(), factors))
    if settings.blur:
        deviations = uniform((count,), min(LEAST_BLUR, settings.blur), settings.blur)
        # Mirror padding must be smaller than the image.
        reach = min(math.ceil(DEVIATIONS * settings.blur), size - 1)
        pixels = _levels(blurred(pixels.float(), deviations, reach=reach))
    return pixels


def erased(images: Tensor, settings: Data, *, seed: int) -> Tensor:
    """Set a random rectangle of standardised images (B, C, S, S) to zero, with probability `erasing`; in place."""
    if settings.erasing:
        draws = torch.Generator().manual_seed(seed)
        erase = torch.zeros(len(images), 1, *images.shape[-2:], dtype=torch.bool)
        for mask in erase:
            if float(torch.rand(1, generator=draws)) < settings.erasing:
                rows, columns = _rectangle(images.shape[-2], images.shape[-1], draws)
                mask[:, rows, columns] = True
        images.masked_fill_(moved(erase, images.device), 0)
    return images


def mixed(
    images: Tensor, labels: Tensor, settings: Data, *, classes: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Each image mixed with its neighbour in the batch, and the labels with it.

    labels: int64 (B,). Returns images and each image's class shares, float32 (B, classes); both unchanged if nothing
    is mixed. With mixup and cutmix each batch gets one of them, with equal probability.
    """
    if not settings.mixes:
        return images, labels
    draws = torch.Generator().manual_seed(seed)
    kinds = [(_blended, settings.mixup)] if settings.mixup else []
    kinds += [(_pasted, settings.cutmix)] if settings.cutmix else []
    mix, alpha = kinds[int(torch.multinomial(torch.ones(len(kinds)), 1, generator=draws))]
    share = torch._sample_dirichlet(torch.tensor([[alpha, alpha]]), generator=draws)  # noqa: SLF001  Beta takes no generator
    images, own_share = mix(images, float(share[0, 0]), draws)
    one_hot = F.one_hot(labels, classes).float()
    return images, one_hot.roll(1, 0).mul_(1 - own_share).add_(one_hot.mul(own_share))


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


def _levels(images: Tensor) -> Tensor:
    """Images rounded to grey levels, uint8."""
    return images.round().clamp(0, 255).to(torch.uint8)


def _rectangle(rows: int, columns: int, draws: torch.Generator) -> tuple[slice, slice]:
    """Rows and columns, drawn as in torchvision's RandomErasing; empty if no rectangle fits in TRIES tries."""

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(1).uniform_(low, high, generator=draws)

    tilts = torch.tensor(ERASED_RATIO).log().tolist()
    for _ in range(TRIES):
        area = rows * columns * uniform(*ERASED_SHARE).item()
        ratio = uniform(*tilts).exp().item()
        height, width = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if height < rows and width < columns:
            top = int(torch.randint(0, rows - height + 1, (1,), generator=draws))
            left = int(torch.randint(0, columns - width + 1, (1,), generator=draws))
            return slice(top, top + height), slice(left, left + width)
    return slice(0), slice(0)


def _blended(images: Tensor, share: float, draws: torch.Generator) -> tuple[Tensor, float]:
    """mixup: the weighted sum of both images, and the share of each image's own label. Draws nothing."""
    del draws
    return images.roll(1, 0).mul_(1 - share).add_(images.mul(share)), share


def _pasted(images: Tensor, share: float, draws: torch.Generator) -> tuple[Tensor, float]:
    """cutmix: each image with a rectangle of its neighbour, clipped at the edge, and the share of its own label."""
    rows, columns = images.shape[-2:]
    across, down = (int(torch.randint(size, (1,), generator=draws)) for size in (columns, rows))
    (top, bottom), (left, right) = (
        _around(middle, int(0.5 * math.sqrt(1 - share) * size), size)
        for middle, size in ((down, rows), (across, columns))
    )
    pasted = images.clone()
    pasted[..., top:bottom, left:right] = images.roll(1, 0)[..., top:bottom, left:right]
    return pasted, 1 - (right - left) * (bottom - top) / (rows * columns)


def _around(middle: int, reach: int, size: int) -> tuple[int, int]:
    """What lies within `reach` of a place, cut off at the edges."""
    return max(middle - reach, 0), min(middle + reach, size)
