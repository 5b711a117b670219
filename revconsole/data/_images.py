"""Images: a dataset as read, and the check that it is the dataset it claims to be.

Shapes: N images, C channels, S pixels of height and width.
"""

import errno
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from revconsole.data._standardise import channel_statistics
from revconsole.data._stored import Pixels
from revconsole.errors import DataUnavailable
from revconsole.records.datasets.facts import DatasetFacts
from revconsole.records.files.bounded import OddFile

# Published means and deviations have four digits, and half a grey level is 2e-3; another dataset differs by more.
SAME_STATISTIC = 5e-4
Half = tuple[Tensor, Tensor]
"""Images uint8 (N, C, S, S) and labels int64 (N,)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Images:
    """All images and labels of a dataset, on the CPU, in the dataset's own order."""

    train_images: Pixels
    """uint8 (N, C, S, S)"""
    train_labels: Tensor
    """int64 (N,), from 0"""
    test_images: Pixels
    test_labels: Tensor
    names: tuple[str, ...]
    """Name of each class."""
    read: str = ""
    """Description of the files, beyond the number and size of the images; may be empty."""
    held_out: int = 0
    """Number of last training images that the dataset itself sets apart for validation."""

    @classmethod
    def of(cls, train: Half, test: Half, names: tuple[str, ...]) -> Self:
        """Both halves of a dataset."""
        (images, labels), (test_images, test_labels) = train, test
        return cls(
            train_images=images,
            train_labels=labels,
            test_images=test_images,
            test_labels=test_labels,
            names=names,
        )


def verified(images: Images, facts: DatasetFacts, *, origin: str) -> Images:
    """The images, after checking shapes, class counts, means and deviations against `facts`.

    origin: source of the files, for the message. Raises DataUnavailable with the first difference.
    """
    train = images.train_images, images.train_labels, facts.train_images, facts.train_per_class
    test = images.test_images, images.test_labels, facts.test_images, facts.test_per_class
    shape = (facts.channels, facts.size, facts.size)
    for half, (pixels, labels, count, per_class) in (("training", train), ("test", test)):
        if tuple(pixels.shape) != (count, *shape) or len(labels) != count:
            found = f"{len(labels):,} labels for {half} images of shape {tuple(pixels.shape)}"
            raise _refusal(facts, origin, found)
        expected = per_class * facts.classes if len(per_class) == 1 else per_class
        counts = _class_counts(labels, facts.classes)
        if counts != expected:
            raise _refusal(facts, origin, f"the {half} labels have other class counts")

    mean, std = channel_statistics(images.train_images)
    for what, measured, published in (("means", mean, facts.mean), ("deviations", std, facts.std)):
        if max(abs(a - b) for a, b in zip(measured, published, strict=True)) > SAME_STATISTIC:
            figures = ", ".join(f"{value:.4f}" for value in measured)
            raise _refusal(
                facts, origin, f"the channel {what} of the training images are {figures}"
            )
    return images


def in_canonical_order(images: Tensor, labels: Tensor) -> Half:
    """Images and labels in an order that depends only on their content.

    Used for datasets that circulate in several layouts with different orders. Ordering by a hash rather than by
    pixels keeps every first part a fair sample of classes and brightness.
    """
    pixels = images.numpy()
    digests = [
        blake2b(pixels[index].tobytes(), digest_size=16, salt=label.to_bytes(2, "big")).digest()
        for index, label in enumerate(labels.tolist())
    ]
    order = torch.from_numpy(np.argsort(np.array(digests, dtype="S16"), kind="stable"))
    return images[order], labels[order]


def damaged(file: Path, reason: str) -> DataUnavailable:
    """The error for a file whose content is wrong."""
    return DataUnavailable(
        f"{file} is damaged or incomplete ({reason}); delete it and get it again"
    )


def unreadable(file: Path, error: OSError) -> DataUnavailable:
    """The error for an existing file that the system does not let us read."""
    if isinstance(error, OddFile):
        remedy = "put the right file in its place"
    elif error.errno in {errno.EACCES, errno.EPERM}:
        remedy = "allow reading it or put another copy in its place"
    else:
        remedy = "nothing says that it is damaged: try again, or put another copy in its place"
    return DataUnavailable(f"{file} cannot be read ({error.strerror}); {remedy}")


def _class_counts(labels: Tensor, classes: int) -> tuple[int, ...]:
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        return ()
    return tuple(torch.bincount(labels, minlength=classes).tolist())


def _refusal(facts: DatasetFacts, origin: str, difference: str) -> DataUnavailable:
    mean = ", ".join(f"{value:.4f}" for value in facts.mean)
    spread = ", ".join(f"{value:.4f}" for value in facts.std)
    return DataUnavailable(
        f"{origin} does not hold {facts.title}: {difference}, where the real one has "
        f"{facts.train_images:,} + {facts.test_images:,} images of shape {(facts.channels, facts.size, facts.size)}, "
        f"mean {mean}, deviation {spread}; replace the files"
    )
