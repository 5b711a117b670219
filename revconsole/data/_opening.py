"""Opening a dataset for a run: read, limited, split, measured, fingerprinted, placed.

The dataset's training images are put in one keyed, stratified order; the first `train_limit` of them are
used (all, without a limit); the first `validation` fraction of those is the validation split and the rest
the training split. The test split is the dataset's own, or the first `test_limit` of it in such an order. None
of it depends on a run's training seed.

Shapes: N images, C channels, S pixels of height and width.
"""

import hashlib
import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from revconsole.data._images import Images
from revconsole.data._order import stratified_order
from revconsole.data._placing import placed
from revconsole.data._reading import Say, read
from revconsole.data._standardise import Standardisation, fitted
from revconsole.data._statistics import channel_statistics
from revconsole.errors import DataUnavailable, ProfileError
from revconsole.records.datasets import sources
from revconsole.records.datasets.facts import DatasetFacts
from revconsole.records.printable import one_line
from revconsole.records.sections import Data
from revconsole.records.settings.data_rules import refuse_nonsense

LONGEST = 2000
"""Characters of what was read."""
FINGERPRINT_FORMAT = b"revconsole data 1\n"
log = logging.getLogger(__name__)

SHORT = 12  # hexadecimal digits of a fingerprint that are shown: one collision in 2⁴⁸


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Preparation:
    """How pixels become what a model sees: augmented if they train, else cropped, then standardised."""

    standardisation: Standardisation
    crop: int | None = None
    """Side of the middle that images are judged by; None for whole ones. Training images are cropped at random."""
    augmentation: Data | None = None
    """What the profile says of it; None for images that are not trained on."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenedSplit:
    """One part of a dataset, where `data.place` has it: on the device that trains, or in the machine's memory."""

    images: Tensor
    """uint8 (N, C, S, S)"""
    labels: Tensor
    """int64 (N,)"""
    classes: int
    preparation: Preparation

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def device(self) -> torch.device:
        """Where its batches are made and a model sees them."""
        return self.preparation.standardisation.shift.device


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenedData:
    """A dataset ready for a run. `mean` and `std` are those of the training split, in [0, 1] units."""

    train: OpenedSplit
    validation: OpenedSplit
    test: OpenedSplit
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str
    """sha256, 64 hexadecimal digits, of the exact images, labels and split; the first 12 are shown."""
    facts: DatasetFacts
    names: tuple[str, ...]
    """What each label is called."""
    read: str
    """What was read, in one line for people."""


def open_data(
    settings: Data, *, folder: Path, device: torch.device | str, say: Say = log.info
) -> OpenedData:
    """Read the dataset of `settings`, split it and place it for batches on the device.

    folder: where datasets live, usually `revconsole.records.datasets.facts.data_folder()`.
    say: takes a sentence about what takes long or was left out.
    Raises UnknownName for a dataset that does not exist, ProfileError for settings that leave a split
    empty, DataUnavailable where the files are missing and out of reach, damaged, or of another dataset, and where
    the images do not fit where they are to lie.
    """
    try:
        return _opened(settings, folder=folder, device=device, say=say)
    except MemoryError as error:
        at = f" (reading {error})" if str(error).startswith("/") else ""
        raise DataUnavailable(
            f"the images of {settings.dataset} do not fit into the memory there is{at}; lower data.image_size, or "
            "read fewer of them"
        ) from error


def _opened(settings: Data, *, folder: Path, device: torch.device | str, say: Say) -> OpenedData:
    known = sources.facts_of(settings)
    if known.train_images:
        refuse_nonsense(settings, known)
    images = limited(read(settings, folder=folder, say=say), settings)
    facts = replace(
        known, train_images=len(images.train_labels), test_images=len(images.test_labels)
    )
    refuse_nonsense(settings, facts)

    train, validation = split_indices(images.train_labels, settings, held_out=images.held_out)
    train_images = images.train_images[train]
    mean, std = channel_statistics(train_images)
    seen = middle(train_images, settings.crop)
    device = torch.device(device)
    standardisation = fitted(seen, settings.standardise, eps=settings.zca_eps).to(device)
    parts = placed(
        [train_images, images.train_images[validation], images.test_images], settings, device, say
    )
    pixels_of = dict(zip(("train", "validation", "test"), parts, strict=True))

    def split(name: str, labels: Tensor, augmentation: Data | None = None) -> OpenedSplit:
        pixels = pixels_of[name]
        return OpenedSplit(
            images=pixels,
            labels=labels.to(pixels.device),
            classes=facts.classes,
            preparation=Preparation(
                standardisation=standardisation, crop=settings.crop, augmentation=augmentation
            ),
        )

    return OpenedData(
        train=split("train", images.train_labels[train], settings),
        validation=split("validation", images.train_labels[validation]),
        test=split("test", images.test_labels),
        mean=mean,
        std=std,
        fingerprint=fingerprint(settings.dataset, images, train=train, validation=validation),
        facts=facts,
        names=images.names,
        read=_what_was_read(images, facts, train=len(train), validation=len(validation)),
    )


