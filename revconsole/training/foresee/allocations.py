"""Allocations: what a step asks its allocator for, in order and for any number of images, from a recording of it."""

from collections.abc import Iterator

from revconsole.records.foresight.allocator import AllocationLog
from revconsole.training.foresee.live_bytes import MICRO_BATCHES, Recording, parts_of, segments_of
from revconsole.training.foresee.pairing import Pairing
from revconsole.training.foresee.recorder import RecordedStep

Size = tuple[float, float, float]


def allocation_log(recording: Recording, pairing: Pairing) -> AllocationLog:
    """The log of a step of one micro-batch for each rank and of several."""
    sizes: dict[Size, int] = {}
    first = [sizes.setdefault(size, len(sizes)) for size in _standing(recording)]
    made = [sizes.setdefault(size, len(sizes)) for size in _made(recording, pairing)]
    step = recording.step
    return AllocationLog(
        sizes=tuple(sizes),
        events=tuple(_events(step, first, made, skipped=MICRO_BATCHES)),
        accumulated=tuple(_events(step, first, made, skipped=None)),
        ranks=recording.ranks,
    )


def _standing(recording: Recording) -> Iterator[Size]:
    """The sizes of what is there from the beginning."""
    for part, size in recording.standing:
        yield (0.0, 0.0, size / recording.batch) if part == "batch" else (float(size), 0.0, 0.0)


def _made(recording: Recording, pairing: Pairing) -> Iterator[Size]:
    """The size of every storage that is made, by number."""
    parts = parts_of(recording, pairing.prologue)
    for part, fixed, slope in zip(parts, pairing.fixed, pairing.per_image, strict=True):
        yield (fixed, 0.0, slope) if part == "batch" else (fixed, slope, 0.0)


def _events(
    step: RecordedStep, first: list[int], made: list[int], *, skipped: int | None
) -> Iterator[int]:
    """Allocations and releases, without what is made in the skipped micro-batch."""
    yield from first
    place: dict[int, int] = {}
    released = iter(step.released)
    pending = next(released, None)
    for number, (call, segment) in enumerate(zip(step.calls, segments_of(step), strict=True)):
        if segment != skipped:
            for each in call.made:
                place[each] = len(first) + len(place)
                yield made[each]
        while pending is not None and step.ends[pending] == number:
            if pending in place:
                yield -1 - place[pending]
            pending = next(released, None)
