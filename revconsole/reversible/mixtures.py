"""Which mixtures of backwards there are for the blocks of a model, what they compute again and hold.

A few steps are traced: one with the blocks as they are, and one for each other backward, in which some block of every
kind has it. From these follows for any mixture what it computes, and how high it rises at each block on the way back:
by what the blocks before keep, and by what the block itself needs for a moment. Blocks are gone through once, in the
order they run; a mixture of those so far is left out where another keeps, computes and rises no more.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from revconsole.reversible.scheme import UNDONE, Backward
from revconsole.reversible.step_peak import StepTrace

Words = tuple[Backward, ...]
Kind = tuple[Any, ...]
Key = tuple[Kind, tuple[bool, bool]]
OTHERS: Mapping[Backward, tuple[Backward, ...]] = {
    "reversible": ("anchored", "checkpointed", "stored"),
    "anchored": ("stored",),
    "checkpointed": ("stored",),
    "stored": (),
}
"""What a block may have besides the backward it has."""
ORDER: Mapping[Backward, int] = {"reversible": 0, "anchored": 0, "checkpointed": 1, "stored": 2}
"""Order of the backwards in a stretch: what is stored by later blocks is released before the backward pass needs memory of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockCosts:
    """A block.

    kind: equal for blocks that keep and compute as much. run: the blocks it is in a row with. place:
    whether it is the first and the last of these, which need not be undone wholly.
    """

    kind: Kind
    run: tuple[int, int]
    place: tuple[bool, bool]
    word: Backward
    weights: tuple[Tensor, ...]

    @property
    def key(self) -> "Key":
        """Kind and place."""
        return self.kind, self.place


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """A backward for each block, the bytes a step is foretold to hold, and multiply-adds beyond the least."""

    words: Words
    peak: int
    work: int


@dataclass(slots=True)
class Habits:
    """What blocks of a kind do under one backward, beside the one they have.

    keeps: bytes more. rises: bytes above those at the start of its backward. work: multiply-adds.
    """

    keeps: int
    rises: int
    work: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What was traced."""

    parts: Sequence[BlockCosts]
    base: StepTrace
    habits: Mapping[Key, Mapping[Backward, Habits]]

    def mixtures(self) -> list[Mixture]:
        """The mixtures that no other beats in both peak and work, by what they compute, the least first."""
        ways = [MixtureSoFar(peak=self.base.aside)]
        for number, part in enumerate(self.parts):
            ways = _best(on for way in ways for on in self._on(way, number, part))
        # At its end, where the loss is computed, a way may rise once more.
        ended = (replace(w, peak=max(w.peak, self.base.at_turn + w.keeps)) for w in ways)
        least: list[Mixture] = []
        for way in sorted(ended, key=lambda way: (way.work, way.peak)):
            if not least or way.peak < least[-1].peak:
                least.append(Mixture(words=way.all_words(), peak=way.peak, work=way.work))
        return least

    def _on(self, way: "MixtureSoFar", number: int, part: BlockCosts) -> Iterator["MixtureSoFar"]:
        """The way with this block besides."""
        previous = self.parts[number - 1] if number else part
        follows = number > 0 and previous.run == part.run
        for word, habits in self.habits[part.key].items():
            if follows and word != part.word and ORDER[word] < ORDER[way.word or word]:
                continue
            spared = 0 if follows and word in UNDONE else self._spared(previous, way.word)
            keeps = way.keeps - spared + habits.keeps
            forward = self.base.most_forward.get(number, 0) + way.keeps
            top = self.base.at_backward.get(number, 0) + keeps + habits.rises
            work, peak = way.work + habits.work, max(way.peak, forward, top)
            yield MixtureSoFar(before=way, word=word, keeps=keeps, work=work, peak=peak)

    def _spared(self, part: BlockCosts, word: Backward | None) -> int:
        """Bytes of an anchor that this block does without where no block that is undone follows."""
        if word != "anchored" or part.place[1]:
            return 0
        return max(0, self.habits[part.key][word].keeps)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureSoFar:
    """A mixture of the blocks so far. before: the way without the last of them, which has this word.

    keeps: bytes more than were traced. peak: the most so far.
    """

    before: "MixtureSoFar | None" = None
    word: Backward | None = None
    keeps: int = 0
    work: int = 0
    peak: int = 0

    def all_words(self) -> Words:
        """The backwards of all blocks, from the first on."""
        words: list[Backward] = []
        way: MixtureSoFar | None = self
        while way is not None and way.word is not None:
            words.append(way.word)
            way = way.before
        return tuple(reversed(words))


def _best(ways: Iterator[MixtureSoFar]) -> list[MixtureSoFar]:
    """The ways, of those that end alike, that no other beats in what they keep, compute and rise to."""
    groups: dict[Backward | None, list[MixtureSoFar]] = {}
    for way in ways:
        groups.setdefault(way.word, []).append(way)
    best: list[MixtureSoFar] = []
    for group in groups.values():
        group.sort(key=lambda way: (way.work, way.keeps, way.peak))
        kept: list[MixtureSoFar] = []
        for way in group:
            if not any(k.keeps <= way.keeps and k.peak <= way.peak for k in kept):
                kept.append(way)
        best += kept
    return best


def model_of(parts: Sequence[BlockCosts], trace: Callable[[Words], StepTrace]) -> Model:
    """What a few traced steps say of these blocks. trace: a step in which they have these backwards."""
    words = tuple(part.word for part in parts)
    learnt = Learnt(parts=parts, base=trace(words))
    for word in ("anchored", "checkpointed", "stored"):
        having = learnt.asked(word)
        if having:
            changed = [word if n in having else old for n, old in enumerate(words)]
            learnt.learn(word, having, trace(tuple(changed)))
    return Model(parts=parts, base=learnt.base, habits=learnt.habits)


@dataclass(slots=True, kw_only=True)
class Learnt:
    """What was found out so far."""

    parts: Sequence[BlockCosts]
    base: StepTrace
    habits: dict[Key, dict[Backward, Habits]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number, part in enumerate(self.parts):
            self.habits[part.key] = {part.word: self._habits(self.base, number, 0)}

    def asked(self, word: Backward) -> list[int]:
        """The blocks that a step with this word is to be traced for: anchors at every place, others once a kind."""
        having: dict[Any, int] = {}
        for number, part in enumerate(self.parts):
            known = self.habits[part.key]
            if word not in OTHERS[part.word] or (word == "checkpointed" and "anchored" in known):
                continue
            having[part.key if word == "anchored" else part.kind] = number
        return sorted(having.values())

    def learn(self, word: Backward, having: Sequence[int], seen: StepTrace) -> None:
        """Learn from a step in which these blocks have another backward."""
        before = 0
        for number in having:
            part = self.parts[number]
            shift = self._shift(seen, number)
            habits = self._habits(seen, number, shift - before)
            before = shift
            if word != "anchored":
                for key, known in self.habits.items():
                    if key[0] == part.kind:
                        known[word] = habits
            elif habits.work < self.habits[part.key][part.word].work:  # or else it spares nothing
                self.habits[part.key][word] = habits

    def _shift(self, seen: StepTrace, number: int) -> int:
        return seen.at_backward.get(number, 0) - self.base.at_backward.get(number, 0)

    def _habits(self, seen: StepTrace, number: int, keeps: int) -> Habits:
        rises = seen.most_backward.get(number, 0) - seen.at_backward.get(number, 0)
        return Habits(keeps=keeps, rises=rises, work=seen.work.get(number, 0))
