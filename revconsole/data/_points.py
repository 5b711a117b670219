"""Points of the plane as images: two channels, the coordinates, of one pixel each.

So everything that is made for images takes them: splits, statistics, fingerprint, batches, models. Coordinates are
kept in the 256 levels of a pixel, which are 1/64 of a unit apart from −2 to almost 2: a
quarter of the least noise in any of these sets, hence nothing that a decision boundary could show.
What is lost in precision is gained in sums that are exact, and in the same bytes on every machine.

Shapes: N points.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from revconsole.data._images import Images, verified
from revconsole.errors import DataUnavailable
from revconsole.records.datasets.facts import DatasetFacts
from revconsole.records.keys import key

LEVELS_PER_UNIT = 64
ORIGIN = 128
"""The level of coordinate 0; level 0 is coordinate −2."""
SEEDS = 2**32
"""numpy's older generator, which scikit-learn draws from, takes so many."""

Plane = NDArray[np.float64]
Draw = Callable[[int, int], tuple[Plane, NDArray[np.int64]]]
"""Count and seed to that many points (N, 2) and their labels (N,)."""


def read_points(facts: DatasetFacts, names: tuple[str, ...], draw: Draw) -> Images:
    """The set, drawn: training and test points from seeds of their own, fixed for everybody."""
    train, train_labels = draw(facts.train_images, key(0, "points", 0) % SEEDS)
    test, test_labels = draw(facts.test_images, key(0, "points", 1) % SEEDS)
    images = Images(
        train_images=as_pixels(train),
        train_labels=torch.from_numpy(train_labels),
        test_images=as_pixels(test),
        test_labels=torch.from_numpy(test_labels),
        names=names,
    )
    return verified(images, facts, origin="the generator")


def as_pixels(points: Plane) -> torch.Tensor:
    """Points (N, 2) as uint8 (N, 2, 1, 1); what lies outside the plane is put on its edge.

    Raises DataUnavailable for what is no number: it would become a point somewhere.
    """
    if not np.isfinite(points).all():
        raise DataUnavailable(
            f"{int((~np.isfinite(points)).any(1).sum()):,} of {len(points):,} points are not finite numbers; "
            "correct what draws them"
        )
    levels = np.rint(points * LEVELS_PER_UNIT + ORIGIN).clip(0, 255)
    return torch.from_numpy(levels.astype(np.uint8)).view(-1, 2, 1, 1)


def as_pixel_levels(points: torch.Tensor) -> torch.Tensor:
    """Points float (N, 2) as pixels float32 (N, 2, 1, 1) that are not rounded, for what lies between those of the set."""
    return (points.float() * LEVELS_PER_UNIT + ORIGIN).view(-1, 2, 1, 1)


def as_points(pixels: torch.Tensor) -> torch.Tensor:
    """Pixels (N, 2, 1, 1), whole levels or not, as points float32 (N, 2): the way back, for drawing."""
    return (pixels.flatten(1).float() - ORIGIN) / LEVELS_PER_UNIT
