"""What goes into a block besides its arguments, and where what it makes goes: read off a run's graph.

A wired block is evaluated again on stand-ins for its stream, its arguments and its parameters, and
only its output has a gradient. Whatever else it reads, and whatever else of it is used, would have
none, without a word. Autograd numbers its nodes in the order they are made, so the nodes of a call
are those between its mark and its exit, and what crosses these two borders is read off the edges.
"""

import gc
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_flatten

from revconsole.reversible.examples import Inputs
from revconsole.reversible.extras import same_arguments
from revconsole.reversible.nested import tensors_in
from revconsole.reversible.proxies import itself
from revconsole.reversible.rest import at_work
from revconsole.reversible.skips import Node
from revconsole.reversible.trial import FAILURES, Made, ModuleCall, TrialRun, has_graph, run_on

NAMED = 3  # names in a sentence


@dataclass(slots=True, kw_only=True)
class Crossing:
    """What crossed the borders of one call of a module.

    reads: what it read that it neither holds nor was given. leaves: what it made besides its output and something else
    used. goes_to: the module that alone was given its output. alike: whether that module was given the same besides.
    used: what else was done with the output. span: numbers of its first and its last node. shape: of its stream. chained:
    whether the module did no more than call its children in order. gambles: whether random numbers of Python or NumPy
    were drawn in it. altered: what of it the model set just before it was called. mutates: whether it changed a list or
    a dictionary that it was given. asks: what of the identity of tensors it asked.
    """

    reads: tuple[str, ...]
    leaves: tuple[str, ...]
    goes_to: nn.Module | None
    alike: bool
    used: tuple[str, ...]
    span: tuple[int, int]
    shape: tuple[int, ...]
    chained: bool
    gambles: bool
    altered: str
    mutates: bool
    asks: tuple[str, ...]


Crossings = Mapping[nn.Module, list[Crossing]]


def crossings(run: TrialRun, model: nn.Module) -> Crossings:
    """What crossed the borders of each call that autograd recorded."""
    graph = _Graph.of(run, model)
    return {
        module: [graph.crossing(call) for call in calls if call.exit is not None]
        for module, calls in run.calls.items()
    }


def in_training(model: nn.Module, inputs: Inputs) -> Crossings:
    """The crossings of a run in training, and what of it is kept after; nothing if the model does not run so.

    Modules do other things in training, and no graph but that of the model's own is left then to keep tensors alive. It
    is tried on twice the batch first, which batch norms may need. The model is left as it was.
    """
    for more in (inputs.doubled(), inputs):
        try:
            with at_work(model):
                return _once_more(model, more)
        except (*FAILURES, NotImplementedError):
            continue
    return {}


def _once_more(model: nn.Module, inputs: Inputs) -> Crossings:
    """The crossings of a run of which nothing is left but what the model itself keeps."""
    run = run_on(model, inputs)
    crossed, made = crossings(run, model), run.made
    del run
    kept, freed = _kept(crossed, made), 1
    while kept and freed:
        kept.clear()  # what it holds could not be let go of
        freed = gc.collect()
        kept = _kept(crossed, made)
    for crossing, numbers in kept:
        inside = {n: t for n, t in numbers.items() if n != crossing.span[1]}
        if len(inside) < len(numbers):
            crossing.used = (*crossing.used, "kept beyond the run")
        crossing.leaves = (*crossing.leaves, *_places(model, inside))
    return crossed


def _kept(crossed: Crossings, made: list[Made]) -> list[tuple[Crossing, dict[int, Tensor]]]:
    """The tensors that Python still holds by their numbers, with the calls they were made in."""
    alive = _held({n: tensor for ref, n in made if (tensor := ref()) is not None})
    numbers = sorted(alive)
    kept = []
    for crossing in (each for calls in crossed.values() for each in calls):
        first, last = crossing.span
        inside = numbers[bisect_right(numbers, first) : bisect_right(numbers, last)]
        if inside:
            kept.append((crossing, {number: alive[number] for number in inside}))
    return kept


