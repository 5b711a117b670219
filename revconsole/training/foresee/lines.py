"""Lines: the moments of a step for any number of images, from a recording of it.

If both of its micro-batches ran the same operators, the storages are lines (`pairing`), and so are the bytes after each
operator. Of all these lines only those are kept that are the highest for some number of images. If the operators differ,
lines through the peaks of this recording and of a larger one take their place, and a note says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from revconsole.records.foresight.parts import MOST_IMAGES, MemoryParts, Moment
from revconsole.training.foresee.live_bytes import (
    MICRO_BATCHES,
    PARTS,
    UPDATE,
    Recording,
    level_names,
    levels,
    parts_of,
    segments_of,
)
from revconsole.training.foresee.pairing import Pairing

Array = NDArray[np.float64]
OF_BATCH = PARTS.index("batch")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Lines of bytes over images: `fixed` and `slopes` by part, of shape (lines, parts). segments: the micro-batch of each, or UPDATE."""

    names: Sequence[str]
    segments: NDArray[np.int64]
    fixed: Array
    slopes: Array

    @property
    def once(self) -> NDArray[np.bool_]:
        """Which lines belong to a step of one micro-batch."""
        return self.segments < MICRO_BATCHES

    def totals(self, images: Array, parts: int) -> Array:
        """Bytes of shape (lines, images) in a step of so many micro-batches."""
        of_batch = self.slopes[:, OF_BATCH]
        slope = self.slopes.sum(axis=1) + (parts - 1) * of_batch
        found: Array = self.fixed.sum(axis=1)[:, None] + slope[:, None] * images
        return found

    def moment(self, line: int, *, least: int = 1, most: int = MOST_IMAGES) -> Moment:
        """A line as it is stored."""
        return Moment(
            operator=self.names[line],
            fixed=_parts(self.fixed[line]),
            per_image=_parts(self.slopes[line]),
            least=least,
            most=most,
        )


def lines_of(recording: Recording, pairing: Pairing) -> Lines:
    """The line of what stands and of each operator."""
    parts, batch = parts_of(recording, pairing.prologue), recording.batch
    images = [(part, size) for part, size in recording.standing if part == "batch"]
    others = [(part, size) for part, size in recording.standing if part != "batch"]
    each = [(part, size / batch) for part, size in images]
    return Lines(
        names=level_names(recording.step),
        segments=_segments(recording),
        fixed=levels(recording, parts, pairing.fixed, others),
        slopes=levels(recording, parts, pairing.per_image, each),
    )


def through_peaks(before: Recording, last: Recording) -> Lines:
    """A line through the highest levels of each micro-batch and of the update of two recordings of different sizes."""
    segments, names, highest_levels = [1, MICRO_BATCHES, UPDATE], [""], []
    for recording in (before, last):
        found = levels(recording, parts_of(recording), recording.step.sizes, recording.standing)
        where, called = _segments(recording), level_names(recording.step)
        rows = [
            max(np.flatnonzero(where == each), key=lambda row: found[row].sum())
            for each in segments
        ]
        names = [called[row] for row in rows]
        highest_levels.append(found[rows])
    images = np.array([_images(before), _images(last)], dtype=np.float64)
    slopes = (highest_levels[1] - highest_levels[0]) / (images[1] - images[0])
    return Lines(
        names=names,
        segments=np.array(segments),
        fixed=highest_levels[0] - slopes * images[0],
        slopes=slopes,
    )


def _segments(recording: Recording) -> NDArray[np.int64]:
    """The micro-batch of each level, or UPDATE."""
    return np.array([UPDATE, *segments_of(recording.step)])


def _images(recording: Recording) -> list[list[int]]:
    """Images that count for each part: of the first micro-batch, of the second, and in the update those of the first."""
    large, small = recording.images
    return [
        [recording.batch if part == "batch" else images for part in PARTS]
        for images in (large, small, large)
    ]


def _parts(values: Array) -> MemoryParts:
    return MemoryParts(**dict(zip(PARTS, map(float, values), strict=True)))


def highest(fixed: Array, slopes: Array, of_batch: Array) -> list[int]:
    """The lines that are the highest for some number of images and some number of micro-batches.

    slopes: over the images of a micro-batch; of_batch: over those of the whole batch. All of shape (lines,).
    """
    found: list[int] = []
    for slope in np.unique(of_batch):
        group = np.flatnonzero(of_batch == slope)
        found += [int(group[line]) for line in _hull(fixed[group], slopes[group])]

    def above(one: int, other: int) -> bool:
        pairs = [(values[one], values[other]) for values in (fixed, slopes, of_batch)]
        return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

    return [line for line in found if not any(above(other, line) for other in found)]


def _hull(fixed: Array, slopes: Array) -> list[int]:
    """The upper hull of lines over all numbers of images, flattest first."""
    hull: list[int] = []

    def crossing(flat: int, steep: int) -> float:
        return float((fixed[flat] - fixed[steep]) / (slopes[steep] - slopes[flat]))

    for line in map(int, np.lexsort((-fixed, slopes))):
        if hull and slopes[hull[-1]] == slopes[line]:
            continue  # the higher one of equal slope came first
        while hull and fixed[hull[-1]] <= fixed[line]:
            hull.pop()
        while len(hull) > 1 and crossing(hull[-2], line) <= crossing(hull[-2], hull[-1]):
            hull.pop()
        hull.append(line)
    return hull


def highest_of(lines: Lines, among: NDArray[np.bool_]) -> list[Moment]:
    """The highest of some of the lines, as they are stored."""
    places = np.flatnonzero(among)
    of_batch = lines.slopes[places, OF_BATCH]
    slopes = lines.slopes[places].sum(axis=1) - of_batch
    chosen = highest(lines.fixed[places].sum(axis=1), slopes, of_batch)
    return [lines.moment(int(places[line])) for line in chosen]


def upper(moments: Sequence[Moment]) -> tuple[Moment, ...]:
    """The moments that are the highest for some number of images for which they hold, and some number of micro-batches."""
    starts = {m.least for m in moments} | {m.most + 1 for m in moments if m.most < MOST_IMAGES}
    chosen: dict[int, Moment] = {}
    for start in sorted(starts):
        holding = [m for m in moments if m.least <= start <= m.most]
        of_batch = np.array([m.per_image.batch for m in holding])
        slopes = np.array([m.per_image.total for m in holding]) - of_batch
        fixed = np.array([m.fixed.total for m in holding])
        chosen |= {id(holding[line]): holding[line] for line in highest(fixed, slopes, of_batch)}
    return tuple(chosen.values())
