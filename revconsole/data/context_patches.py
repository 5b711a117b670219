"""Context patches: two patches of an image, and where the second lies; cut from another set, `data.source`.

A task without labels of its own: of a patch and one of its eight neighbours, stacked as channels, say which neighbour
it is (Doersch, Gupta and Efros 2015, arXiv:1505.05192). The gap between the two and the jitter of both keep a network
from reading the answer off lines that go on and edges that touch; all eight neighbours have room wherever the first
patch is cut. One pair is cut from each image, by `data.cut_seed`: the same source and seed give the same pairs.

Shapes: N images, C channels, S pixels of height and width, p pixels of a patch.
"""

import itertools
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from revconsole.data._images import Images
from revconsole.data._reading import Say
from revconsole.data._reading import read as read_source
from revconsole.data._stored import Pixels, parts_of
from revconsole.records.datasets.facts import DatasetFacts
from revconsole.records.datasets.sources import source_of
from revconsole.records.keys import key
from revconsole.records.sections import Data

FACTS = DatasetFacts(
    title="relative position of two patches",
    classes=8,
    channels=0,
    size=0,
    train_images=0,
    test_images=0,
    mirror=False,
    source="cut from the images of another set",
    licence="that of the source",
    mean=(),
    std=(),
    train_per_class=(),
    test_per_class=(),
    by_settings=("source", "patch_side", "gap", "jitter", "cut_seed"),
)

NAMES = (
    "above left", "above", "above right", "left", "right", "below left", "below", "below right",
)  # fmt: skip
DIRECTIONS = np.array(
    [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)], dtype=np.int64
)
"""Direction of each class: (down, right)."""

AT_ONCE = 1024
"""Images cut at a time."""

Places = NDArray[np.int64]
"""Upper left corners (N, 2): row, column."""


def read(folder: Path, settings: Data, say: Say) -> Images:
    """A pair of patches of each image of the source, in its order and parts. Raises as the source's `read`."""
    source = read_source(source_of(settings), folder=folder, say=say)
    train, train_labels = cut(source.train_images, settings, part=0)
    test, test_labels = cut(source.test_images, settings, part=1)
    return Images(
        train_images=train,
        train_labels=train_labels,
        test_images=test,
        test_labels=test_labels,
        names=NAMES,
        read=f"a pair of patches of each image of {source.read or settings.source}",
        held_out=source.held_out,
    )


def cut(images: Pixels, settings: Data, *, part: int) -> tuple[Tensor, Tensor]:
    """Pairs uint8 (N, 2C, p, p) and labels int64 (N,), from uint8 images (N, C, S, S).

    part: 0 for training and 1 for test images, whose draws are independent.
    """
    first, second, labels = places(len(images), images.shape[-1], settings, part=part)
    pairs = []
    for start, some in zip(itertools.count(0, AT_ONCE), parts_of(images, AT_ONCE), strict=False):
        own = slice(start, start + len(some))
        patches = [_patches(some, corners[own], settings.patch_side) for corners in (first, second)]
        pairs.append(torch.cat(patches, dim=1))
    return torch.cat(pairs), torch.from_numpy(labels)


def places(
    count: int, size: int, settings: Data, *, part: int
) -> tuple[Places, Places, NDArray[np.int64]]:
    """Corners of both patches of each image, and the direction of the second from the first.

    Keyed by (cut_seed, "patches", part); each coordinate of both corners has its own jitter.
    """
    random = np.random.Generator(np.random.PCG64(key(settings.cut_seed, "patches", part)))
    labels = random.integers(0, len(DIRECTIONS), count)
    step, jitter = settings.patch_side + settings.gap, settings.jitter
    room = size - settings.patch_side - step - jitter
    centres = random.integers(step + jitter, room + 1, (count, 2))
    jitters = random.integers(-jitter, jitter + 1, (2, count, 2))
    neighbours = centres + step * DIRECTIONS[labels]
    return centres + jitters[0], neighbours + jitters[1], labels


def _patches(images: Tensor, corners: Places, side: int) -> Tensor:
    """The patch of each image at its corner, (N, C, p, p)."""
    count, channels = images.shape[:2]
    reach = torch.arange(side)
    rows, columns = torch.from_numpy(corners).unbind(1)
    return images[
        torch.arange(count).view(-1, 1, 1, 1),
        torch.arange(channels).view(1, -1, 1, 1),
        (rows.view(-1, 1) + reach).view(count, 1, side, 1),
        (columns.view(-1, 1) + reach).view(count, 1, 1, side),
    ]