def _held(alive: Mapping[int, Tensor]) -> dict[int, Tensor]:
    """The tensors that some object of Python refers to; the others are there for the graph of one of them."""
    if not alive:
        return {}
    ids = {id(tensor): number for number, tensor in alive.items()}
    held = set()
    for holder in gc.get_referrers(*alive.values()):
        if holder is not alive and not isinstance(holder, FrameType):
            held |= {ids[id(each)] for each in gc.get_referents(holder) if id(each) in ids}
    return {number: alive[number] for number in sorted(held)}


def _places(model: nn.Module, kept: Mapping[int, Tensor]) -> tuple[str, ...]:
    """The attributes of modules that keep these tensors; a phrase about the last tensor if no module keeps one."""
    wanted = {id(tensor) for tensor in kept.values()}
    modules = {itself(module): path for path, module in reversed(list(model.named_modules()))}
    held = [
        f"{path}.{name} is kept".lstrip(".")
        for module, path in reversed(modules.items())
        for name, value in vars(module).items()
        if any(id(each) in wanted for each in tensors_in(value, 2))
    ]
    if held or not kept:
        return tuple(dict.fromkeys(held))[:NAMED]
    shape = "×".join(map(str, kept[max(kept)].shape))
    return (f"a tensor of {shape or 'one number'} is kept by a hook or outside of the model",)


@dataclass(slots=True, kw_only=True)
class _Graph:
    """Everything the outputs of a run are made of.

    nodes: by number. users: of each node. returned: tensors that the model returned. held: names of
    parameters. makers: nodes that are the output of a module, with its path.
    """

    run: TrialRun
    nodes: dict[int, Node] = field(default_factory=dict)
    users: dict[Node, set[Node]] = field(default_factory=lambda: defaultdict(set))
    returned: dict[int, Tensor] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    makers: dict[Node, str] = field(default_factory=dict)
    marks: dict[Node, ModuleCall] = field(default_factory=dict)

    @classmethod
    def of(cls, run: TrialRun, model: nn.Module) -> "_Graph":
        """The graph of a run that has just ended."""
        graph = cls(run=run)
        graph.returned = {id(tensor): tensor for tensor in tensors_in(run.output)}
        graph.names = {id(p): n for n, p in model.named_parameters(remove_duplicate=False)}
        paths = {module: path for path, module in model.named_modules()}
        calls = [call for each in run.calls.values() for call in each]
        for call in sorted(calls, key=lambda call: call.end, reverse=True):  # the innermost last
            if has_graph(call.handed):
                graph.makers[call.handed.grad_fn] = paths.get(call.module, "")
            if call.mark is not None:
                graph.marks[call.mark] = call
        outs = [call.exit for call in calls if call.exit is not None]
        graph._walk([*graph.returned.values(), *outs])
        return graph

    def _walk(self, tensors: Iterable[Tensor]) -> None:
        waiting = [t.grad_fn for t in tensors if t.grad_fn is not None]
        while waiting:
            node = waiting.pop()
            number = node._sequence_nr()  # noqa: SLF001  the order they were made in
            if number in self.nodes:
                continue
            self.nodes[number] = node
            for child, _ in node.next_functions:
                if child is not None:
                    self.users[child].add(node)
                    if not hasattr(child, "variable"):
                        waiting.append(child)

    def crossing(self, call: ModuleCall) -> Crossing:
        """What crossed the borders of one call."""
        end = _exit(call)
        span = (_number(call.mark), _number(end))
        inside = [self.nodes[n] for n in range(span[0], span[1] + 1) if n in self.nodes]
        users = self.users[end]
        following = [self.marks[user] for user in users if user in self.marks]
        others = [*call.used, *(_operation(u) for u in users if u not in self.marks)]
        if id(call.exit) in self.returned:
            others.append("returned by the model")
        straight = len(following) == 1 and following[0].stream is call.exit and not others
        to = following[0] if straight else None
        return Crossing(
            reads=_some(self._reads(call, inside, span)),
            leaves=_some(self._leaves(call, inside, span)),
            goes_to=None if to is None else to.module,
            alike=to is not None and same_arguments(_besides(call), _besides(to)),
            used=tuple(dict.fromkeys(others)),
            span=span,
            shape=tuple(call.stream.shape),
            chained=_chained(call.module, call, self.run),
            gambles=call.drawn[0][1] != call.drawn[1][1],
            altered=call.altered,
            mutates=call.mutates,
            asks=tuple(dict.fromkeys(call.asks)),
        )

    def _reads(
        self, call: ModuleCall, inside: Collection[Node], span: tuple[int, int]
    ) -> Iterator[str]:
        """Names of tensors from outside that are neither its parameters nor its arguments."""
        given = [each for each in tree_flatten(_besides(call))[0] if isinstance(each, Tensor)]
        known = {id(p) for p in call.module.parameters()} | {id(tensor) for tensor in given}
        known |= {id(leaf) for leaf in self.run.own}
        nodes = {tensor.grad_fn for tensor in given}
        for node in inside:
            if node is call.mark:
                continue
            for child, _ in node.next_functions:
                if child is None or child in nodes:
                    continue
                if hasattr(child, "variable"):
                    if id(child.variable) not in known:
                        yield self.names.get(id(child.variable), "a weight of no module")
                elif _number(child) < span[0]:
                    yield self._origin(child)

    def _leaves(
        self, call: ModuleCall, inside: Collection[Node], span: tuple[int, int]
    ) -> Iterator[str]:
        """What of its inside is used after its end."""
        end = _exit(call)
        out = {tensor.grad_fn for tensor in self.returned.values()}
        for node in inside:
            if node is end:
                continue
            if node in out:
                yield f"what {self._maker(node)} made is returned by the model"
            for user in self.users[node]:
                if _number(user) > span[1]:
                    yield f"what {self._maker(node)} made is used ({_operation(user)}) outside"

    def _maker(self, node: Node) -> str:
        return self.makers.get(node) or _operation(node)

    def _origin(self, node: Node) -> str:
        """The module whose output a tensor is or is made of."""
        waiting, seen = [node], {node}
        while waiting:
            each = waiting.pop(0)
            if self.makers.get(each):
                return f"a tensor that comes of {self.makers[each]}"
            for child, _ in each.next_functions:
                if hasattr(child, "variable") and id(child.variable) in self.names:
                    return f"a tensor that comes of {self.names[id(child.variable)]}"
                if child is not None and child not in seen:
                    seen.add(child)
                    waiting.append(child)
        return "a tensor made before it"


