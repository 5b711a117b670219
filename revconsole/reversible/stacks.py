"""Stacks: finds the stacks of residual blocks in a model from one run of it.

A block is a child that its container calls once, that keeps the shape of its stream and adds to it (see `skips`).
Consecutive blocks form a run; a container that calls its children in order, or whose model iterates over it, is a
stack. If blocks contain blocks, the longer run wins: a stage of a hierarchical model is no block, and ConvMixer's
residual half is no stack.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from torch import nn

from revconsole.errors import NotInvertible
from revconsole.reversible import branches as parts
from revconsole.reversible.between import Pair
from revconsole.reversible.crossings import Crossings, listed
from revconsole.reversible.looped import LoopedSequence
from revconsole.reversible.misfits import TURNS, crossed, misfit, not_once
from revconsole.reversible.pairs import BlockList
from revconsole.reversible.rest import at_rest
from revconsole.reversible.scheme import Scheme
from revconsole.reversible.sequence import ReversibleSequence
from revconsole.reversible.skips import Node
from revconsole.reversible.splits import BlockSplit, fitting
from revconsole.reversible.stack import Stack
from revconsole.reversible.trial import ModuleCall, TrialRun, all_recorded, may_be_block
from revconsole.reversible.turns import Turn, Turns, as_they_were

NO_BLOCK = "is no block"
PARTED = "is given other arguments than its neighbours, or the model acts between them"
ALONE = "is alone in its row"
SET_BETWEEN = (
    "precedes one that computes something else by the time it is called: the model sets something between the two, such "
    "as a global or a context variable or autocast, so set it before the first or hand it over as an argument"
)
STAGE = "is a stage: blocks alike follow one another in it"
BOTH = 2  # additions to the stream in a block with attention and MLP


@dataclass(slots=True, kw_only=True)
class Blocks:
    """What one run of a model shows about its modules, independent of the scheme.

    looks: what crossed module borders, in this run and in one in training. between: blocks, and the one after each or
    the first in each container, between which the model sets something. reasons: why a module is no block; empty
    if it is one. tried: splits found, by the structure of the block. settled: blocks whose split has been noted.
    unsafe: residual blocks that cannot be wired because of what they read or leave behind. stages: whether a module
    is a stage. often: how many calls a module may have, where it is more than one.
    """

    run: TrialRun
    looks: Sequence[Crossings] = ()
    between: frozenset[Pair] = frozenset()
    unsafe: set[nn.Module] = field(default_factory=set)
    reasons: dict[nn.Module, str] = field(default_factory=dict)
    tried: dict[object, BlockSplit | str] = field(default_factory=dict)
    settled: set[nn.Module] = field(default_factory=set)
    stages: dict[nn.Module, bool] = field(default_factory=dict)
    often: dict[nn.Module, int] = field(default_factory=dict)

    def misfit(self, module: nn.Module) -> str:
        """Why the module is no residual block; empty if it is one."""
        if module not in self.reasons:
            self.reasons[module] = self._misfit(module)
        return self.reasons[module]

    def _misfit(self, module: nn.Module) -> str:
        if not may_be_block(module) or not any(True for _ in module.parameters()):
            return NO_BLOCK
        if any(isinstance(each, ReversibleSequence) for each in module.modules()):
            return "holds a stack that is wired already"
        if any(isinstance(each, nn.RNNBase) for each in module.modules()):
            return "has a recurrent layer, which cannot be evaluated again on other weights"
        calls = self.run.calls.get(module, [])
        if len(calls) != self.often.get(module, 1):
            return not_once(module, len(calls))
        unfit = reason = next((why for call in calls if (why := misfit(call))), "")
        kind = calls[0].hooked  # a backward hook hides a skip from the graph
        if kind and not reason.startswith(TURNS):
            self.unsafe.add(module)
            return (
                f"has a {kind}, which would not run: remove it, or register it on a module inside"
            )
        seen = [crossing for look in self.looks for crossing in look.get(module, ())]
        if not reason and any(module in o and len(o[module]) != len(calls) for o in self.looks):
            reason = "computes without gradients in training, or is not called as often"
        reason = reason or crossed(seen)
        if not reason and parts.declares_wrongly(module, calls[0].given, calls[0].named):
            reason = "has a method `branches` whose callables do not add up to what it returns"
        if reason and not unfit:
            self.unsafe.add(module)
        return reason

    def chained(self, container: nn.Module) -> bool:
        """Whether a module of any class only calls its children in order, in training too."""
        seen = [crossing for look in self.looks for crossing in look.get(container, ())]
        straight = bool(seen) and all(crossing.chained for crossing in seen)
        return straight and not self.sets(container)

    def sets(self, container: nn.Module) -> bool:
        """Whether a module sets something before or between its children that they read."""
        inside = set(container.children())
        return any(
            after in inside and before in {container, *inside} for before, after in self.between
        )

    def parted(self, first: nn.Module, second: nn.Module) -> str:
        """Why the second module does not continue exactly where the first ended; empty if it does."""
        for look in self.looks:
            for crossing in look.get(first, ()):
                if crossing.used:
                    return f"hands on what the model also uses ({listed(crossing.used)})"
                if crossing.goes_to is not second or not crossing.alike:
                    return PARTED
            for crossing in look.get(second, ()):
                if crossing.altered:
                    return f"precedes one whose {crossing.altered!r} the model sets between the two"
        return SET_BETWEEN if (first, second) in self.between else ""

    def mark(self, module: nn.Module) -> Node | None:
        """The node at which a block's stream enters the graph, in its first call; None unless it is called."""
        calls = self.run.calls.get(module)
        return calls[0].mark if calls else None

    def is_stage(self, module: nn.Module) -> bool:
        """Whether equal blocks follow one another inside the module, along its own skip; such a stage is no block."""
        if module not in self.stages:
            path = self.run.calls[module][0].skip.path
            self.stages[module] = any(
                self._alike(one, other) and (not path or self.mark(one) in path)
                for inside in module.modules()
                for one, other in pairwise(_children(inside).values())
            )
        return self.stages[module]

    def _alike(self, one: nn.Module, other: nn.Module) -> bool:
        """Whether two modules are equal blocks, the second of which continues where the first ended."""
        if self.misfit(one) or self.misfit(other) or self.parted(one, other):
            return False
        return _look(self.run.calls[one][0]) == _look(self.run.calls[other][0])

    def settle(self, module: nn.Module) -> None:
        """Note on a block how it is split into branches, unless the block declares that itself."""
        if module in self.settled or parts.declares(module):
            return
        self.settled.add(module)
        call = self.run.calls[module][0]
        # A block with one addition has one branch. With two (attention and MLP) a split is searched
        # once per structure, because the search runs the block several times.
        parts.note_rest(module, call.rest)
        if call.skip.sums < BOTH:
            parts.note(module, parts.WHOLE)
            return
        look = _look(call)
        if look not in self.tried:
            self.tried[look] = _split(call)
        parts.note(module, self.tried[look])


