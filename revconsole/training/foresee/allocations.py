"""Allocations: what a step asks its allocator for, in order and for any number of images, from two recordings."""

from collections.abc import Iterator

from revconsole.records.foresight.allocator import AllocationLog
from revconsole.training.foresee.live_bytes import MICRO_BATCHES, Recording, parts_of, segments_of
from revconsole.training.foresee.recorder import RecordedStep

Size = tuple[float, float, float]


def allocation_log(before: Recording, last: Recording) -> AllocationLog:
    """The log of a step of one micro-batch and of several. Both recordings ran the same operators."""
    sizes: dict[Size, int] = {}
    first = [sizes.setdefault(size, len(sizes)) for size in _standing(before, last)]
    made = [sizes.setdefault(size, len(sizes)) for size in _made(before, last)]
    step = last.step
    return AllocationLog(
        sizes=tuple(sizes),
        events=tuple(_events(step, first, made, skipped=MICRO_BATCHES)),
        accumulated=tuple(_events(step, first, made, skipped=None)),
    )


def _standing(before: Recording, last: Recording) -> Iterator[Size]:
    """The sizes of what is there from the beginning."""
    for (part, less), (_, more) in zip(before.standing, last.standing, strict=True):
        yield _size(less, more, before, last, of_batch=part == "batch")


def _made(before: Recording, last: Recording) -> Iterator[Size]:
    """The size of every storage that is made, by number."""
    sizes = zip(before.step.sizes, last.step.sizes, strict=True)
    for part, (less, more) in zip(parts_of(last), sizes, strict=True):
        yield _size(less, more, before, last, of_batch=part == "batch")


def _size(less: int, more: int, before: Recording, last: Recording, *, of_batch: bool) -> Size:
    times = MICRO_BATCHES if of_batch else 1
    slope = (more - less) / (times * (last.images - before.images))
    fixed = less - slope * times * before.images
    return (fixed, 0.0, slope) if of_batch else (fixed, slope, 0.0)


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
