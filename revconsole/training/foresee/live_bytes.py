"""Live bytes: the bytes in use after each operator of a recorded step, by part.

forward → backward, once for each of two micro-batches of different sizes, then the update
kept: made in a forward and there when its backward begins      side bits: the same, of bytes (uint8)
gradient: a weight's at the end                                 batch: made of the whole batch
temporary: everything else
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from revconsole.records.foresight.parts import MemoryParts
from revconsole.training.foresee.recorder import RecordedStep

PARTS = tuple(field.name for field in fields(MemoryParts))
UPDATE = 0
"""Number of the segment after the last backward; micro-batches count from 1."""
MICRO_BATCHES = 2
"""Micro-batches of a recorded step: in the second there are gradients already."""
STANDS = "what stands"
"""The name of the level before the first operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recorded step of two micro-batches with so many images, the larger one first.

    standing: what is there before and after, as (part, bytes) of each storage. gradients: numbers of the storages that
    hold them at the end. ranks: that share the step, of which this is one. collected: bytes of the first of them while it
    collects the state for a checkpoint.
    """

    images: tuple[int, int]
    step: RecordedStep
    standing: tuple[tuple[str, int], ...]
    gradients: frozenset[int]
    ranks: int = 1
    collected: int = 0

    @property
    def batch(self) -> int:
        """Images of the whole step."""
        return sum(self.images)


def levels(
    recording: Recording,
    parts: Sequence[str],
    sizes: Sequence[float],
    standing: Iterable[tuple[str, float]],
) -> NDArray[np.float64]:
    """The bytes in use, of shape (operators + 1, parts): first of what stands, then after each operator.

    What ends with an operator is still there after it. parts, sizes: of each storage, by number. standing: as in a Recording.
    """
    step = recording.step
    change = np.zeros((len(step.calls) + 2, len(PARTS)))
    for part, size in standing:
        change[0, PARTS.index(part)] += size
    for place, call in enumerate(step.calls):
        for number in call.made:
            column, size = PARTS.index(parts[number]), sizes[number]
            change[place + 1, column] += size
            if number in step.ends:
                change[step.ends[number] + 2, column] -= size
    return change.cumsum(axis=0)[:-1]


def level_names(step: RecordedStep) -> list[str]:
    """A name for each of the `levels`: phase and operator."""
    names = [STANDS]
    for call, segment in zip(step.calls, segments_of(step), strict=True):
        phase = "backward" if call.backward else "forward" if segment else "update"
        names.append(f"{phase} {call.name}")
    return names


def segments_of(step: RecordedStep) -> list[int]:
    """For each operator the micro-batch that it belongs to, or UPDATE."""
    found, micro, was_backward = [], 1, False
    last = max((n for n, call in enumerate(step.calls) if call.backward), default=-1)
    for number, call in enumerate(step.calls):
        micro += was_backward and not call.backward
        was_backward = call.backward
        found.append(micro if number <= last else UPDATE)
    return found


def parts_of(recording: Recording, prologue: int | None = None) -> list[str]:
    """The part that each storage belongs to, by number.

    prologue: operators that run on the whole batch; where that is not known, what they made and the step keeps is found.
    """
    step, segments = recording.step, segments_of(recording.step)
    turns, found = _turns(step, segments), []
    update = next((n for n, each in enumerate(segments) if each == UPDATE), len(segments))
    for number, (born, segment) in enumerate(_births(step, segments)):
        turn, end = turns.get(segment), step.ends.get(number, len(step.calls))
        if number in recording.gradients:
            found.append("gradients")
        elif segment == 1 and (
            born < turns[1] and end >= update if prologue is None else born < prologue
        ):
            found.append("batch")
        elif turn is not None and born < turn <= end:
            found.append("side_bits" if step.packed[number] else "kept")
        else:
            found.append("temporaries")
    return found


def _turns(step: RecordedStep, segments: Sequence[int]) -> dict[int, int]:
    """For each micro-batch the number of the first operator of its backward."""
    found: dict[int, int] = {}
    for number, (call, segment) in enumerate(zip(step.calls, segments, strict=True)):
        if call.backward:
            found.setdefault(segment, number)
    return found


def _births(step: RecordedStep, segments: Sequence[int]) -> Iterator[tuple[int, int]]:
    """For each storage the number of the operator that made it, and its segment."""
    for number, (call, segment) in enumerate(zip(step.calls, segments, strict=True)):
        yield from ((number, segment) for _ in call.made)
