"""One block that a model calls several times in a run, as `for _ in range(n): x = self.block(x)` does.

A search takes every module for one block that is called once. For the time of the search such a block is therefore
replaced by a module for each of its calls, its turns: by `Turns`, which hands each call to the next turn, or, where a
list holds the block several times, by a turn in each of its places. The search then sees blocks in a row.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from torch import nn

from revconsole.errors import NotInvertible
from revconsole.reversible.branches import NOTE, REST
from revconsole.reversible.hooks import KINDS, OTHERS
from revconsole.reversible.misfits import misfit, not_once
from revconsole.reversible.proxies import BlockProxy
from revconsole.reversible.repeated import RepeatedSequence
from revconsole.reversible.sequence import ReversibleSequence
from revconsole.reversible.trial import TrialRun, may_be_block

NAMES = sorted(
    name
    for name in {*dir(RepeatedSequence), *RepeatedSequence.OWN} - {*dir(nn.Sequential)}
    if not name.startswith("__")
)
"""What a sequence that stands for a block has and other modules have not."""


class Turn(BlockProxy):
    """One call of a block."""

    OWN = frozenset({*BlockProxy.OWN, NOTE, REST})

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.stand_for(block)
        for name in (*KINDS, *OTHERS):
            if "state_dict" not in name and name in vars(block):
                held = vars(block)[name]  # a search puts hooks of its own beside them
                vars(self)[name] = held.copy() if hasattr(held, "copy") else held

    @classmethod
    def of(cls, block: nn.Module, count: int) -> "list[Turn]":
        """So many turns, of a class that is called what the class of the block is called."""
        kind = type(block)
        named = type(kind.__name__, (cls,), {"__module__": kind.__module__})
        return [named(block) for _ in range(count)]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the block computes."""
        return self.proxied[0].forward(*args, **kwargs)

    def settled(self) -> nn.Module:
        """The block, with what was noted on this turn."""
        for note in (NOTE, REST):
            if note in vars(self):
                object.__setattr__(self.proxied[0], note, vars(self)[note])
        return self.proxied[0]


class Turns(BlockProxy):
    """The turns of a block, in its place; each call goes to the next, past hooks on this module.

    next: the number of the next, which whoever runs the model to look at it puts back.
    """

    OWN = frozenset({*BlockProxy.OWN, "next"})

    def __init__(self, block: nn.Module, turns: Sequence[Turn]) -> None:
        super().__init__()
        self.stand_for(block)
        self.next = 0
        vars(self)["_modules"] = {str(number): turn for number, turn in enumerate(turns)}

    def _share(self) -> None:
        """Share nothing, because the children are the turns."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the next turn computes."""
        turns = list(self._modules.values())
        turn: Any = turns[self.next % len(turns)]
        self.next += 1
        return turn(*args, **kwargs)

    def unfit(self, looks: Sequence[Mapping[nn.Module, Sequence[object]]]) -> str:
        """Why no sequence can stand for the turns, however they follow one another; empty if one can.

        looks: for each run of the model what is known of the calls of each module.
        """
        turns = list(self.children())
        if any(look and any(len(look.get(turn, ())) != 1 for turn in turns) for look in looks):
            return "not as often in training as in evaluation"
        taken = [name for name in NAMES if hasattr(self.proxied[0], name)]
        if taken:
            return f"has a {taken[0]!r} of its own, which is also a name of the sequence that would take its place"
        return ""

    def uneven(self, runs: Sequence[Sequence[str]]) -> str:
        """What to say of runs of turns that are not all turns, or not equally long; empty if they are."""
        lengths = [len(run) for run in runs]
        if sum(lengths) == len(list(self.children())) and len(set(lengths)) == 1:
            return ""
        rows = " and ".join(map(str, lengths))
        return f"those that follow one another are {rows}: rows must be equally long"


