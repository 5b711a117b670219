"""Opening a dataset for a run: read, limited, split, measured, fingerprinted, placed.

The training images are put in one keyed, stratified order. The first `train_limit` of them are used (all, without a
limit); the first `validation` fraction of those is the validation split and the rest the training split. The test split
is the dataset's own, or its first `test_limit` images in such an order. Nothing depends on a run's training seed.

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
from revconsole.data._standardise import Standardisation, channel_statistics, fitted
from revconsole.data._stored import Pixels, only, parts_of
from revconsole.errors import DataUnavailable, ProfileError
from revconsole.records.datasets import sources
from revconsole.records.datasets.facts import DatasetFacts
from revconsole.records.printable import one_line
from revconsole.records.sections import Data
from revconsole.records.settings.data_rules import refuse_nonsense

LONGEST = 2000
"""Most characters in the description of what was read."""
HASHED = 512
"""Images hashed at a time."""
FINGERPRINT_FORMAT = b"revconsole data 1\n"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Preparation:
    """How pixels become a model's input: augmented if they train, else cropped, then standardised."""

    standardisation: Standardisation
    crop: int | None = None
    """Side of the middle crop in evaluation; None keeps images whole. Training images are cropped at random."""
    augmentation: Data | None = None
    """Settings of the augmentation; None for images that are not trained on."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenedSplit:
    """A part of a dataset, on the training device, in the machine's memory or on its disk, as `data.place` says."""

    images: Pixels
    """uint8 (N, C, S, S)"""
    labels: Tensor
    """int64 (N,)"""
    classes: int
    preparation: Preparation

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def device(self) -> torch.device:
        """The device on which batches are made and the model computes."""
        return self.preparation.standardisation.shift.device


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenedData:
    """A dataset ready for a run. mean, std: of the training split, in [0, 1] units."""

    train: OpenedSplit
    validation: OpenedSplit
    test: OpenedSplit
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str
    """sha256, 64 hexadecimal digits, of the exact images, labels and split; the first 12 are shown."""
    facts: DatasetFacts
    names: tuple[str, ...]
    """Name of each class."""
    read: str
    """Description of what was read, in one line."""


def open_data(
    settings: Data, *, folder: Path, device: torch.device | str, say: Say = log.info
) -> OpenedData:
    """Read the dataset of `settings`, split it and place it for batches on the device.

    folder: folder of the datasets, usually `revconsole.records.datasets.facts.data_folder()`. say: receives a
    sentence about slow or omitted data. Raises UnknownName for an unknown dataset, ProfileError for settings that
    leave a split empty, and DataUnavailable if files are missing and unreachable, damaged, or of another dataset, or
    if the images do not fit into memory.
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
    expected_facts = sources.facts_of(settings)
    if expected_facts.train_images:
        refuse_nonsense(settings, expected_facts)
    whole = read(settings, folder=folder, say=say)
    count = len(whole.train_labels) + len(whole.test_labels)
    images = limited(whole, settings)
    del whole
    facts = replace(
        expected_facts, train_images=len(images.train_labels), test_images=len(images.test_labels)
    )
    refuse_nonsense(settings, facts)

    train, validation = split_indices(images.train_labels, settings, held_out=images.held_out)
    train_images = only(images.train_images, train)
    statistics = channel_statistics(train_images)
    device = torch.device(device)
    standardisation = fitted(
        train_images,
        settings.standardise,
        eps=settings.zca_eps,
        crop=settings.crop,
        whole=statistics,
    ).to(device)
    held_out = only(images.train_images, validation)
    parts = placed([train_images, held_out, images.test_images], settings, device, say)
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
        mean=statistics[0],
        std=statistics[1],
        fingerprint=fingerprint(settings.dataset, images, train=train, validation=validation),
        facts=facts,
        names=images.names,
        read=_what_was_read(images, facts, count, train=len(train), validation=len(validation)),
    )


def _what_was_read(
    images: Images, facts: DatasetFacts, count: int, *, train: int, validation: int
) -> str:
    """The sentence of `OpenedData.read`. count: images of the dataset, those that `data.test_limit` leaves out among them."""
    _, channels, height, width = images.train_images.shape
    tested = len(images.test_labels)
    points = height == width == 1
    noun, unit = ("points", "coordinate") if points else ("images", "channel")
    shape = f"{channels} {unit if channels == 1 else f'{unit}s'}"
    shape = shape if points else f"{height}×{width} pixels, {shape}"
    read = images.read or f"{facts.title}: {count:,} {noun}"
    unused = count - train - validation - tested
    omitted = f" ({unused:,} of the others not used)" if unused else ""
    words = (
        f"{read}; {shape}, {len(images.names)} classes; {train:,} to train on, {validation:,} to validate on, "
        f"{tested:,} to test on{omitted}"
    )
    return one_line(words, LONGEST)  # folder names and suffixes are untrusted text


def limited(images: Images, settings: Data) -> Images:
    """The images with at most `test_limit` test images. Raises ProfileError if there are fewer."""
    limit, count = settings.test_limit, len(images.test_labels)
    if limit is None:
        return images
    if limit > count:
        reason = f"{limit:,} is out of range; the dataset has {count:,} test images"
        raise ProfileError(settings.dataset, "data.test_limit", reason)
    order = stratified_order(images.test_labels, settings.split_seed)[:limit]
    chosen = order.sort().values
    return replace(
        images, test_images=only(images.test_images, chosen), test_labels=images.test_labels[chosen]
    )


def split_indices(labels: Tensor, settings: Data, *, held_out: int = 0) -> tuple[Tensor, Tensor]:
    """Indices of the training and the validation split, ascending, disjoint, int64 each.

    held_out: number of last images that the dataset sets apart for validation; the fraction is then ignored.
    """
    if held_out:
        count = len(labels) - held_out
        order = stratified_order(labels[:count], settings.split_seed)[: settings.train_limit]
        return order.sort().values, torch.arange(count, len(labels))
    order = stratified_order(labels, settings.split_seed)[: settings.train_limit]
    share = settings.held_out(len(order))
    return order[share:].sort().values, order[:share].sort().values


def fingerprint(name: str, images: Images, *, train: Tensor, validation: Tensor) -> str:
    """SHA-256 of everything a run is trained, selected and tested on, 64 hexadecimal digits.

    Hashed in this order: the format line; the dataset's name and a newline; then, each preceded by its shape as text and a
    newline, the parts below. Images are bytes in (N, C, S, S) order, integers little-endian 64-bit. Device, machine, torch,
    augmentation and training seed do not enter.
    """
    digest = hashlib.sha256(FINGERPRINT_FORMAT)
    digest.update(f"{name}\n".encode())
    for pixels, labels in (
        (images.train_images, images.train_labels),
        (images.test_images, images.test_labels),
    ):
        digest.update(_shape(pixels))
        for part in parts_of(pixels, HASHED):
            digest.update(np.ascontiguousarray(part.cpu().numpy()).data)
        _hash_integers(digest, labels)
    _hash_integers(digest, train)
    _hash_integers(digest, validation)
    return digest.hexdigest()


def _shape(values: Pixels) -> bytes:
    return f"{'x'.join(map(str, values.shape))}\n".encode()


def _hash_integers(digest: "hashlib._Hash", values: Tensor) -> None:
    digest.update(_shape(values))
    digest.update(np.ascontiguousarray(values.cpu().numpy().astype("<i8")).data)
