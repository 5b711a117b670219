"""Batches of a split on the training device: ordered, augmented and standardised there, wherever its images are
stored.

The choice of images and all randomness depend only on (seed, purpose, position) and are drawn on the CPU. Every
device sees the same images, and batch k does not depend on earlier batches, so batches can be prepared ahead in a
thread (`_ahead`).

Shapes: N images of a split, B of a batch, C channels, S pixels of height and width.
"""

from collections.abc import Generator, Iterator, Sequence
from itertools import count

import torch
from torch import Tensor
from torch.nn import functional as F

from revconsole.data._ahead import USUAL, ahead
from revconsole.data._augment import cropped_and_mirrored, erased, mixed, transformed
from revconsole.data._opening import OpenedSplit
from revconsole.data._placing import moved
from revconsole.data._stored import StoredImages, middle, parts_of
from revconsole.records.keys import key

Batch = tuple[int, Tensor, Tensor]
"""(step within the epoch from 0, images float32 (B, C, S, S), labels), both tensors on the device.

Labels are classes, int64 (B,); for mixed images they are class shares, float32 (B, classes). `cross_entropy` accepts
both; `dominant` converts either to classes.
"""


def steps_per_epoch(images: int, *, batch: int, drop_last: bool = False, least: int = 1) -> int:
    """Number of batches in an epoch of `images` images, including a smaller last one unless dropped.

    least: a last batch with fewer images is joined to the one before it.
    """
    whole, remainder = divmod(images, batch)
    return whole + (0 if drop_last or not remainder or (whole and remainder < least) else 1)


def batches(
    split: OpenedSplit,
    *,
    batch: int,
    seed: int,
    epoch: int,
    first: int = 0,
    drop_last: bool = False,
    least: int = 1,
    size: tuple[int, int] | None = None,
    prefetch: int | None = 0,
) -> Generator[Batch, None, None]:
    """The batches of one epoch in keyed random order, prepared as the split says.

    epoch: from 0; the order is keyed by (seed, "order", epoch). first: first step to yield; skipped steps cost nothing and
    do not affect the others. drop_last: omit a last batch with fewer than `batch` images. least: a last batch with fewer
    images is joined to the one before it. size: final height and width of the images; None keeps it. prefetch: batches prepared ahead
    in a thread, see `ahead`; neither this nor the device affects their content. Augmentation is keyed by (seed, purpose,
    epoch · steps per epoch + step) with the purposes "augment" for crops and mirrorings, "transform", "erase" and "mix".
    """
    augmentation = split.preparation.augmentation
    steps = steps_per_epoch(len(split), batch=batch, drop_last=drop_last, least=least)
    repeats = 1 if augmentation is None else augmentation.repeats
    order = _order(len(split), repeats, key(seed, "order", epoch)).to(split.images.device)

    def make(step: int) -> Batch:
        end = len(order) if step == steps - 1 and not drop_last else (step + 1) * batch
        chosen = _apart(order[step * batch : end], repeats)
        images, labels = _prepared(split, chosen, seed=seed, position=epoch * steps + step)
        return step, images if size is None else resized(images, size), labels

    if prefetch is None and isinstance(split.images, StoredImages):
        prefetch = USUAL  # waiting for a disk takes no processor time, by which `ahead` decides
    return ahead(make, range(first, steps), most=prefetch)


def evaluation_batches(
    split: OpenedSplit, *, batch: int, first: int = 0, every: int = 1
) -> Iterator[Batch]:
    """All images of a split in their own order, cropped to the middle if crops are trained on, standardised.

    first, every: only each `every`-th batch, from this one on.
    """
    preparation, device = split.preparation, split.device
    parts = parts_of(split.images, batch, first=first, every=every)
    for step, pixels in zip(count(first, every), parts, strict=False):
        labels = split.labels[step * batch : (step + 1) * batch]
        cropped = moved(middle(pixels, preparation.crop), device)
        yield step, preparation.standardisation(cropped), moved(labels, device)


def of_classes(split: OpenedSplit, classes: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """All images of some classes: numbers in the split, int64 (B,); images, not augmented; labels."""
    chosen = torch.tensor(classes, device=split.labels.device)
    numbers = torch.isin(split.labels, chosen).nonzero().flatten()
    pixels, labels = (
        moved(tensor[numbers], split.device) for tensor in (split.images, split.labels)
    )
    return moved(numbers, split.device), split.preparation.standardisation(pixels), labels


def resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Images (B, C, S, S) at another height and width, antialiased when they shrink; unchanged if they have these already."""
    if images.shape[-2:] == size:
        return images
    return F.interpolate(images, size=size, mode="bilinear", antialias=True)


def dominant(labels: Tensor) -> Tensor:
    """The class of each image, int64 (B,); for a mixed image the class with the largest share."""
    return labels if labels.ndim == 1 else labels.argmax(dim=1)


def _prepared(
    split: OpenedSplit, chosen: Tensor, *, seed: int, position: int
) -> tuple[Tensor, Tensor]:
    pixels, labels = (
        moved(tensor[chosen], split.device) for tensor in (split.images, split.labels)
    )
    settings, standardise = split.preparation.augmentation, split.preparation.standardisation
    if settings is None:
        return standardise(pixels), labels

    draws = torch.Generator().manual_seed(key(seed, "augment", position))
    pixels = cropped_and_mirrored(pixels, settings, generator=draws)
    pixels = transformed(pixels, settings, seed=key(seed, "transform", position))
    images = erased(standardise(pixels), settings, seed=key(seed, "erase", position))
    return mixed(images, labels, settings, classes=split.classes, seed=key(seed, "mix", position))


def _order(count: int, repeats: int, seed: int) -> Tensor:
    """Indices of an epoch's images, int64 (N,); with repeats, N / repeats distinct images in the same number of
    steps.

    Repeated augmentation: Hoffer et al. 2020, arXiv:1901.09335.
    """
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return order if repeats == 1 else order.repeat_interleave(repeats)[:count]


def _apart(chosen: Tensor, repeats: int) -> Tensor:
    """A batch with copies of an image moved apart, because mixing an image with itself has no effect."""
    if repeats == 1:
        return chosen
    return torch.cat([chosen[first::repeats] for first in range(repeats)])