@dataclass(slots=True, kw_only=True)
class Search:
    """The stacks that a scheme can take; unwired: by path, why a module stays as it is. turns: those already visited."""

    blocks: Blocks
    scheme: Scheme
    unwired: dict[str, str] = field(default_factory=dict)
    turns: set[nn.Module] = field(default_factory=set)

    def below(self, container: nn.Module, path: str) -> list[Stack]:
        """The stacks in a module and below it."""
        if isinstance(container, ReversibleSequence):
            return self._again(container, path)
        if container in self.turns or isinstance(container, Turn):
            return []  # visited under another name
        self.turns |= {container} if isinstance(container, Turns) else set()
        children = _children(container)
        if (times := self.blocks.run.passes(container)) > 1:
            self.blocks.often |= dict.fromkeys(children.values(), times)
        inner = {name: self.below(child, _join(path, name)) for name, child in children.items()}
        reasons = {n: self._reason(child, i) for i, (n, child) in enumerate(children.items())}
        fit = [name for name, reason in reasons.items() if not reason]
        # A run is taken only if the container calls it in order, or the model iterates over it.
        way = self._way(container, path) if fit else ""
        runs = self._runs(children, fit, inner) if fit and way in {"called", "looped"} else []
        taken = {name for run in runs for name in run}
        if isinstance(container, Turns) and (
            not runs or (uneven := container.uneven(runs)) or container.unfit(self.blocks.looks)
        ):
            self._tell(container, path, children, reasons, taken=taken, inner=inner, way=way)
            self._tell_once(container, path, uneven if runs else "")
            return [stack for name in children for stack in inner[name]]

        for name in taken:
            # The block is wired as a whole, so reasons about its parts no longer apply.
            for gone in [key for key in self.unwired if _inside(key, _join(path, name))]:
                del self.unwired[gone]
        self._tell(container, path, children, reasons, taken=taken, inner=inner, way=way)
        below = [stack for name in children if name not in taken for stack in inner[name]]
        if not runs:
            return below
        own = Stack(path=path, container=container, runs=tuple(runs), looped=way == "looped")
        return [*below, own]

    def _tell_once(self, turns: Turns, path: str, why: str) -> None:
        """Put down once, for the block, what is said of its calls. why: it is not wired, if nothing was said."""
        reasons = [self.unwired.pop(key) for key in list(self.unwired) if _inside(key, path)]
        if why := turns.unfit(self.blocks.looks) or next(iter(reasons), why):
            kind, count = type(turns.proxied[0]).__name__, len(list(turns.children()))
            self.unwired[path] = (
                f"{kind} is called {count} times in a run, and {why.removeprefix(f'{kind} ')}"
            )

    def _again(self, sequence: ReversibleSequence, path: str) -> list[Stack]:
        """A sequence that is wired already, with its present runs."""
        runs = tuple(tuple(names) for wired, names in sequence.named_stretches() if wired)
        try:
            for index, block in enumerate(block for run in sequence.runs for block in run):
                self.scheme.couplings(block, index, None)
        except NotInvertible as misfit:
            self.unwired[path] = str(misfit)
            return []
        looped = isinstance(sequence, LoopedSequence)
        axis = sequence.batch_axis
        return [Stack(path=path, container=sequence, runs=runs, looped=looped, batch_axis=axis)]

    def _reason(self, module: nn.Module, index: int) -> str:
        """Why the scheme cannot take the module as a block; empty if it can."""
        if reason := self.blocks.misfit(module):
            return reason
        if self.blocks.is_stage(module):
            return STAGE
        self.blocks.settle(module)
        try:
            self.scheme.couplings(module, index, None)
        except NotInvertible as misfit:
            return f"does not suit: {misfit}"
        return ""

    def _way(self, container: nn.Module, path: str) -> str:
        """How the children run: `called` in order by the container, `looped` over by the model, or why neither."""
        run, kind = self.blocks.run, type(container)
        if not path:
            return "has it as a part of itself and of no container"
        calls = run.calls.get(container, [])
        passes = run.passes(container)
        if len(calls) > 1 and passes != len(calls):
            return f"calls its {kind.__name__} {len(calls)} times in a run"
        if calls:
            sequential = kind.forward is nn.Sequential.forward and "forward" not in vars(container)
            in_order = sequential or self.blocks.chained(container)
            return "called" if in_order else self._own_way(container)
        if run.by_index(container):
            return "takes its blocks by index"
        usual = {each.__iter__ for each in (nn.Sequential, nn.ModuleList, BlockList, Turns)}
        if getattr(kind, "__iter__", None) not in usual:
            return f"takes its blocks from a {kind.__name__}"
        turns = [call.turn for child in container.children() for call in run.calls.get(child, ())]
        if passes > 1:
            turns = []
        return "looped" if turns == sorted(turns) else "walks over its blocks in another order"

    def _own_way(self, container: nn.Module) -> str:
        """How a container calls its blocks that does more than calling them in order."""
        kind = type(container).__name__
        if self.blocks.sets(container):
            return f"sets something for its blocks that they read ({kind})"
        return f"calls it in a way of its own ({kind})"

    def _runs(
        self,
        children: Mapping[str, nn.Module],
        fit: Sequence[str],
        inner: Mapping[str, Sequence[Stack]],
    ) -> list[tuple[str, ...]]:
        """Maximal runs, without blocks that contain a run at least as long along their own skip."""
        runs = self._maximal(children, fit)
        lengths = {name: len(run) for run in runs for name in run}
        finer = {n for n, k in lengths.items() if self._longest(children[n], inner[n]) >= k}
        return self._maximal(children, [name for name in fit if name not in finer])

    def _maximal(
        self, children: Mapping[str, nn.Module], fit: Sequence[str]
    ) -> list[tuple[str, ...]]:
        """Runs of at least two blocks, or of an only child; reversing a single block among others gains nothing."""
        runs: list[list[str]] = []
        before = None
        for name, child in children.items():
            if name not in fit:
                before = None
                continue
            if before is None or self.blocks.parted(before, child):
                runs.append([])
            runs[-1].append(name)
            before = child
        return [tuple(run) for run in runs if len(run) > 1 or len(children) == 1]

    def _longest(self, child: nn.Module, stacks: Sequence[Stack]) -> int:
        """Length of the longest run inside a block along its own skip; 0 if there is none."""
        path = self.blocks.run.calls[child][0].skip.path
        inside = (each for each in stacks if not path or self.blocks.mark(each.first) in path)
        return max((stack.longest for stack in inside), default=0)

    def _row(self, name: str, children: Mapping[str, nn.Module], reasons: Mapping[str, str]) -> str:
        """Why a block is in no run with its neighbours."""
        names = list(children)
        at = names.index(name)
        beside = [(names[at], names[at + 1])] if at + 1 < len(names) else []
        beside += [(names[at - 1], names[at])] if at else []
        for first, second in beside:
            if not reasons[first] and not reasons[second]:
                why = self.blocks.parted(children[first], children[second])
                if why and (first == name or why == PARTED):
                    return why
                if why:
                    return f"comes after block {first}, which {why}"
        return ALONE

    def _tell(
        self,
        container: nn.Module,
        path: str,
        children: Mapping[str, nn.Module],
        reasons: Mapping[str, str],
        *,
        taken: set[str],
        inner: Mapping[str, Sequence[Stack]],
        way: str,
    ) -> None:
        """Put down what is left alone in this container."""
        for name, child in children.items():
            if name in taken or inner[name] or reasons[name] == NO_BLOCK:
                continue
            where, kind = _join(path, name), type(child).__name__
            if not reasons[name]:
                alone = way in {"called", "looped"}
                fit = sum(not reason for reason in reasons.values())
                row = self._row(name, children, reasons) if fit > 1 else ALONE
                why = row if alone else f"is residual, but the model {way}"
                self.unwired[where] = f"{kind} {why}"
            elif taken or child in self.blocks.unsafe:
                self.unwired[where] = f"{kind} {reasons[name]}"
        listed = self.blocks.chained(container) or isinstance(
            container, nn.Sequential | nn.ModuleList | Turns
        )
        told = taken or any(inner.values()) or any(_inside(key, path) for key in self.unwired)
        alike = len(children) > 1 and len({type(child) for child in children.values()}) == 1
        if not listed or told or not alike:
            return
        told_best = [name for name in children if not reasons[name].startswith(TURNS)]
        name = next(iter(told_best or children))
        if any(True for _ in children[name].children()) and reasons[name] != NO_BLOCK:
            self.unwired[path] = f"block {name} ({type(children[name]).__name__}) {reasons[name]}"


def _split(call: ModuleCall) -> BlockSplit | str:
    """The split whose branches sum to the block's result; WHOLE if there is none."""
    given = (call.stream, *call.given[1:])
    with as_they_were(call.module), at_rest(call.module), all_recorded(call.module):
        return fitting(call.module, given, call.named) or parts.WHOLE


def _look(call: ModuleCall) -> object:
    """A key that is equal for blocks with equal splits: same parts, weight shapes, settings and input."""
    module = call.module
    made_of = tuple((name, type(each)) for name, each in module.named_modules())
    weights = tuple((name, each.shape) for name, each in module.named_parameters())
    plain = tuple(
        (k, v) for k, v in vars(module).items() if isinstance(v, bool | int | float | str)
    )
    return type(module), made_of, weights, plain, call.stream.shape, call.skip.sums


def _children(module: nn.Module) -> dict[str, nn.Module]:
    """The children by name; a child that is used twice appears twice."""
    return {name: child for name, child in module._modules.items() if child is not None}  # noqa: SLF001  named_children hides a block used twice


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _inside(path: str, module: str) -> bool:
    return not module or path == module or path.startswith(f"{module}.")
