"""Within: the moments inside kernels that can be the highest of a step.

A kernel is run only where what it surely does not exceed, on top of what is in use then, would be above every line
that is known; those that could be highest come first. With few images and with many other implementations run, so each
is measured for both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from revconsole.records.foresight.parts import MOST_IMAGES, Moment
from revconsole.training.foresee.kernels import KernelCall, inside, with_images
from revconsole.training.foresee.lines import Array, Lines
from revconsole.training.foresee.live_bytes import MICRO_BATCHES, Recording
from revconsole.training.foresee.pairing import Pairing

MOST_WORK = 20_000_000_000
"""Multiply-adds that all measured calls of a step may have together; a second or two."""
MOST_BYTES = 1 << 30
"""Bytes of the tensors of a call that is measured with many images."""
LITTLE = 0.0005
"""Share of the highest line that is not looked for."""
MANY = 16
"""Images from which kernels are those for many."""
MEASURED_MANY = (16, 20)
"""Numbers of images with which a kernel is run for many."""
Pair = tuple[KernelCall, KernelCall]


@dataclass(frozen=True, slots=True)
class InsideBytes:
    """What a kernel takes for itself, as a line over images."""

    fixed: float
    per_image: float

    def at(self, images: Array) -> Array:
        """Bytes with so many images, none below zero."""
        return np.maximum(0.0, self.fixed + self.per_image * images)


def within_kernels(
    lines: Lines, recording: Recording, pairing: Pairing
) -> Iterator[tuple[Moment, bool]]:
    """The moments inside kernels, each with whether a step of one micro-batch has it."""
    places: dict[Pair, list[int]] = {}
    calls = recording.step.calls
    for one, other in sorted(pairing.calls.items()):
        high, low = calls[one].kernel, calls[other].kernel
        if low is not None and high is not None:
            places.setdefault((low, high), []).extend((one + 1, other + 1))
    large, small = recording.images
    images = (small, large)
    few, many = np.arange(1.0, MANY), MANY * 2.0 ** np.arange(0.0, 16.5, 0.5)
    yield from _Range(lines, images, few, 1, MANY - 1).moments(places)
    yield from _Range(lines, images, many, MANY, MOST_IMAGES).moments(places)


class _Range:
    """Numbers of images for which the same kernels run.

    recorded: images of the recordings. grid: numbers of images at which lines are compared.
    """

    def __init__(
        self, lines: Lines, recorded: tuple[int, int], grid: Array, least: int, most: int
    ) -> None:
        self._lines, self._recorded, self._grid = lines, recorded, grid
        self._least, self._most = least, most
        once, accumulated = lines.totals(grid, 1), lines.totals(grid, MICRO_BATCHES)
        self._totals = (once, accumulated)
        self._known = [once[lines.once].max(axis=0), accumulated.max(axis=0)]
        self._left = MOST_WORK

    def moments(self, calls: dict[Pair, list[int]]) -> Iterator[tuple[Moment, bool]]:
        """Those inside calls that may be the highest."""
        bounds = {pair: self._bound(pair) for pair in calls}
        at_most = {pair: self._excess(calls[pair], bounds[pair]) for pair in calls}
        for pair in sorted(calls, key=lambda pair: -at_most[pair]):
            if self._excess(calls[pair], bounds[pair]) < LITTLE:
                continue
            taken = self._measured(pair)
            if taken is not None:
                yield from self._highest(calls[pair], pair[0].name, taken)

    def _bound(self, pair: Pair) -> InsideBytes:
        low, high = (call.most_inside for call in pair)
        return self._line(low, high, self._recorded)

    def _line(self, low: int, high: int, images: tuple[int, int]) -> InsideBytes:
        slope = (high - low) / (images[1] - images[0])
        return InsideBytes(low - slope * images[0], slope)

    def _excess(self, places: Sequence[int], inside_bytes: InsideBytes) -> float:
        """The share by which a call with so much inside would be above every line that is known."""
        share, extra = -1.0, inside_bytes.at(self._grid)
        for among, totals, known in zip(
            self._kinds(places), self._totals, self._known, strict=True
        ):
            if among:
                share = max(share, float(((totals[among] + extra) / known).max()) - 1.0)
        return share

    def _kinds(self, places: Sequence[int]) -> tuple[list[int], list[int]]:
        """The places in a step of one micro-batch, and in one of several."""
        once = self._lines.once
        return [place for place in places if once[place]], list(places)

    def _measured(self, pair: Pair) -> InsideBytes | None:
        """What the call takes; None if it is too much work."""
        images, calls = self._recorded, pair
        if self._least >= MANY:
            images, calls = self._with_many(pair)
        work = sum(call.work for call in calls)
        if work > self._left:
            return None
        self._left -= work
        low, high = map(inside, calls)
        return self._line(low, high, images)

    def _with_many(self, pair: Pair) -> tuple[tuple[int, int], Pair]:
        """The call with many images, if it is small enough to be run; else as recorded."""
        first, second = self._recorded
        shares = [Fraction(images - first, second - first) for images in MEASURED_MANY]
        low, high = (with_images(*pair, share) for share in shares)
        if low is None or high is None or high.bytes > MOST_BYTES:
            return self._recorded, pair
        if low.work + high.work > self._left:
            return self._recorded, pair
        return MEASURED_MANY, (low, high)

    def _highest(
        self, places: Sequence[int], name: str, taken: InsideBytes
    ) -> Iterator[tuple[Moment, bool]]:
        """The places of the call that are the highest for some number of images, which are known from now on."""
        extra, chosen = taken.at(self._grid), set[int]()
        for kind, among in enumerate(self._kinds(places)):
            if among:
                totals = self._totals[kind][among] + extra
                above = totals.max(axis=0) > self._known[kind]
                chosen |= {among[row] for row in totals.argmax(axis=0)[above]}
                self._known[kind] = np.maximum(self._known[kind], totals.max(axis=0))
        for place in sorted(chosen):
            moment = self._lines.moment(place, least=self._least, most=self._most)
            fixed, per_image = moment.fixed, moment.per_image
            yield (
                replace(
                    moment,
                    operator=f"inside {name}",
                    fixed=replace(fixed, temporaries=fixed.temporaries + taken.fixed),
                    per_image=replace(
                        per_image, temporaries=per_image.temporaries + taken.per_image
                    ),
                ),
                bool(self._lines.once[place]),
            )
