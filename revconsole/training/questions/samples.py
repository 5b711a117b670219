"""Samples: the data of a plan for display, before and after preparation, without a model.

Shapes: B images, C channels, S pixels of height and width.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from revconsole.data import (
    OpenedData,
    OpenedSplit,
    Preparation,
    Standardisation,
    batches,
    dominant,
    doubts,
    open_data,
    resized,
)
from revconsole.records.findings.samples import Colour, Picture, Samples
from revconsole.records.settings.plan import Plan
from revconsole.training.objectives import objective_of

CLASS_COLOURS: tuple[Colour, ...] = ((255, 190, 80), (70, 110, 200))
"""Colours of points: the first bright and the second dark, so that they also differ without colour."""
MOST_POINTS = 600


def samples(plan: Plan, *, data: Path, count: int, side: int, page: int = 0) -> Samples:
    """Some training images in the order in which a run sees them, each at most `side` pixels wide.

    data: folder of the datasets. page: page of `count` images, from 0; it continues over epochs. Raises as
    `open_data` does.
    """
    notes: list[str] = []
    opened = open_data(plan.data, folder=data, device="cpu", say=notes.append)
    points = opened.train.images.shape[-1] == 1
    labelled = objective_of(plan).labelled
    notes += [
        f"{doubt.level}: {doubt.text}" for doubt in doubts(opened, plan.data, labelled=labelled)
    ]
    size = min(MOST_POINTS if points else count, len(opened.train))
    before, plain = _page(_unprepared(opened.train), plan, size, page)
    after, labels = _page(opened.train, plan, size, page)
    prepared = _stretched(resized(after, plan.image_shape), points=points)
    draw = _scatter if points else _named
    return Samples(
        dataset=plan.data.dataset,
        shape=(*opened.train.images.shape[1:],),
        before=draw(before, plain, opened.names, side),
        after=draw(prepared, labels, opened.names, side),
        counts=_counts(opened),
        mean=opened.mean,
        std=opened.std,
        fingerprint=opened.fingerprint,
        read=opened.read,
        notes=tuple(notes),
    )


def _page(split: OpenedSplit, plan: Plan, size: int, page: int) -> tuple[Tensor, Tensor]:
    """The images and classes of a page, taken from the training batches; an epoch's last page may be shorter."""
    epoch, number = divmod(page, -(-len(split) // size))
    first, skipped = divmod(number * size, plan.train.batch)
    images, labels = split.images[:0], split.labels[:0]
    for _, more, classes in batches(
        split, batch=plan.train.batch, seed=plan.seed, epoch=epoch, first=first
    ):
        images, labels = torch.cat([images, more]), torch.cat([labels, dominant(classes)])
        if len(labels) >= skipped + size:
            break
    return images[skipped : skipped + size], labels[skipped : skipped + size]


def _unprepared(split: OpenedSplit) -> OpenedSplit:
    """The split without preparation: the same images in the same order, in [0, 1]."""
    augmentation = split.preparation.augmentation
    repeats = None if augmentation is None else type(augmentation)(repeats=augmentation.repeats)
    plain = Standardisation(shift=torch.zeros(1, 1, 1), scale=torch.full((1, 1, 1), 255.0))
    return replace(split, preparation=Preparation(standardisation=plain, augmentation=repeats))


def _stretched(images: Tensor, *, points: bool) -> Tensor:
    """Each image (each coordinate, for points) scaled to [0, 1]."""
    dims = (0, 2, 3) if points else (1, 2, 3)
    low, high = images.amin(dims, keepdim=True), images.amax(dims, keepdim=True)
    return (images - low) / (high - low).clamp_min(1e-9)


def _named(
    images: Tensor, labels: Tensor, names: tuple[str, ...], side: int
) -> tuple[Picture, ...]:
    return pictures(images, [names[label] for label in labels.tolist()], side)


def pictures(images: Tensor, captions: Sequence[str], side: int) -> tuple[Picture, ...]:
    """One picture per image in [0, 1], at most `side` pixels wide; for six channels, both patches side by side."""
    height, width = images.shape[-2:]
    if width > side:
        size = (max(1, round(height * side / width)), side)
        images = F.interpolate(images, size=size, mode="bilinear", antialias=True)
    channels = images.shape[1]
    if channels not in {1, 3}:
        images = torch.cat(images.chunk(2, dim=1), dim=-1)
    coloured = images if images.shape[1] == 3 else images[:, :1].expand(-1, 3, -1, -1)
    return tuple(
        Picture(rows=colours(image), caption=caption)
        for image, caption in zip(coloured, captions, strict=True)
    )


def colours(image: Tensor) -> tuple[tuple[Colour, ...], ...]:
    """Red, green and blue of every pixel of an image (3, S, S) in [0, 1]."""
    levels = image.clamp(0, 1).mul(255).round().to(torch.int64).permute(1, 2, 0).tolist()
    return tuple(tuple((red, green, blue) for red, green, blue in row) for row in levels)


def _scatter(
    images: Tensor, labels: Tensor, names: tuple[str, ...], side: int
) -> tuple[Picture, ...]:
    """One picture of all points, with the second coordinate upwards."""
    canvas = torch.zeros(3, side, side)
    places = images.flatten(1).clamp(0, 1).mul(side - 1).round().long()
    for (right, up), label in zip(places.tolist(), labels.tolist(), strict=True):
        canvas[:, side - 1 - up, right] = torch.tensor(CLASS_COLOURS[label % 2]) / 255
    return (Picture(rows=colours(canvas), caption=f"{names[0]} bright, {names[1]} dark"),)


def _counts(opened: OpenedData) -> dict[str, dict[str, int]]:
    """Number of images of each class, by split."""
    by_split = {}
    splits = {"training": opened.train, "validation": opened.validation, "test": opened.test}
    for part, split in splits.items():
        counts = torch.bincount(split.labels, minlength=len(opened.names)).tolist()
        by_split[part] = dict(zip(opened.names, counts, strict=True))
    return by_split
