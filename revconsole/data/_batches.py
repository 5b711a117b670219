"""Batches of a split, on the device that trains: ordered, augmented and standardised there, wherever its images lie.

Which images, and whatever is random about each, depend on (seed, purpose, position) alone and are drawn on the
CPU: every device sees the same images, and batch k is the same whether or not the ones before it were made. Hence
they may be made ahead, in a thread (`_ahead`).

Shapes: N images of a split, B of a batch, C channels, S pixels of height and width.
"""

from collections.abc import Generator, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from revconsole.data._ahead import ahead
from revconsole.data._augment import cropped_and_mirrored, erased, mixed, transformed
from revconsole.data._opening import OpenedSplit, middle
from revconsole.data._placing import moved
from revconsole.records.keys import key

Batch = tuple[int, Tensor, Tensor]
"""Step within the epoch from 0, images float32 (B, C, S, S), labels, both on the device.

Labels are classes, int64 (B,); where images are mixed they are each image's shares of the classes, float32
(B, classes). `cross_entropy` takes both; `dominant` makes classes of either.
"""


def steps_per_epoch(images: int, *, batch: int, drop_last: bool = False, least: int = 1) -> int:
    """How many batches an epoch of that many images has; a last smaller one counts unless dropped.

    least: a last one with fewer images than this is joined to the one before it.
    """
    whole, left = divmod(images, batch)
    return whole + (0 if drop_last or not left or (whole and left < least) else 1)


def batches(
    split: OpenedSplit,
    *,
    batch: int,
    seed: int,
    epoch: int,
    first: int = 0,
    drop_last: bool = False,
    least: int = 1,
    size: int | None = None,
    prefetch: int | None = 0,
) -> Generator[Batch, None, None]:
    """One epoch of a split in keyed random order, prepared as the split says.

    epoch: from 0. The order is keyed by (seed, "order", epoch).
    first: the step to begin with; the skipped ones cost nothing and change nothing.
    drop_last: leave out a last batch with fewer than `batch` images; by default it is kept.
    least: a last batch with fewer images than this is joined to the one before it.
    size: side that images are brought to in the end; None leaves them.
    prefetch: how many are made ahead in a thread, see `ahead`; neither this nor the device changes what is in them.
    Augmentation is keyed by (seed, purpose, epoch · steps per epoch + step), purposes being "augment" for crops and
    mirrorings, "transform", "erase" and "mix".
    """
    how = split.preparation.augmentation
    steps = steps_per_epoch(len(split), batch=batch, drop_last=drop_last, least=least)
    repeats = 1 if how is None else how.repeats
    order = _order(len(split), repeats, key(seed, "order", epoch)).to(split.images.device)

    def made(step: int) -> Batch:
        end = len(order) if step == steps - 1 and not drop_last else (step + 1) * batch
        chosen = _apart(order[step * batch : end], repeats)
        images, labels = _prepared(split, chosen, seed=seed, position=epoch * steps + step)
        return step, images if size is None else resized(images, size), labels

    return ahead(made, range(first, steps), most=prefetch)


def evaluation_batches(split: OpenedSplit, *, batch: int) -> Iterator[Batch]:
    """All images of a split once, in their own order, their middle where crops are trained on, standardised."""
    how, device = split.preparation, split.device
    parts = zip(torch.split(split.images, batch), torch.split(split.labels, batch), strict=True)
    for step, (pixels, labels) in enumerate(parts):
        seen = moved(middle(pixels, how.crop), device)
        yield step, how.standardisation(seen), moved(labels, device)


def of_classes(split: OpenedSplit, classes: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Every image of some classes: its number in the split, int64 (B,); the image, never augmented; its label."""
    wanted = torch.tensor(classes, device=split.labels.device)
    numbers = torch.isin(split.labels, wanted).nonzero().flatten()
    pixels, labels = (moved(each[numbers], split.device) for each in (split.images, split.labels))
    return moved(numbers, split.device), split.preparation.standardisation(pixels), labels


def resized(images: Tensor, size: int) -> Tensor:
    """Images (B, C, S, S) at another side, antialiased where they shrink; those that have it as they are."""
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, size=(size, size), mode="bilinear", antialias=True)


def dominant(labels: Tensor) -> Tensor:
    """The class of each image, int64 (B,); of a mixed one the class with the largest share."""
    return labels if labels.ndim == 1 else labels.argmax(dim=1)


def _prepared(
    split: OpenedSplit, chosen: Tensor, *, seed: int, position: int
) -> tuple[Tensor, Tensor]:
    pixels, labels = (moved(each[chosen], split.device) for each in (split.images, split.labels))
    how, standardised = split.preparation.augmentation, split.preparation.standardisation
    if how is None:
        return standardised(pixels), labels

    draws = torch.Generator().manual_seed(key(seed, "augment", position))
    pixels = cropped_and_mirrored(pixels, how, generator=draws)
    pixels = transformed(pixels, how, seed=key(seed, "transform", position))
    images = erased(standardised(pixels), how, seed=key(seed, "erase", position))
    return mixed(images, labels, how, classes=split.classes, seed=key(seed, "mix", position))


def _order(count: int, repeats: int, seed: int) -> Tensor:
    """Indices of an epoch's images, int64 (N,); repeated, N / repeats of them in as many steps.

    Repeated augmentation: Hoffer et al. 2020, arXiv:1901.09335.
    """
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return order if repeats == 1 else order.repeat_interleave(repeats)[:count]


def _apart(chosen: Tensor, repeats: int) -> Tensor:
    """A batch with copies of an image apart: neighbours are mixed, and an image mixed with itself is not."""
    if repeats == 1:
        return chosen
    return torch.cat([chosen[first::repeats] for first in range(repeats)])
