"""Foresight: the memory of a training step for any number of images, known before anything is trained.

    foresight.peak("reversible", 128)            PeakMemory: total, parts (a MemoryParts), operator
    foresight.peak("stored", 32, accumulate=4)   4 micro-batches of 32 images each
    foresight.largest("stored", memory)          the largest micro-batch that fits into so many bytes
    foresight.batches(512, memory)               how a batch of 512 is made in that memory, for each backward
    foresight.bounds("stored", 128, allowance)   MemoryRange; `.within(memory)` is the verdict in four words
    foresight.backwards                          those that this model and scheme allow
    foresight.left_out                           the others, each with the reason

A Foresight is read by `cache.known(plan)`, which imports no torch and returns None if it was never made, and made by
`training.foresee.foresee(plan)`, a few seconds of CPU, after which it is known. It depends on the model and on what it
is trained with, not on batch, accumulation, seed, rate, length or data: see `cache.key`.

Answers come from the lines of `parts.Moment`: the peak is the highest line, and the largest batch is where the first line
reaches the memory, so nothing is searched. (For CUDA's reserved bytes a few replays close in on it.) `auto` is between the most
sparing backward and `stored`; what it takes with one batch and budget is in `chosen`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from revconsole.records.foresight.allocator import AllocationLog, DeviceBytes, replay
from revconsole.records.foresight.allowance import Allowance, MemoryRange
from revconsole.records.foresight.parts import MOST_IMAGES, Moment, PeakMemory
from revconsole.records.sections import Backward

Kind = Literal["cpu", "cuda"]
ORDER: tuple[Backward, ...] = ("stored", "checkpointed", "reversible")
"""Backwards that are traced, in the order in which they are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepMemory:
    """The memory of a step with one backward, on the rank that needs most. This is what the cache keeps.

    once: moments of a step of one micro-batch for each rank, those that can be the highest. accumulated: of several for each.
    """

    once: tuple[Moment, ...]
    accumulated: tuple[Moment, ...]
    log: AllocationLog | None = None
    """What the caching allocator is asked for; only for CUDA."""
    note: str = ""
    """What is uncertain about it, as a sentence; empty if nothing is."""
    seconds: float = 0.0
    """CPU seconds that making it took."""
    ranks: int = 1
    """Ranks that share the micro-batches of a step."""
    collected: int = 0
    """Bytes of the first rank while it collects the state for a checkpoint; 0 where every rank has all of it."""

    def moments(self, accumulate: int) -> tuple[Moment, ...]:
        """The moments of a step with so many micro-batches, on all ranks together."""
        return self.once if accumulate <= self.ranks else self.accumulated

    def peak(self, micro_batch: int, accumulate: int = 1) -> PeakMemory:
        """The most bytes of a step whose batch has `accumulate` micro-batches of `micro_batch` images."""
        batch = micro_batch * accumulate
        moments = (m for m in self.moments(accumulate) if m.least <= micro_batch <= m.most)
        moment = max(moments, key=lambda each: each.at(micro_batch, batch))
        parts = moment.parts_at(micro_batch, batch)
        return PeakMemory(total=round(parts.total), parts=parts, operator=moment.operator)

    def above(self, micro_batch: int) -> int:
        """The most bytes beside weights, all of their gradients, optimiser state and images: what a budget of `auto` limits."""
        parts = self.peak(
            micro_batch, accumulate=2 * self.ranks
        ).parts  # in the second, all gradients are there
        return round(parts.kept + parts.side_bits + parts.temporaries)

    def standing(self, micro_batch: int) -> int:
        """Bytes of weights, all of their gradients, optimiser state and buffers of the exchange."""
        parts = self.peak(micro_batch, accumulate=2 * self.ranks).parts
        return round(parts.parameters + parts.gradients + parts.optimizer + parts.exchange)

    def largest(self, memory: float, accumulate: int = 1) -> int:
        """The largest micro-batch whose peak is at most `memory` bytes; 0 if not even one image fits."""
        moments, most = self.moments(accumulate), MOST_IMAGES
        starts = {m.least for m in moments} | {m.most + 1 for m in moments if m.most < most}
        for least in sorted(starts, reverse=True):
            holding = (m.largest(memory, accumulate) for m in moments if m.least <= least <= m.most)
            images = min(most, *holding)
            if images >= least:
                return int(images)
            most = least - 1
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeBatch:
    """A batch made of micro-batches that fit."""

    backward: Backward
    micro_batch: int
    accumulate: int

    def __str__(self) -> str:
        return f"{self.accumulate} × {self.micro_batch} {self.backward}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    """The memory of a step with each backward that a model and its scheme allow."""

    device: Kind
    steps: Mapping[Backward, StepMemory]
    left_out: Mapping[Backward, str] = field(default_factory=dict)
    auto: StepMemory | None = None
    """The memory with the blocks that `auto` chooses for one batch and budget (see `chosen`); None if they are not known."""

    @property
    def backwards(self) -> tuple[Backward, ...]:
        """The backwards that can be asked about; `auto` is one if there is something to choose from."""
        traced = tuple(word for word in ORDER if word in self.steps)
        return (*traced, "auto") if len(traced) > 1 and "stored" in traced else traced

    @property
    def sparing(self) -> Backward:
        """The backward that needs least memory for many images."""
        return max(
            (word for word in ORDER if word in self.steps),
            key=lambda word: (self.steps[word].largest(1 << 40), ORDER.index(word)),
        )

    def step(self, backward: Backward) -> StepMemory:
        """The memory with one backward; of `auto` what it chooses, or the least that it can. Raises KeyError."""
        if backward == "auto" and self.auto is not None:
            return self.auto
        return self.steps[self.sparing if backward == "auto" else backward]

    def peak(
        self,
        backward: Backward,
        micro_batch: int,
        *,
        accumulate: int = 1,
        memory: float | None = None,
    ) -> PeakMemory:
        """The most bytes of a step. memory: what `auto` may fill; without it the least it can choose is given."""
        peak = self.step(backward).peak(micro_batch, accumulate)
        if backward != "auto" or memory is None:
            return peak
        stored = self.steps["stored"].peak(micro_batch, accumulate)
        return stored if stored.total <= memory else peak

    def largest(
        self,
        backward: Backward,
        memory: float,
        *,
        accumulate: int = 1,
        allowance: Allowance | None = None,
    ) -> int:
        """The largest micro-batch that fits into `memory` bytes; 0 if none does.

        allowance: counts as taken, at its most; on CUDA the reserved bytes are then held to the memory too, which
        the replay answers in milliseconds.
        """
        step = self.steps[self.sparing if backward == "auto" else backward]
        room = memory if allowance is None else (memory - allowance.high) / (1.0 + allowance.inside)
        if self.device == "cpu" and step.collected > room:
            return 0
        if allowance is None:
            return step.largest(memory, accumulate)
        most = step.largest(room, accumulate)
        return _largest_reserved(step.log, most, accumulate, int(room)) if step.log else most

    def bounds(
        self, backward: Backward, micro_batch: int, allowance: Allowance, *, accumulate: int = 1
    ) -> MemoryRange:
        """The least and the most bytes that a training takes on its device."""
        step = self.step(backward)
        least = most = step.peak(micro_batch, accumulate).total
        if step.log is not None:
            there = reserved(step.log, micro_batch, accumulate)
            least, most = there.allocated, there.reserved
        if self.device == "cpu":
            least, most = max(least, step.collected), max(most, step.collected)
        return allowance.around(least, max(least, most))

    def made(
        self, backward: Backward, batch: int, memory: float, *, allowance: Allowance | None = None
    ) -> MadeBatch | None:
        """The batch in the fewest equal micro-batches that fit into `memory` bytes, as many for each rank; None if there are none."""
        ranks = self.steps[self.sparing if backward == "auto" else backward].ranks
        for accumulate in (each for each in divisors(batch) if each % ranks == 0):
            micro_batch = batch // accumulate
            most = self.largest(backward, memory, accumulate=accumulate, allowance=allowance)
            if micro_batch <= most:
                return MadeBatch(backward=backward, micro_batch=micro_batch, accumulate=accumulate)
        return None

    def batches(
        self, batch: int, memory: float, *, allowance: Allowance | None = None
    ) -> tuple[MadeBatch, ...]:
        """How a batch is made with each traced backward, without those with which it cannot be."""
        ways = (self.made(word, batch, memory, allowance=allowance) for word in self.steps)
        return tuple(way for way in ways if way is not None)


def in_words(batch: int, ways: Sequence[MadeBatch]) -> str:
    """The ways to make a batch in words, as in "512 = 4 × 128 stored, 2 × 256 checkpointed, 1 × 512 reversible"."""
    return f"{batch:,} = {', '.join(map(str, ways))}" if ways else f"{batch:,} does not fit"


def divisors(number: int) -> Iterator[int]:
    """The divisors of a number, ascending."""
    low = [n for n in range(1, int(number**0.5) + 1) if number % n == 0]
    yield from low
    yield from (number // n for n in reversed(low) if n * n != number)


@lru_cache(maxsize=256)
def reserved(log: AllocationLog, micro_batch: int, accumulate: int) -> DeviceBytes:
    """What the caching allocator takes for a step; see `allocator`."""
    return replay(log, micro_batch, accumulate)


def _largest_reserved(log: AllocationLog, most: int, accumulate: int, room: int) -> int:
    """The largest micro-batch, at most `most`, for which at most `room` bytes are reserved.

    Reserved bytes are not a line, but nearly proportional: a few replays close in on it.
    """
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if reserved(log, middle, accumulate).reserved <= room:
            low = middle
        else:
            high = middle - 1
    return low