@dataclass(slots=True, kw_only=True)
class Placed:
    """A block and what is put in its places.

    ways: for each way to do so, the turns and what goes where: a holder, the name there, and the module.
    """

    block: nn.Module
    ways: list[tuple[list[Turn], list[tuple[nn.Module, str, nn.Module]]]] = field(
        default_factory=list
    )

    @classmethod
    def of(cls, block: nn.Module, model: nn.Module, run: TrialRun) -> "Placed":
        """The places of a block: those in a list that holds it as often as it is called, else wherever it is.

        A list becomes a sequence itself, in which other blocks may stand between; so it has to be
        called or walked over, in the way of torch.
        """
        calls = len(run.calls[block])
        places: dict[nn.Module, list[str]] = {}
        for holder in model.modules():
            names = [name for name, child in holder._modules.items() if child is block]  # noqa: SLF001  named_children hides a block used twice
            if names:
                places[holder] = names
        placed = cls(block=block)
        for holder, names in places.items():
            listed = type(holder) in {nn.ModuleList, nn.Sequential} and holder is not model
            if listed and len(names) == calls and not run.by_index(holder):
                turns = Turn.of(block, calls)
                placed.ways.append(
                    (turns, [(holder, n, t) for n, t in zip(names, turns, strict=True)])
                )
        turns = Turn.of(block, calls)
        stand_in = Turns(block, turns)
        everywhere: list[tuple[nn.Module, str, nn.Module]] = [
            (holder, n, stand_in) for holder, names in places.items() for n in names
        ]
        placed.ways.append((turns, everywhere))
        return placed

    def put(self) -> None:
        """Put in the turns, in the first of the ways."""
        for holder, name, module in self.ways[0][1]:
            holder._modules[name] = module  # noqa: SLF001  setattr refuses names of numbers to some

    def back(self) -> None:
        """Put back the block wherever nothing else was put meanwhile."""
        for holder, name, module in self.ways[0][1] if self.ways else ():
            if holder._modules.get(name) is module:  # noqa: SLF001  as above
                holder._modules[name] = self.block  # noqa: SLF001  as above

    def met(self, run: TrialRun) -> bool:
        """Whether each turn was called once."""
        return all(run.once(turn) is not None for turn in self.ways[0][0])


def in_turns(
    model: nn.Module, run: TrialRun, again: Callable[[], TrialRun], until: ExitStack
) -> TrialRun:
    """The run, or another with turns in the place of every residual block that was called several times.

    again: runs the model. until: puts back the blocks when it closes.
    """
    placed = [Placed.of(block, model, run) for block in _repeated(model, run)]
    while placed:
        for each in placed:
            each.put()
        try:
            other = again()
        except NotInvertible:  # it looks into what it calls
            missed = placed
        else:
            missed = [each for each in placed if not each.met(other)]
        if not missed:
            for each in placed:
                until.callback(each.back)
            return other
        for each in placed:
            each.back()
        for each in missed:
            del each.ways[0]
        placed = [each for each in placed if each.ways]
    return run


def _repeated(model: nn.Module, run: TrialRun) -> Iterator[nn.Module]:
    """The residual blocks that were called several times, one after the other, the outermost."""
    taken: set[nn.Module] = set()
    for path, module in model.named_modules():
        calls = run.calls.get(module, [])
        if path and _gone_through(module, run):
            taken.update(module.modules())
        if not path or module in taken or len(calls) < 2 or not may_be_block(module):
            continue
        weighty = any(True for _ in module.parameters())
        wired = any(isinstance(each, ReversibleSequence) for each in module.modules())
        nested = any(after.turn < before.end for before, after in pairwise(calls))
        if weighty and not wired and not nested and not any(misfit(call) for call in calls):
            taken.update(module.modules())
            yield module


def _gone_through(container: nn.Module, run: TrialRun) -> bool:
    """Whether the module is a list of blocks through which the model goes several times, fewer than there are blocks in it.

    That needs no turns: each time is a run of these blocks.
    """
    blocks = [child for child in container.children() if child in run.calls and may_be_block(child)]
    residual = sum(not misfit(run.calls[block][0]) for block in blocks)
    listed = isinstance(container, nn.ModuleList | nn.Sequential) and residual > 1
    called = len(run.calls.get(container, ())) > residual
    return listed and not called and run.passes(container) > 1


@contextmanager
def as_they_were(module: nn.Module) -> Iterator[None]:
    """Within a `with`, the blocks inside the module are in the places of their turns."""
    places = [
        (holder, name, child)
        for holder in module.modules()
        for name, child in holder._modules.items()  # noqa: SLF001  named_children hides a block used twice
        if isinstance(child, Turn | Turns)
    ]
    for holder, name, child in places:
        holder._modules[name] = child.proxied[0]  # noqa: SLF001  setattr refuses names of numbers to some
    try:
        yield
    finally:
        for holder, name, child in places:
            holder._modules[name] = child  # noqa: SLF001  as above


def left_alone(model: nn.Module, run: TrialRun) -> dict[str, str]:
    """Modules that were called several times in a run, the outermost, by path, with why they are no blocks in a row."""
    reasons: dict[str, str] = {}
    for path, module in model.named_modules():
        calls = run.calls.get(module, [])
        whole = any(True for _ in module.children()) and any(True for _ in module.parameters())
        inside = any(path.startswith(f"{outer}.") for outer in reasons)
        if path and whole and not inside and len(calls) > 1:
            reason, kind = misfit(calls[0]), type(module).__name__
            often = f"is called {len(calls)} times in a run, and {reason}"
            reasons[path] = f"{kind} {often if reason else not_once(module, len(calls))}"
    return reasons


def replaced(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put a module in every place of another."""
    for holder in list(model.modules()):
        for name, child in holder._modules.items():  # noqa: SLF001  named_children hides a block used twice
            if child is old:
                holder._modules[name] = new  # noqa: SLF001  setattr refuses names of numbers to some
