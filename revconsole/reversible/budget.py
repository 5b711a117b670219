"""Spending a budget of memory on time: some blocks keep their activations, some their streams.

Undoing a block costs one more evaluation of it. A checkpoint costs the streams before the block and
saves the end of that evaluation, from the last operation whose inputs a gradient needs: in a
transformer block its last linear layer, a third of the work. Keeping the activations costs all of
them and saves all of it. Any mixture of the three is right, so `keep_within` walks one path as far
as the budget reaches: first come the checkpoints that are a bargain, then blocks keep their
activations, the cheapest first. Of equals the last come first: what they hold is released before
the way back needs memory of its own. With room for all it is ordinary training, with none the
reversible one, in between the time falls block by block.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

from revconsole.reversible.kept import kept_for_backward
from revconsole.reversible.replay import statistics_kept
from revconsole.reversible.scheme import Backward
from revconsole.reversible.sequence import ReversibleSequence, sequences

MEBIBYTE = 2**20
BARGAIN = 0.25
"""A checkpoint comes first where it costs less than this part of the activations. In a transformer
block it saves a third of the evaluation for a tenth of the bytes; in a convolutional bottleneck, of
which the last operation is cheap and the stream is wide, next to nothing for half of them."""
SAMPLE = 4
"""How many checkpoints are counted together: the first costs less than the others, which stand in a
row with it. Where they are a bargain, they take no more than one block's activations."""

Place = tuple[int, int]  # of a block: which sequence, which of its blocks
Kind = tuple[Any, ...]  # blocks of one kind keep as much as one another


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What `keep_within` decided: `stored` of `blocks` keep their activations, `checkpointed` streams.

    kept: bytes that a forward pass then keeps for its backward, measured. budget: what it may.
    least: bytes with every block as it was.
    """

    stored: int
    checkpointed: int
    blocks: int
    kept: int
    budget: int
    least: int

    def __str__(self) -> str:
        kept, budget, least = (n / MEBIBYTE for n in (self.kept, self.budget, self.least))
        if self.least > self.budget:
            return (
                f"{self._mixture()}: even so {least:.1f} MiB are kept, "
                f"more than the budget of {budget:.1f} MiB"
            )
        return (
            f"{self._mixture()}: {kept:.1f} MiB of the budget of {budget:.1f} MiB "
            f"(the least: {least:.1f} MiB)"
        )

    def _mixture(self) -> str:
        if self.stored == self.blocks:
            return f"all {self.blocks} blocks keep their activations"
        verb = "keep their" if self.stored > 1 else "keeps its"
        mixture = f"{self.stored or 'none'} of {self.blocks} blocks {verb} activations"
        if self.checkpointed:
            reversed_ = self.blocks - self.stored - self.checkpointed
            return f"{mixture}, {_are(self.checkpointed)} checkpointed, {_are(reversed_)} reversed"
        return f"{mixture}, the others are computed again" if self.stored else mixture


def _are(number: int) -> str:
    return f"{number} are" if number > 1 else f"{number or 'none'} is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A block gets another backward, which adds about so many bytes."""

    place: Place
    word: Backward
    adds: int


def keep_within(
    model: nn.Module,
    forward: Callable[[], Any],
    budget: int,
    *,
    exclude: Iterable[Tensor] = (),
) -> Choice:
    """Let the blocks of the model's sequences keep what spares most time and fits `budget` bytes.

    forward: one training forward pass of a batch as large as will be trained on, with its autocast;
    it is run a few times. exclude: tensors that exist anyway, its images for instance, besides
    parameters and buffers. Blocks for which there is no room run as they did before. More budget
    never means more to compute again. Generators and running statistics are left as they were.
    Deterministic: it counts bytes.
    """
    stacks = sequences(model)
    before = [stack.backwards for stack in stacks]
    given = list(exclude)

    def take(steps: Iterable[Step]) -> None:
        words = [list(each) for each in before]
        for step in steps:
            words[step.place[0]][step.place[1]] = step.word
        for stack, each in zip(stacks, words, strict=True):
            stack.backward = tuple(each)

    def count(steps: Iterable[Step]) -> int:
        take(steps)
        with _undisturbed(model):  # running statistics are copies meanwhile
            return kept_for_backward(forward, [*model.parameters(), *model.buffers(), *given])

    kept = least = count(())
    path: Sequence[Step] = ()
    if least <= budget:
        path, kept = _reached(_path(_kinds(stacks), least, count), least, budget, count)
    take(path)
    words = [word for stack in stacks for word in stack.backwards]
    return Choice(
        stored=words.count("stored"),
        checkpointed=words.count("checkpointed"),
        blocks=len(words),
        kept=kept,
        budget=budget,
        least=least,
    )


def _kinds(stacks: Sequence[ReversibleSequence]) -> dict[Kind, list[Place]]:
    """The blocks that do not keep their activations yet, by kind, each from the last to the first."""
    kinds: dict[Kind, list[Place]] = {}
    for number, stack in reversed(list(enumerate(stacks))):
        blocks = [block for run in stack.runs for block in run]
        for index, word in reversed(list(enumerate(stack.backwards))):
            if word != "stored":
                shapes = (tuple(p.shape) for p in blocks[index].parameters())
                kind = (word, number, type(blocks[index]), *shapes)
                kinds.setdefault(kind, []).append((number, index))
    return kinds


def _path(
    kinds: Mapping[Kind, Sequence[Place]], least: int, count: Callable[[Iterable[Step]], int]
) -> list[Step]:
    """All steps from every block as it was to every block stored, in the order they are taken."""

    def cost(places: Sequence[Place], word: Backward) -> int:
        added = count(Step(place=place, word=word, adds=0) for place in places) - least
        return max(added, 0) // len(places)

    checkpoints, keeps = [], []
    for (word, *_), places in kinds.items():
        adds = cost(places[:1], "stored")
        if word == "reversible":
            checkpoint = cost(places[:SAMPLE], "checkpointed")
            if checkpoint < BARGAIN * adds:
                checkpoints += [Step(place=p, word="checkpointed", adds=checkpoint) for p in places]
                adds -= checkpoint
        keeps += [Step(place=place, word="stored", adds=adds) for place in places]
    checkpoints.sort(key=lambda step: step.place, reverse=True)  # in a row they share streams
    keeps.sort(key=lambda step: (step.adds, [-at for at in step.place]))
    return checkpoints + keeps


def _reached(
    path: Sequence[Step], least: int, budget: int, count: Callable[[Iterable[Step]], int]
) -> tuple[Sequence[Step], int]:
    """The part of the path that fits, and what is kept at its end: counted there and a step beyond.

    Each count corrects the estimates, which know little of what neighbours share.
    """
    estimates = list(accumulate((step.adds for step in path), initial=least))
    at, now = 0, least
    fits, kept, too_far = 0, least, len(path) + 1
    while too_far - fits > 1:
        aim = bisect_right(estimates, estimates[at] + budget - now) - 1
        at = min(max(aim, fits + 1), too_far - 1)
        now = count(path[:at])
        if now <= budget:
            fits, kept = at, now
        else:
            too_far = at
    return path[:fits], kept


@contextmanager
def _undisturbed(model: nn.Module) -> Iterator[None]:
    devices = sorted({p.device.index for p in model.parameters() if p.device.type == "cuda"})
    with torch.random.fork_rng(devices=devices), statistics_kept(model), torch.enable_grad():
        yield
