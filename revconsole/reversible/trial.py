"""Trial: runs a model once to see what its modules receive and return, and in which order.

Structure is read from a run, not from class names: which modules a container calls and with what, which keep the
shape of their input, which add to it. The model runs in evaluation on a small input, real or `meta`; weights and
floating-point inputs require gradients, so that nothing frozen is overlooked.
"""

import weakref
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from revconsole.errors import NotInvertible
from revconsole.reversible.examples import Example, Inputs, inputs_for
from revconsole.reversible.held import Held, Thing, containers, states
from revconsole.reversible.hooks import foreign_hook
from revconsole.reversible.identity import identity_asked
from revconsole.reversible.nested import tensors_in
from revconsole.reversible.outside import Outside, fingerprint, outside_state
from revconsole.reversible.pending import Pending, asks_for_form
from revconsole.reversible.rest import at_rest
from revconsole.reversible.sequence import ReversibleSequence
from revconsole.reversible.skips import Node, Skip, skip_between
from revconsole.reversible.taken import taking_noticed

Stand: TypeAlias = tuple[int, int]
Made: TypeAlias = tuple[weakref.ReferenceType[Tensor], int]  # a tensor, the number of its node
FAILURES = (
    RuntimeError, TypeError, ValueError, AssertionError, IndexError, KeyError, AttributeError,
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class ModuleCall:
    """One call of a module in the run.

    given, named: its arguments as its caller knows them. inner: its stream as it sees it itself, and mark: where that
    enters the graph; None if it has no stream or autograd was off. out: what it returned, the first where it returned
    several in a row, and rest: the others then. exit: out as its caller knows it; None where it leaves no graph. turn,
    end: when it began and returned, counted in calls. used: functions of torch that were called on its exit. drawn: where
    the generators stood when it began and returned, torch's and those of Python and NumPy. hooked: what kind of hook it
    had that a scheme would not run. altered: what of it was set since the one before it in its container had ended.
    containers: lists and dictionaries that it was given, and mutates: whether it changed one. asks: what of the identity
    of tensors it asked.
    """

    module: nn.Module
    given: tuple[Any, ...]
    named: Mapping[str, Any]
    turn: int
    inner: Tensor | None = None
    mark: Node | None = None
    out: Any = None
    rest: tuple[Any, ...] | None = None
    exit: Tensor | None = None
    end: int = -1
    changed: bool = False
    used: list[str] = field(default_factory=list)
    drawn: tuple[Stand, Stand] = ((0, 0), (0, 0))
    hooked: str = ""
    altered: str = ""
    containers: list[Thing] = field(default_factory=list)
    mutates: bool = False
    asks: list[str] = field(default_factory=list)
    _skip: Skip | None = field(default=None)

    @property
    def stream(self) -> Any:
        """The first argument; None if there is none."""
        return self.given[0] if self.given else None

    @property
    def handed(self) -> Any:
        """The result as the caller knows it."""
        return self.out if self.exit is None else self.exit

    @property
    def skip(self) -> Skip:
        """How the stream reaches the output."""
        if self._skip is None:
            self._skip = skip_between(self.out, self.mark)
        return self._skip


@dataclass(slots=True, kw_only=True)
class TrialRun:
    """Every call of one run of a model, by module.

    inputs: what the model was called with. indexed: places that were taken from lists by index. walked: lists that were gone through.
    output: what the model returned. own: leaves that stand in for streams without a graph. exits: calls by the identity of their exit.
    made: tensors with a graph that functions returned, with the number of their node. nexts: the module after
    each in its container. stood: what such a module held when the one before it ended. outside: the random numbers of
    Python and NumPy at the last call.
    """

    inputs: Inputs
    calls: dict[nn.Module, list[ModuleCall]] = field(default_factory=dict)
    indexed: dict[nn.Module, set[int]] = field(default_factory=dict)
    walked: set[nn.Module] = field(default_factory=set)
    turns: int = 0
    looking: bool = False
    output: Any = None
    own: list[Tensor] = field(default_factory=list)
    exits: dict[int, ModuleCall] = field(default_factory=dict)
    made: list[Made] = field(default_factory=list)
    nexts: dict[nn.Module, nn.Module] = field(default_factory=dict)
    stood: dict[nn.Module, list[Held]] = field(default_factory=dict)
    outside: Outside | None = None

    def once(self, module: nn.Module) -> ModuleCall | None:
        """The only call of the module; None if there was none, or more than one."""
        calls = self.calls.get(module, ())
        return calls[0] if len(calls) == 1 else None

    def within(self, module: nn.Module, outer: ModuleCall) -> ModuleCall | None:
        """The one call of the module during a call of another; None if there was none, or more."""
        calls = [each for each in self.calls.get(module, ()) if outer.turn < each.turn < outer.end]
        return calls[0] if len(calls) == 1 else None

    def passes(self, container: nn.Module) -> int:
        """How often the children of a container were called in order, one after the other; 0 if not all of them were."""
        children = list(container._modules.values())  # noqa: SLF001  named_children hides a block used twice
        calls = [self.calls.get(child, []) for child in children if child is not None]
        times = len(calls[0]) if calls else 0
        if len(set(children)) < len(children) or any(len(each) != times for each in calls):
            return 0
        turns = [each[number].turn for number in range(times) for each in calls]
        return times if turns == sorted(turns) else 0

    def by_index(self, modules: nn.Module) -> bool:
        """Whether the model takes the modules of a list by index, rather than only examining one or two."""
        taken = self.indexed.get(modules, set())
        all_of_them = len(taken) >= len(list(modules.children()))
        return bool(taken) and (all_of_them or modules not in self.walked)

    def begins(
        self, module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Pre-forward hook: the arguments, with a copy of the stream that marks the module's beginning in the graph."""
        with self._looking():
            drawn = self._stand(), (0, 0)
            call = ModuleCall(module=module, given=given, named=named, turn=self.turns, drawn=drawn)
            self.turns += 1
            call.hooked = foreign_hook(module)
            call.containers = containers((given[1:], named))
            differences = (held.difference() for held in self.stood.pop(module, ()))
            call.altered = next((each for each in differences if each is not None), "")
            self.calls.setdefault(module, []).append(call)
            stream = call.stream
            if not may_be_block(module) or not _recordable(stream):
                return given, named
            if not stream.requires_grad:  # computed from integers only, or without autograd
                stream = stream.detach().requires_grad_()
                self.own.append(stream)
            # The copy has its own node in the graph, which marks where the module begins.
            call.inner = stream.clone()
            call.mark = call.inner.grad_fn
            return (call.inner, *given[1:]), named

    def ends(self, module: nn.Module, _: Any, __: Any, out: Any) -> Any:
        """Forward hook: the result for the caller, with a copy of the output that marks the module's end."""
        with self._looking():
            call = next(call for call in reversed(self.calls[module]) if call.end < 0)
            call.out, call.end, call.drawn = out, self.turns, (call.drawn[0], self._stand())
            if type(out) in {tuple, list} and out and isinstance(out[0], Tensor):
                call.out, call.rest = out[0], tuple(out[1:])
            self.turns += 1
            if module in self.nexts:
                after = self.nexts[module]
                self.stood[after] = states(after, (call.given[1:], call.named))
            call.mutates = any(not thing.unchanged() for thing in call.containers)
            call.containers = []
            if call.inner is not None:
                call.changed = call.inner._version > 0  # noqa: SLF001  the only record of a change in place
            self.note(out)
            first = call.out
            if call.mark is None or not has_graph(first):
                return out
            call.exit = first.clone()
            self.exits[id(call.exit)] = call
            self.note(call.exit)
            return call.exit if call.rest is None else type(out)((call.exit, *call.rest))

    @contextmanager
    def _looking(self) -> Iterator[None]:
        """A context in which calls belong to this observation and not to the model."""
        self.looking = True
        try:
            yield
        finally:
            self.looking = False

    def _stand(self) -> Stand:
        """State of the generators as hashes: (torch's, those of Python and NumPy)."""
        self.outside = outside_state(self.outside)
        return hash(bytes(torch.get_rng_state().numpy().data)), fingerprint(self.outside)

    def asked(self, what: str, tensor: Any) -> None:
        """Note for each module at work that is given the tensor, or has it as a weight, that this was asked of it."""
        for call in [each for calls in self.calls.values() for each in calls if each.end < 0][::-1]:
            if tensor is call.inner:
                tensor = call.stream
            elif not any(tensor is each for each in self._known_to(call)):
                continue
            call.asks.append(what)

    @staticmethod
    def _known_to(call: ModuleCall) -> Iterator[Tensor]:
        yield from tensors_in((call.given, call.named), 3)
        yield from call.module.parameters()

    def note(self, made: Any) -> None:
        """Record tensors that have a graph, through weak references."""
        for each in made if isinstance(made, list | tuple) else (made,):
            if has_graph(each):
                number = each.grad_fn._sequence_nr()  # noqa: SLF001  the order they were made in
                self.made.append((weakref.ref(each), number))


class _Uses(TorchFunctionMode):
    """Records which functions the model applies to module outputs, and all tensors with a graph."""

    def __init__(self, run: TrialRun) -> None:
        super().__init__()
        self.run = run

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function; record it for its arguments unless it only asks for their form."""
        if self.run.looking:
            return func(*args, **(kwargs or {}))
        if what := identity_asked(func):
            self.run.asked(what, args[0])
        if not asks_for_form(func):
            for tensor in tensors_in((args, kwargs or {}), 3):
                call = self.run.exits.get(id(tensor))
                if call is not None and tensor is call.exit:
                    call.used.append(getattr(func, "__name__", "function").strip("_"))
        made = func(*args, **(kwargs or {}))
        self.run.note(made)
        return made


def run_once(model: nn.Module, example: Example | None = None) -> TrialRun:
    """The calls of one run in evaluation; the model is left unchanged.

    example: input of the run; without one, images of the size the model was made for or smaller. Raises NotInvertible if the model does not run, with the reason of the last attempt,
    or is lazy or compiled.
    """
    _require_ready(model)
    failed: Exception | None = None
    for inputs in inputs_for(model, example):
        try:
            with at_rest(model):
                return run_on(model, inputs)
        except NotImplementedError:
            if type(model).forward is nn.Module.forward:
                raise
            failed = NotImplementedError("it uses something torch does not offer on this device")
        except FAILURES as error:
            failed = error
    reason = " ".join(str(failed).split())[:160] if failed else "its input is not known"
    raise NotInvertible(
        f"{type(model).__name__} could not be run to see what it does ({reason}): "
        "give an input as `example`: a tensor, a tuple, a dictionary or (args, kwargs)"
    )


def _require_ready(model: nn.Module) -> None:
    """Raise NotInvertible for a model that is compiled already, or whose weights have no shape yet."""
    if hasattr(model, "_orig_mod"):
        raise NotInvertible(
            "the model is compiled already: rewire first, compile after, "
            "`torch.compile(rewire(model))`"
        )
    for path, module in model.named_modules():
        held = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        if any(is_lazy(each) for each in held):
            raise NotInvertible(
                f"{path or 'the model'} ({type(module).__name__}) has weights without a shape, which "
                "its first input decides: run the model once on your data, then rewire it"
            )


def run_on(model: nn.Module, inputs: Inputs) -> TrialRun:
    """The calls of one run on these inputs, with the model in its present mode."""
    run = TrialRun(inputs=inputs, nexts=_nexts(model))
    args, kwargs = inputs.fresh()
    with all_recorded(model), _watched(model, run), _Uses(run):
        run.output = model(*args, **kwargs)
    return run


def _nexts(model: nn.Module) -> dict[nn.Module, nn.Module]:
    """The next candidate for a block in the same container, for each module that may be a block."""
    return {
        one: other
        for module in model.modules()
        for one, other in pairwise(module.children())
        if may_be_block(one) and may_be_block(other)
    }


@contextmanager
def all_recorded(model: nn.Module) -> Iterator[None]:
    """A context in which autograd records the results of every weight, including frozen ones."""
    frozen = [p for p in model.parameters() if p.is_floating_point() and not p.requires_grad]
    try:
        for parameter in frozen:
            parameter.requires_grad_()
        with torch.enable_grad():
            yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)


@contextmanager
def _watched(model: nn.Module, run: TrialRun) -> Iterator[None]:
    """A context with hooks on every module except those inside a sequence, whose blocks are wired already."""
    with ExitStack() as stack:
        for module in _modules_outside(model):
            stack.callback(module.register_forward_pre_hook(run.begins, with_kwargs=True).remove)
            stack.callback(module.register_forward_hook(run.ends, with_kwargs=True).remove)
            if type(module) in {nn.ModuleList, nn.Sequential}:
                stack.enter_context(taking_noticed(module, run.indexed, run.walked))
        yield


def _modules_outside(model: nn.Module) -> Iterator[nn.Module]:
    seen: set[nn.Module] = set()
    waiting = [model]
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        yield module
        if not isinstance(module, ReversibleSequence):
            waiting.extend(module.children())


def has_graph(made: Any) -> bool:
    """Whether the value is a tensor with a graph; a placeholder is none."""
    known = isinstance(made, Tensor) and not isinstance(made, Pending)
    return known and made.grad_fn is not None


def _recordable(stream: Any) -> bool:
    """Whether autograd, in its present mode, can record what is computed from the value."""
    known = isinstance(stream, Tensor) and not isinstance(stream, Pending)
    floats = known and stream.is_floating_point()
    return floats and torch.is_grad_enabled()


def may_be_block(module: nn.Module) -> bool:
    """Whether the module is more than a single layer of torch."""
    return (
        any(True for _ in module.children()) or type(module).__module__.partition(".")[0] != "torch"
    )
