"""Points of the plane as images: two channels, the coordinates, of one pixel each.

Everything made for images then applies. Coordinates are stored in the 256 levels of a pixel, spaced 1/64 from −2 to
almost 2: a quarter of the least noise in these datasets. Sums are exact and bytes are equal on every machine.

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
"""Level of coordinate 0; level 0 is coordinate −2."""
SEEDS = 2**32
"""Number of seeds of numpy's older generator, which scikit-learn uses."""

Plane = NDArray[np.float64]
Draw = Callable[[int, int], tuple[Plane, NDArray[np.int64]]]
"""A function from (count, seed) to points (N, 2) and labels (N,)."""


def read_points(facts: DatasetFacts, names: tuple[str, ...], draw: Draw) -> Images:
    """The dataset, generated: training and test points from fixed seeds of their own."""
    halves = []
    for number, count in enumerate((facts.train_images, facts.test_images)):
        points, labels = draw(count, key(0, "points", number) % SEEDS)
        halves.append((as_pixels(points), torch.from_numpy(labels)))
    train, test = halves
    return verified(Images.of(train, test, names), facts, origin="the generator")


def as_pixels(points: Plane) -> torch.Tensor:
    """Points (N, 2) as uint8 (N, 2, 1, 1); points outside the plane are moved to its edge.

    Raises DataUnavailable for coordinates that are not finite.
    """
    if not np.isfinite(points).all():
        raise DataUnavailable(
            f"{int((~np.isfinite(points)).any(1).sum()):,} of {len(points):,} points are not finite numbers; "
            "correct the function that generates them"
        )
    levels = np.rint(points * LEVELS_PER_UNIT + ORIGIN).clip(0, 255)
    return torch.from_numpy(levels.astype(np.uint8)).view(-1, 2, 1, 1)


def as_pixel_levels(points: torch.Tensor) -> torch.Tensor:
    """Points float (N, 2) as unrounded pixels float32 (N, 2, 1, 1), for points between those of the dataset."""
    return (points.float() * LEVELS_PER_UNIT + ORIGIN).view(-1, 2, 1, 1)


def as_points(pixels: torch.Tensor) -> torch.Tensor:
    """Pixels (N, 2, 1, 1), rounded or not, as points float32 (N, 2)."""
    return (pixels.flatten(1).float() - ORIGIN) / LEVELS_PER_UNIT