def _chained(container: nn.Module, call: ModuleCall, run: TrialRun) -> bool:
    """Whether a module does no more than call its children in order, drawing nothing between."""
    own = [*container.parameters(recurse=False), *container.buffers(recurse=False)]
    children = [child for child in container._modules.values() if child is not None]  # noqa: SLF001  named_children hides a block used twice
    if own or not children or len(call.given) != 1 or call.named:
        return False
    at: object = call.stream if call.inner is None else call.inner
    steps = []
    for child in children:
        step = run.within(child, call)
        if step is None or step.stream is not at or len(step.given) != 1 or step.named:
            return False
        at = step.handed
        steps.append(step)
    return at is call.out and not _draws_between(call, steps)


def _draws_between(call: ModuleCall, children: Sequence[ModuleCall]) -> bool:
    """Whether a module itself draws random numbers, as it may to leave out one of its children."""
    befores = [call.drawn[0], *(child.drawn[1] for child in children)]
    afters = [*(child.drawn[0] for child in children), call.drawn[1]]
    return befores != afters


def _besides(call: ModuleCall) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    return call.given[1:], dict(call.named)


def _exit(call: ModuleCall) -> Node:
    return None if call.exit is None else call.exit.grad_fn


def _number(node: Node) -> int:
    number: int = node._sequence_nr()  # noqa: SLF001  the order they were made in
    return number


def _operation(node: Node) -> str:
    return str(node.name()).removesuffix("0").removesuffix("Backward").lower()


def listed(names: Iterable[str]) -> str:
    """Each name once, in a sentence."""
    return ", ".join(dict.fromkeys(names))


def _some(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))[:NAMED]
