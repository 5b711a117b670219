"""Batches of a split that lives on the device: ordered, augmented and standardised there.

Which images, where each is cropped and which are mirrored depend on (seed, purpose, position) alone and are
drawn on the CPU: every device sees the same images, and batch k is the same whether or not the ones before
it were made. Worker processes would cost more than the work.

Shapes: N images of a split, B of a batch, C channels, S pixels of height and width, P = S + 2·padding.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from revconsole.data._opening import Preparation, Split
from revconsole.records.keys import key

Batch = tuple[int, Tensor, Tensor]
"""Step within the epoch from 0, images float32 (B, C, S, S), labels int64 (B,), both on the device."""


def steps_per_epoch(images: int, *, batch: int, drop_last: bool = False) -> int:
    """How many batches an epoch of that many images has; a last smaller one counts unless dropped."""
    return images // batch if drop_last else -(-images // batch)


def batches(
    split: Split, *, batch: int, seed: int, epoch: int, first: int = 0, drop_last: bool = False
) -> Iterator[Batch]:
    """One epoch of a split in keyed random order, prepared as the split says.

    epoch: from 0. The order is keyed by (seed, "order", epoch).
    first: the step to begin with; the skipped ones cost nothing and change nothing.
    drop_last: leave out a last batch with fewer than `batch` images; by default it is kept.
    Augmentation is keyed by (seed, "augment", epoch · steps per epoch + step).
    """
    steps = steps_per_epoch(len(split), batch=batch, drop_last=drop_last)
    generator = torch.Generator().manual_seed(key(seed, "order", epoch))
    order = torch.randperm(len(split), generator=generator).to(split.images.device)

    for step in range(first, steps):
        chosen = order[step * batch : (step + 1) * batch]
        draws = torch.Generator().manual_seed(key(seed, "augment", epoch * steps + step))
        pixels = augmented(split.images[chosen], split.preparation, generator=draws)
        yield step, standardised(pixels, split.preparation), split.labels[chosen]


def evaluation_batches(split: Split, *, batch: int) -> Iterator[Batch]:
    """All images of a split once, in their own order, standardised, never augmented."""
    parts = zip(torch.split(split.images, batch), torch.split(split.labels, batch), strict=True)
    for step, (pixels, labels) in enumerate(parts):
        yield step, standardised(pixels, split.preparation), labels


def standardised(pixels: Tensor, how: Preparation) -> Tensor:
    """uint8 (B, C, S, S) to float32 of the same shape."""
    return pixels.to(torch.float32).sub_(how.shift).div_(how.scale)


def augmented(pixels: Tensor, how: Preparation, *, generator: torch.Generator) -> Tensor:
    """Each of uint8 (B, C, S, S) at its own random crop and, with "crop-flip", mirrored or not.

    A crop is cut out of the image with `crop_padding` black pixels on each side; every offset is as likely
    as another. `generator` is on the CPU; it draws the B rows, the B columns, then the B mirrorings.
    """
    if how.augment == "none":
        return pixels
    count, size, device = len(pixels), pixels.shape[-1], pixels.device
    offsets = torch.randint(0, 2 * how.crop_padding + 1, (2, count), generator=generator).to(device)
    padded = F.pad(pixels, [how.crop_padding] * 4)  # (B, C, P, P)
    windows = padded.unfold(2, size, 1).unfold(3, size, 1)  # a view: (B, C, P-S+1, P-S+1, S, S)
    cropped = windows[torch.arange(count, device=device), :, offsets[0], offsets[1]]
    if how.augment == "crop":
        return cropped

    mirror = torch.randint(0, 2, (count, 1, 1, 1), generator=generator).to(device, torch.bool)
    return torch.where(mirror, cropped.flip(-1), cropped)
