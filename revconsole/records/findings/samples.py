"""Samples: pictures, class balance and statistics of a dataset, and the speed of its preparation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Colour = tuple[int, int, int]
"""Red, green, blue, each 0 to 255."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An image as rows of colours, with a caption."""

    rows: tuple[tuple[Colour, ...], ...]
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """A dataset as a run opens it.

    before: images as stored. after: the same images as the model sees them in training, augmented and standardised,
    each stretched to its own range of values. counts: images of each class, by part. mean, std: per channel of the
    training split, in [0, 1] units. read: description of the files, in one line. notes: omissions, if any.
    """

    dataset: str
    shape: tuple[int, int, int]
    before: tuple[Picture, ...]
    after: tuple[Picture, ...]
    counts: Mapping[str, Mapping[str, int]]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str
    read: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """Speed of data preparation alone: median, minimum and maximum seconds of a batch over `batches` batches."""

    device: str
    threads: int
    images: int
    batches: int
    median_seconds: float
    least_seconds: float
    most_seconds: float

    @property
    def images_per_second(self) -> float:
        """Images per second at the median batch time."""
        return self.images / self.median_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Speed of training: median seconds of a batch for the data alone, the model's step alone, and both together.

    images: per batch. rounds: number of rounds in which the three were timed in turn. ahead: whether batches were
    prepared ahead.
    """

    device: str
    threads: int
    images: int
    rounds: int
    ahead: bool
    data_seconds: float
    model_seconds: float
    both_seconds: float

    @property
    def waiting(self) -> float:
        """Fraction of a training step spent beyond the model's own time."""
        return max(0.0, 1 - self.model_seconds / self.both_seconds)

    @property
    def bound_by(self) -> Literal["data", "model"]:
        """The slower of the two, which limits the speed."""
        return "data" if self.data_seconds > self.model_seconds else "model"
