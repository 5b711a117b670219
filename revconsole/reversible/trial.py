"""Running a model once to see what its modules are given, what they return, and in which order.

Structure is read off a run, not off class names: which modules a container calls and with what,
what keeps its shape, what adds to its input. A run in evaluation on one small image, real or `meta`.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from revconsole.errors import NotInvertible
from revconsole.reversible.rest import at_rest
from revconsole.reversible.skips import Node, Skip, skip_between

SMALL, USUAL = (
    64,
    224,
)  # pixels a side: the least that deep convolutional networks leave something of
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
        if not isinstance(stream, Tensor) or not stream.requires_grad or not may_be_block(module):
            return given, named
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


def run_once(model: nn.Module, example: Tensor | None = None, *, closed: type[nn.Module]) -> Run:
    """The calls of one run in evaluation; the model is left as it was.

    example: what to run it on; without one, images of the size it was made for or smaller.
    closed: modules of this class are not looked into.
    Raises NotInvertible if the model does not run, with the reason of the last attempt.
    """
    examples = [example] if example is not None else _examples(model)
    failed: Exception | None = None
    for x in examples:
        run = Run()
        try:
            with at_rest(model), _watched(model, run, closed), torch.enable_grad():
                model(x.detach().requires_grad_().clone())
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
        "give an input as `example`"
    )


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


def may_be_block(module: nn.Module) -> bool:
    """Whether it is more than one layer of torch's own."""
    return (
        any(True for _ in module.children()) or type(module).__module__.partition(".")[0] != "torch"
    )


def _examples(model: nn.Module) -> Iterator[Tensor]:
    """Inputs to try, in the model's dtype on its device: images, or vectors if there is no convolution."""
    weight = next((p for p in model.parameters() if p.is_floating_point()), None)
    if weight is None:
        return
    first = next((m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)), None)
    if isinstance(first, nn.Linear) and not _declared(model):
        yield weight.new_zeros(2, first.in_features)
        return
    # The first convolution sees the image, unless the model takes that apart before.
    channels = {first.in_channels: None, 3: None} if isinstance(first, nn.Conv2d) else {3: None}
    for depth in channels:
        for height, width in _sizes(model, small=not weight.is_meta):
            pixels = torch.arange(depth * height * width, device=weight.device)
            image = (pixels * 0.7).sin().reshape(1, depth, height, width)
            yield image.to(weight.dtype)


def _sizes(model: nn.Module, *, small: bool) -> list[tuple[int, int]]:
    """Sides of images to try, the likeliest first."""
    embeddings = (getattr(module, "img_size", None) for module in model.modules())
    fixed = next((size for size in embeddings if isinstance(size, tuple)), ())
    made_for = _declared(model)
    sizes = [fixed] if len(fixed) == 2 else []
    sizes += [(SMALL, SMALL)] if small else []
    return list(dict.fromkeys([*sizes, *made_for, (USUAL, USUAL), (SMALL, SMALL)]))


def _declared(model: nn.Module) -> list[tuple[int, int]]:
    """The size timm says the model was made for, if it says one."""
    known = getattr(model, "pretrained_cfg", None)
    size = known.get("input_size") if isinstance(known, dict) else None
    return [(size[1], size[2])] if size and re.fullmatch(r"\d+", str(size[1])) else []
