"""Running a model once to see what its modules are given, what they return, and in which order.

Structure is read off a run, not off class names: which modules a container calls and with what,
what keeps its shape, what adds to its input. A run in evaluation on a small input, real or `meta`; weights and inputs of
floating point need gradients in it, so that nothing frozen is overlooked.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from revconsole.errors import NotInvertible
from revconsole.reversible.examples import Example, inputs_for
from revconsole.reversible.rest import at_rest
from revconsole.reversible.skips import Node, Skip, skip_between

FAILURES = (
    RuntimeError, TypeError, ValueError, AssertionError, IndexError, KeyError, AttributeError,
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Call:
    """One call of a module in the run.

    given, named: its arguments as its caller knows them. inner: its stream as it sees it itself, and
    mark: where its stream enters the graph; None if it has no stream or autograd was off.
    out: what it returned; turn, end: when it began and returned, counted in calls.
    """

    module: nn.Module
    given: tuple[Any, ...]
    named: Mapping[str, Any]
    turn: int
    inner: Tensor | None = None
    mark: Node | None = None
    out: Any = None
    end: int = -1
    changed: bool = False
    _skip: Skip | None = field(default=None)

    @property
    def stream(self) -> Any:
        """The first argument."""
        return self.given[0] if self.given else None

    @property
    def skip(self) -> Skip:
        """How its stream reaches its output."""
        if self._skip is None:
            self._skip = skip_between(self.out, self.mark)
        return self._skip


@dataclass(slots=True, kw_only=True)
class Run:
    """Every call of one run of a model, by module.

    indexed: lists from which a module was taken by its index.
    """

    calls: dict[nn.Module, list[Call]] = field(default_factory=dict)
    indexed: set[nn.Module] = field(default_factory=set)
    turns: int = 0

    def once(self, module: nn.Module) -> Call | None:
        """The one call of the module; None if there was none, or more."""
        calls = self.calls.get(module, ())
        return calls[0] if len(calls) == 1 else None

    def _begins(
        self, module: nn.Module, given: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        call = Call(module=module, given=given, named=named, turn=self.turns)
        self.turns += 1
        self.calls.setdefault(module, []).append(call)
        stream = call.stream
        if not may_be_block(module) or not _recordable(stream):
            return given, named
        if not stream.requires_grad:  # made of nothing but integers, or without autograd
            stream = stream.detach().requires_grad_()
        # A copy has a node of its own in the graph: the mark at which the module begins.
        call.inner = stream.clone()
        call.mark = call.inner.grad_fn
        return (call.inner, *given[1:]), named

    def _ends(self, module: nn.Module, _: Any, __: Any, out: Any) -> None:
        call = next(call for call in reversed(self.calls[module]) if call.end < 0)
        call.out, call.end = out, self.turns
        self.turns += 1
        if call.inner is not None:
            call.changed = call.inner._version > 0  # noqa: SLF001  the only record of a change in place


def run_once(model: nn.Module, example: Example | None = None, *, closed: type[nn.Module]) -> Run:
    """The calls of one run in evaluation; the model is left as it was.

    example: what to run it on; without one, images of the size it was made for or smaller.
    closed: modules of this class are not looked into.
    Raises NotInvertible if the model does not run, with the reason of the last attempt.
    """
    failed: Exception | None = None
    for inputs in inputs_for(model, example):
        run = Run()
        try:
            with at_rest(model), _all_recorded(model), _watched(model, run, closed):
                args, kwargs = inputs.fresh()
                model(*args, **kwargs)
        except NotImplementedError:
            if type(model).forward is nn.Module.forward:
                raise
            failed = NotImplementedError("it uses something torch does not offer on this device")
        except FAILURES as error:
            failed = error
        else:
            return run
    reason = " ".join(str(failed).split())[:160] if failed else "its input is not known"
    raise NotInvertible(
        f"{type(model).__name__} could not be run to see what it does ({reason}): "
        "give an input as `example`: a tensor, a tuple, a dictionary or (args, kwargs)"
    )


@contextmanager
def _all_recorded(model: nn.Module) -> Iterator[None]:
    """Let autograd record what comes of every weight, frozen ones too."""
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
def _watched(model: nn.Module, run: Run, closed: type[nn.Module]) -> Iterator[None]:
    """Hooks on every module but those inside a closed one."""
    with ExitStack() as stack:
        for module in _modules_outside(model, closed):
            before = module.register_forward_pre_hook(run._begins, with_kwargs=True)  # noqa: SLF001  its own
            after = module.register_forward_hook(run._ends, with_kwargs=True)  # noqa: SLF001  its own
            stack.callback(before.remove)
            stack.callback(after.remove)
            if type(module) in {nn.ModuleList, nn.Sequential}:
                stack.enter_context(_index_noticed(module, run.indexed))
        yield


@contextmanager
def _index_noticed(module: nn.Module, indexed: set[nn.Module]) -> Iterator[None]:
    """Put the module into the set when somebody takes one module from it by its index."""
    kind: Any = type(module)

    def taken(self: Any, index: Any) -> Any:
        if isinstance(index, int):
            indexed.add(self)
        return kind.__getitem__(self, index)

    module.__class__ = type(kind.__name__, (kind,), {"__getitem__": taken})
    try:
        yield
    finally:
        module.__class__ = kind


def _modules_outside(model: nn.Module, closed: type[nn.Module]) -> Iterator[nn.Module]:
    seen: set[nn.Module] = set()
    waiting = [model]
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        yield module
        if not isinstance(module, closed):
            waiting.extend(module.children())


def _recordable(stream: Any) -> bool:
    """Whether autograd, as it is set now, can record what comes of it."""
    floats = isinstance(stream, Tensor) and stream.is_floating_point()
    return floats and torch.is_grad_enabled()


def may_be_block(module: nn.Module) -> bool:
    """Whether it is more than one layer of torch's own."""
    return (
        any(True for _ in module.children()) or type(module).__module__.partition(".")[0] != "torch"
    )
