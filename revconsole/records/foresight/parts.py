"""Parts: what the memory of a training step is made of, and the moments at which it can be highest.

Bytes grow linearly with the images, so a moment is a line: `fixed + per_image · images`. The slope of `batch` counts
the images of the whole batch, every other slope those of one micro-batch. What kernels take for themselves is a line
for a few images and another for many, so a moment may hold for some numbers of images only.
"""

from dataclasses import dataclass, fields
from typing import Self

MOST_IMAGES = 1_048_576
"""Largest batch that is answered; `train.batch` allows no larger one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryParts:
    """Bytes by what they hold. The field names are keys of the cache file and of `plan --json`."""

    parameters: float = 0.0
    """Weights and buffers, and the moving average of the weights."""
    gradients: float = 0.0
    """Finished gradients of the weights."""
    optimizer: float = 0.0
    """State of the optimiser."""
    exchange: float = 0.0
    """Buffers by which ranks exchange gradients."""
    kept: float = 0.0
    """What the forward keeps for the backward: activations, or streams."""
    side_bits: float = 0.0
    """What exact arithmetic keeps besides: rounding remainders, one bit or a few per number."""
    temporaries: float = 0.0
    """What is needed for a moment: results of an operator, a block that is computed again."""
    batch: float = 0.0
    """Images and labels of the whole batch, and what the objective makes of them."""

    @property
    def total(self) -> float:
        """The sum of all parts."""
        return float(sum(getattr(self, name) for name in self.__slots__))

    def scaled(self, images: float, batch: float) -> Self:
        """This slope times the images: `batch` images for the part of that name, `images` for the others."""
        values = {f.name: getattr(self, f.name) * images for f in fields(self)}
        return type(self)(**values | {"batch": self.batch * batch})

    def __add__(self, other: "MemoryParts") -> "MemoryParts":
        return MemoryParts(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakMemory:
    """The most bytes of a step: in all, by part, and the operator after which it is reached."""

    total: int
    parts: MemoryParts
    operator: str
    """Phase and operator, as in "backward mm"; for people, not for programs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The bytes in use after one operator of a step, or inside it, for micro-batches of `least` to `most` images."""

    operator: str
    fixed: MemoryParts
    per_image: MemoryParts
    least: int = 1
    most: int = MOST_IMAGES

    def at(self, micro_batch: int, batch: int) -> float:
        """Bytes with micro-batches of `micro_batch` images out of a batch of `batch`."""
        slope, of_batch = self.per_image.total, self.per_image.batch
        return self.fixed.total + (slope - of_batch) * micro_batch + of_batch * batch

    def parts_at(self, micro_batch: int, batch: int) -> MemoryParts:
        """Bytes by part with micro-batches of `micro_batch` images out of a batch of `batch`."""
        return self.fixed + self.per_image.scaled(micro_batch, batch)

    def largest(self, memory: float, accumulate: int) -> float:
        """Images of a micro-batch at which this moment reaches `memory` bytes; 0 if it never does not."""
        slope = self.per_image.total + (accumulate - 1) * self.per_image.batch
        room = memory - self.fixed.total
        if room < 0:
            return 0.0
        return room / slope if slope > 0 else float("inf")