def _what_was_read(images: Images, facts: DatasetFacts, *, train: int, validation: int) -> str:
    _, channels, height, width = images.train_images.shape
    count, tested = len(images.train_labels), len(images.test_labels)
    points = height == width == 1
    what, each = ("points", "coordinate") if points else ("images", "channel")
    shape = f"{channels} {each if channels == 1 else f'{each}s'}"
    shape = shape if points else f"{height}×{width} pixels, {shape}"
    read = images.read or f"{facts.title}: {count + tested:,} {what}"
    unused = count - train - validation
    left = f" ({unused:,} of the others not used)" if unused else ""
    words = (
        f"{read}; {shape}, {len(images.names)} classes; {train:,} to train on, {validation:,} to validate on, "
        f"{tested:,} to test on{left}"
    )
    return one_line(words, LONGEST)  # names of folders and suffixes are somebody else's


def limited(images: Images, settings: Data) -> Images:
    """The images with no more of the test split than `test_limit`. Raises ProfileError if there are fewer."""
    limit, count = settings.test_limit, len(images.test_labels)
    if limit is None:
        return images
    if limit > count:
        reason = f"{limit:,} is out of range; the dataset has {count:,} test images"
        raise ProfileError(settings.dataset, "data.test_limit", reason)
    order = stratified_order(images.test_labels, settings.split_seed)[:limit]
    kept = order.sort().values
    return replace(
        images, test_images=images.test_images[kept], test_labels=images.test_labels[kept]
    )


def middle(pixels: Tensor, side: int | None) -> Tensor:
    """The middle square (…, side, side) of images (…, S, S), rounded as torchvision does; all of them for None."""
    if side is None or side == pixels.shape[-1]:
        return pixels
    first = round((pixels.shape[-1] - side) / 2)
    return pixels[..., first : first + side, first : first + side]


def split_indices(labels: Tensor, settings: Data, *, held_out: int = 0) -> tuple[Tensor, Tensor]:
    """Indices of the training and of the validation split, ascending, disjoint, int64 each.

    held_out: so many of the last are validated on because the dataset says so; the fraction then plays no part.
    """
    if held_out:
        count = len(labels) - held_out
        order = stratified_order(labels[:count], settings.split_seed)[: settings.train_limit]
        return order.sort().values, torch.arange(count, len(labels))
    order = stratified_order(labels, settings.split_seed)[: settings.train_limit]
    share = settings.held_out(len(order))
    return order[share:].sort().values, order[:share].sort().values


def fingerprint(name: str, images: Images, *, train: Tensor, validation: Tensor) -> str:
    """sha256 of what a run is trained, chosen and tested on; 64 hexadecimal digits.

    Hashed in this order: the format line; the dataset's name and a newline; then, each preceded by its
    shape as text and a newline: training images, training labels, test images, test labels, indices of
    the training split, indices of the validation split. Images as bytes in (N, C, S, S) order, whole
    numbers as little-endian 64-bit. Device, machine, torch, augmentation and training seed play no part.
    """
    digest = hashlib.sha256(FINGERPRINT_FORMAT)
    digest.update(f"{name}\n".encode())
    parts = (
        images.train_images,
        images.train_labels,
        images.test_images,
        images.test_labels,
        train,
        validation,
    )
    for part in parts:
        values = part.cpu().numpy()
        portable = values if part.dtype == torch.uint8 else values.astype("<i8")
        digest.update(f"{'x'.join(map(str, part.shape))}\n".encode())
        digest.update(np.ascontiguousarray(portable).data)
    return digest.hexdigest()


def short(fingerprint: str) -> str:
    """The part of a fingerprint that is shown."""
    return fingerprint[:SHORT]
