"""What a dataset looks like (pictures before and after preparation, class balance, statistics), and how fast it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Colour = tuple[int, int, int]
"""Red, green, blue, each 0 to 255."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Colours row by row, and a word under it."""

    rows: tuple[tuple[Colour, ...], ...]
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """A dataset as a run opens it.

    before: images as they are stored. after: the same as a model is shown them in training, augmented and
    standardised, each stretched to its own darkest and brightest value. counts: images of each class, by part.
    mean, std: per channel of the training split, in [0, 1] units. read: what was read, in one line. notes: what
    was left out, if anything.
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
    """How fast the data alone is prepared: seconds of a batch, the median and the extremes of so many."""

    device: str
    threads: int
    images: int
    batches: int
    median_seconds: float
    least_seconds: float
    most_seconds: float

    @property
    def images_per_second(self) -> float:
        """At the median."""
        return self.images / self.median_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast training goes: seconds of a batch, medians, of the data alone, of the model's step alone, and of both.

    images: in a batch. rounds: in which each of the three was timed in turn. ahead: whether batches were made ahead.
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
        """The share of a training step that the model alone would not take."""
        return max(0.0, 1 - self.model_seconds / self.both_seconds)

    @property
    def bound_by(self) -> Literal["data", "model"]:
        """Which of the two is slower, hence sets the pace."""
        return "data" if self.data_seconds > self.model_seconds else "model"
