"""Pairing: the storages of a recorded step, each as a line over images, from its two micro-batches of different sizes.

Both run the same operators, but for the gradients: the first micro-batch keeps them, the second adds to them. So the
operators are paired from the last of each backward to the first of each forward, and what a pair made has two sizes,
through which its line goes. Before the first is what is made of the whole batch, before the second what closes the first.

    batch     forward 1   backward 1   tally      forward 2   backward 2   tally, update
    ∝ whole   ├───────── paired with ──────────────────────────────────┤   fixed
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from revconsole.training.foresee.live_bytes import Recording, segments_of
from revconsole.training.foresee.recorder import OperatorCall

SPLIT = "split_with_sizes"
"""The operator after which what is made belongs to a micro-batch and no longer to the whole batch."""
TALLY = frozenset({"detach", "add_", "mul"})
"""The operators that add the results of a micro-batch to those of the step."""
EXCHANGE = frozenset({"slice", "view", "split", "copy_", "fill_", "new_zeros", "empty_like"})
"""The operators by which a rank exchanges gradients after a micro-batch."""
KEPT, ADDED = "detach", "add_"
"""What autograd does with a weight's gradient, if there is none yet and if there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """calls: of the second micro-batch by those of the first, by number. prologue: calls before the first.

    fixed, per_image: bytes of each storage, by number. What the prologue made grows with the images of the whole batch.
    """

    calls: dict[int, int]
    prologue: int
    fixed: tuple[float, ...]
    per_image: tuple[float, ...]


def paired(recording: Recording) -> Pairing | None:
    """The pairing of a recorded step; None if its operators depend on the number of images."""
    calls, segments = recording.step.calls, segments_of(recording.step)
    first, second = ([n for n, each in enumerate(segments) if each == micro] for micro in (1, 2))
    pairs = {first[one]: second[other] for one, other in _pairs(recording, first, second)}
    before = first[: first.index(min(pairs))] if pairs else []
    between = second[: second.index(min(pairs.values()))] if pairs else second
    if not before or calls[before[-1]].name != SPLIT:
        return None
    if any(calls[number].name not in TALLY | EXCHANGE for number in between):
        return None
    return _sized(recording, pairs, prologue=len(before))


def _pairs(
    recording: Recording, first: Sequence[int], second: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Places of the same operator in both micro-batches, from the last on, until there is no other."""
    calls = recording.step.calls
    one, other = len(first) - 1, len(second) - 1
    while one >= 0 and other >= 0:
        call, again = calls[first[one]], calls[second[other]]
        added = again.backward and again.name == ADDED
        if _kind(call) == _kind(again):
            yield one, other
            one, other = one - 1, other - 1
        elif added and call.name == KEPT:
            one, other = one - 1, other - 1
        elif added:
            other -= 1
        elif call.backward and recording.gradients.issuperset(call.made):
            one -= 1
        else:
            return


def _kind(call: OperatorCall) -> tuple[str, bool, int]:
    return call.name, call.backward, len(call.made)


def _sized(recording: Recording, pairs: dict[int, int], *, prologue: int) -> Pairing:
    """The pairing with the line of each storage; what is neither paired nor of the prologue does not grow."""
    step, (large, small) = recording.step, recording.images
    fixed, per_image = [float(size) for size in step.sizes], [0.0] * len(step.sizes)
    for one, other in pairs.items():
        for numbers in zip(step.calls[one].made, step.calls[other].made, strict=True):
            more, less = (step.sizes[number] for number in numbers)
            slope = (more - less) / (large - small)
            for number in numbers:
                fixed[number], per_image[number] = less - slope * small, slope
    for call in step.calls[:prologue]:
        for number in call.made:
            if step.sizes[number] % recording.batch == 0:  # a prime: no other size is a multiple
                per_image[number] = step.sizes[number] / recording.batch
                fixed[number] = 0.0
    return Pairing(calls=pairs, prologue=prologue, fixed=tuple(fixed), per_image=tuple(per_image))
