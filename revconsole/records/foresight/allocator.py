"""Allocator: what torch's caching allocator reserves on a CUDA device for a recorded sequence of allocations.

Tensors are carved out of segments that the allocator takes from the device and never gives back, so a device holds more
than the tensors do. The rules are those of `c10/cuda/CUDACachingAllocator.cpp` with its default settings:

    sizes are rounded up to 512 bytes; up to 1 MiB they come from segments of 2 MiB (the small pool), below 10 MiB
    from segments of 20 MiB, above from segments of their own size rounded up to 2 MiB; the smallest free block that
    fits is taken and split; the rest stays if it is 512 bytes (small pool) or more than 1 MiB (large pool); a freed
    block is merged with free neighbours of its segment.

The replay never gives cached segments back. A device does before it runs out, so the truth lies between `allocated` and
`reserved`; with `expandable_segments` it is close to `allocated`.
"""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field

ROUNDED = 512
SMALL = 1 << 20
"""Largest allocation of the small pool."""
SMALL_SEGMENT = 2 << 20
MIDDLE = 10 << 20
"""Allocations below this share segments."""
MIDDLE_SEGMENT = 20 << 20
LARGE_ROUNDED = 2 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationLog:
    """The allocations of a training step, in order.

    sizes: distinct sizes as (fixed, per image of a micro-batch, per image of the batch) bytes. events: an index into
    `sizes` for an allocation, -1 - n for the release of the n-th allocation. accumulated: the same for a step of
    several micro-batches; empty if it was not recorded.
    """

    sizes: tuple[tuple[float, float, float], ...]
    events: tuple[int, ...]
    accumulated: tuple[int, ...] = ()
    ranks: int = 1
    """Ranks that share the micro-batches of a step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceBytes:
    """The most bytes in use by tensors, and taken from the device for them."""

    allocated: int
    reserved: int


@dataclass(slots=True, eq=False)
class _Block:
    """A piece of a segment, with its neighbours there."""

    size: int
    small: bool
    free: bool = False
    before: "_Block | None" = None
    after: "_Block | None" = None


@dataclass(slots=True)
class _Pool:
    """Free blocks by size; of equal sizes the one freed first is taken first."""

    entries: list[tuple[int, int, _Block]] = field(default_factory=list)
    count: int = 0

    def put(self, block: _Block) -> None:
        self.count += 1
        bisect.insort(self.entries, (block.size, self.count, block), key=lambda e: e[:2])

    def take(self, size: int) -> _Block | None:
        at = bisect.bisect_left(self.entries, (size, 0), key=lambda e: e[:2])
        return self.entries.pop(at)[2] if at < len(self.entries) else None

    def remove(self, block: _Block) -> None:
        at = bisect.bisect_left(self.entries, (block.size, 0), key=lambda e: e[:2])
        while self.entries[at][2] is not block:
            at += 1
        del self.entries[at]


def replay(log: AllocationLog, micro_batch: int, accumulate: int = 1) -> DeviceBytes:
    """The device memory of a step with micro-batches of so many images."""
    batch = micro_batch * accumulate
    sizes = [
        round(fixed + slope * micro_batch + of_batch * batch)
        for fixed, slope, of_batch in log.sizes
    ]
    events = log.accumulated if accumulate > log.ranks and log.accumulated else log.events
    return replayed(sizes, events)


def replayed(sizes: Sequence[int], events: Sequence[int]) -> DeviceBytes:
    """The device memory of a sequence of allocations; see `AllocationLog` for the events."""
    pools = {True: _Pool(), False: _Pool()}
    blocks: list[_Block | None] = []
    allocated = reserved = most_allocated = 0
    for event in events:
        if event >= 0:
            block, taken = _allocated(pools, sizes[event])
            blocks.append(block)
            reserved += taken
            allocated += block.size if block else 0
            most_allocated = max(most_allocated, allocated)
            continue
        freed = blocks[-1 - event]
        if freed is not None:
            allocated -= freed.size
            _released(pools[freed.small], freed)
    return DeviceBytes(allocated=most_allocated, reserved=reserved)


def _allocated(pools: dict[bool, _Pool], wanted: int) -> tuple[_Block | None, int]:
    """A block for so many bytes, None for none, and the bytes taken from the device for it."""
    if wanted <= 0:
        return None, 0
    size = -(-wanted // ROUNDED) * ROUNDED
    small = size <= SMALL
    block, taken = pools[small].take(size), 0
    if block is None:
        taken = _segment(size)
        block = _Block(size=taken, small=small)
    block.free = False
    rest = block.size - size
    if rest >= ROUNDED if small else rest > SMALL:
        remaining = _Block(size=rest, small=small, free=True, before=block, after=block.after)
        if block.after is not None:
            block.after.before = remaining
        block.size, block.after = size, remaining
        pools[small].put(remaining)
    return block, taken


def _segment(size: int) -> int:
    """Bytes taken from the device when no free block fits."""
    if size <= SMALL:
        return SMALL_SEGMENT
    if size < MIDDLE:
        return MIDDLE_SEGMENT
    return -(-size // LARGE_ROUNDED) * LARGE_ROUNDED


def _released(pool: _Pool, block: _Block) -> None:
    """Put a block back, merged with its free neighbours."""
    before, after = block.before, block.after
    if before is not None and before.free:
        pool.remove(before)
        before.size += block.size
        before.after = after
        if after is not None:
            after.before = before
        block = before
    if after is not None and after.free:
        pool.remove(after)
        block.size += after.size
        block.after = after.after
        if after.after is not None:
            after.after.before = block
    block.free = True
    pool.put(block)
