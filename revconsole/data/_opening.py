"""Opening a dataset for a run: read, limited, split, measured, fingerprinted, moved to the device.

The dataset's training images are put in one keyed, stratified order; the first `train_limit` of them are
used (all, without a limit); the first `validation` fraction of those is the validation split and the rest
the training split. The test split is the dataset's own, whole. None of it depends on a run's training seed.

Shapes: N images, C channels, S pixels of height and width.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from revconsole.data._images import Images
from revconsole.data._order import stratified_order
from revconsole.data._statistics import channel_statistics
from revconsole.errors import ProfileError
from revconsole.records import catalogue
from revconsole.records.facts import DatasetFacts

Augment = Literal["none", "crop", "crop-flip"]

FINGERPRINT_FORMAT = b"revconsole data 1\n"
SHORT = 12  # hexadecimal digits of a fingerprint that are shown: one collision in 2⁴⁸


class DataSettings(Protocol):
    """What a profile says about data."""

    @property
    def dataset(self) -> str:
        """Name of the dataset: its file in `revconsole/data/`."""

    @property
    def validation(self) -> float:
        """Fraction of the training images held out, each class in proportion."""

    @property
    def split_seed(self) -> int:
        """Decides which images are held out and which a limit takes; not the training seed."""

    @property
    def train_limit(self) -> int | None:
        """Use only this many of the dataset's training images, validation included; None: all."""

    @property
    def augment(self) -> Augment:
        """Random crops after padding, or those and random mirror images, of the training split."""

    @property
    def crop_padding(self) -> int:
        """Black pixels added to each side before a crop of the original size."""

    @property
    def standardise(self) -> bool:
        """Whether images get mean 0 and deviation 1 per channel, or stay in [0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Preparation:
    """How pixels become what a model sees: (pixels − shift) / scale, after any augmentation."""

    shift: Tensor
    """float32 (C, 1, 1), in grey levels, on the device"""
    scale: Tensor
    augment: Augment
    crop_padding: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """One part of a dataset, on the device."""

    images: Tensor
    """uint8 (N, C, S, S)"""
    labels: Tensor
    """int64 (N,)"""
    preparation: Preparation

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenedData:
    """A dataset ready for a run. `mean` and `std` are those of the training split, in [0, 1] units."""

    train: Split
    validation: Split
    test: Split
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str
    """sha256, 64 hexadecimal digits, of the exact images, labels and split; the first 12 are shown."""
    facts: DatasetFacts
    names: tuple[str, ...]
    """What each label is called."""


def open_data(settings: DataSettings, *, folder: Path, device: torch.device | str) -> OpenedData:
    """Read the dataset of `settings`, split it and move it to the device.

    folder: where datasets live, usually `revconsole.records.facts.data_folder()`.
    Raises UnknownName for a dataset that does not exist, ProfileError for settings that leave a split
    empty, DataUnavailable where the files are missing and out of reach, damaged, or of another dataset.
    """
    facts = catalogue.dataset(settings.dataset)
    refuse_nonsense(settings, facts)

    images: Images = import_module(f"revconsole.data.{settings.dataset}").read(folder)
    train, validation = split_indices(images.train_labels, settings)
    train_images = images.train_images[train]
    mean, std = channel_statistics(train_images)

    plain = preparation(settings, mean=mean, std=std, augment="none", device=device)
    augmented = preparation(settings, mean=mean, std=std, augment=settings.augment, device=device)

    return OpenedData(
        train=_placed(train_images, images.train_labels[train], augmented),
        validation=_placed(images.train_images[validation], images.train_labels[validation], plain),
        test=_placed(images.test_images, images.test_labels, plain),
        mean=mean,
        std=std,
        fingerprint=fingerprint(settings.dataset, images, train=train, validation=validation),
        facts=facts,
        names=images.names,
    )


def _placed(images: Tensor, labels: Tensor, how: Preparation) -> Split:
    device = how.shift.device
    return Split(images=images.to(device), labels=labels.to(device), preparation=how)


def refuse_nonsense(settings: DataSettings, facts: DatasetFacts) -> None:
    """Raise ProfileError where `settings` ask for more images than there are or leave a split empty."""
    limit = settings.train_limit
    if limit is not None and not 2 <= limit <= facts.train_images:
        raise ProfileError(
            settings.dataset,
            "data.train_limit",
            f"{limit:,} is out of range; the dataset has {facts.train_images:,} training images, "
            f"and one to train on and one to validate on are the least",
        )
    total = limit or facts.train_images
    held_out = round(settings.validation * total)
    if not 0 < held_out < total:
        raise ProfileError(
            settings.dataset,
            "data.validation",
            f"a fraction of {settings.validation:g} holds out {held_out:,} of {total:,} training images "
            f"and leaves none to {'validate' if held_out <= 0 else 'train'} on; 0.1 is usual",
        )
    if settings.augment != "none" and not 0 < settings.crop_padding < facts.size:
        raise ProfileError(
            settings.dataset,
            "data.crop_padding",
            f"{settings.crop_padding} pixels do not suit images of {facts.size} pixels; "
            f"an eighth, {max(1, facts.size // 8)}, is usual",
        )


def split_indices(labels: Tensor, settings: DataSettings) -> tuple[Tensor, Tensor]:
    """Indices of the training and of the validation split, ascending, disjoint, int64 each."""
    order = stratified_order(labels, settings.split_seed)[: settings.train_limit]
    held_out = round(settings.validation * len(order))
    return order[held_out:].sort().values, order[:held_out].sort().values


def preparation(
    settings: DataSettings,
    *,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    augment: Augment,
    device: torch.device | str,
) -> Preparation:
    """The preparation that `settings` ask for, with the training split's statistics.

    A channel that never varies has deviation 0; it is divided by one grey level and stays finite.
    """
    shift = mean if settings.standardise else [0.0 for _ in mean]
    scale = (
        [max(deviation, 1 / 255) for deviation in std]
        if settings.standardise
        else [1.0 for _ in std]
    )

    def per_channel(values: Iterable[float]) -> Tensor:
        levels = [255 * value for value in values]
        return torch.tensor(levels, dtype=torch.float32, device=device).view(-1, 1, 1)

    return Preparation(
        shift=per_channel(shift),
        scale=per_channel(scale),
        augment=augment,
        crop_padding=settings.crop_padding,
    )


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
