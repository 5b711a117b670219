"""Record: one pass of a model, and in which of its modules each thing was computed.

autograd numbers its nodes in the order they are made, so the numbers at which a module is entered and left tell
where a node of the graph comes from. A torch-function mode sees what Python calls, a dispatch mode what is computed.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from revconsole.reversible.nested import tensors
from revconsole.reversible.pending import Pending
from revconsole.reversible.skips import Node

TORCH = str(Path(torch.__file__).parent)
HERE = str(Path(__file__).parent)
TO_NUMBERS = {"item", "tolist", "numpy", "__float__", "__int__", "__array__"}
OWN_FORWARD = "the model's own forward"
SHAPES_ONLY = ("_like", "new_", "is_", "size", "dim", "numel", "__get__", "__bool__", "__len__")


def named(path: str, module: nn.Module) -> str:
    """A module in a sentence: its path and class."""
    return f"{path} ({type(module).__name__})" if path else OWN_FORWARD


@dataclass(slots=True)
class RecordedCall:
    """A module's call: from which number of a node to which, what it was given first, and what it returned."""

    name: str
    module: nn.Module
    start: int
    end: int = 0
    given: Any = None
    returned: Any = None

    @property
    def called(self) -> str:
        """The path and class of the module."""
        return named(self.name, self.module)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The place where a value was made through which no gradient flows.

    how: `detach()`, say. place: the module, and the line of the file where it is known.
    given: the tensors with a graph that were cut off.
    """

    how: str
    place: str
    given: Sequence[Tensor]


@dataclass(slots=True)
class PassRecord:
    """The calls of a pass in the order they ended, what cut gradients, and the tensors used by Python."""

    calls: list[RecordedCall] = field(default_factory=list)
    open: list[RecordedCall] = field(default_factory=list)
    cuts: list[Cut] = field(default_factory=list)
    used: set[int] = field(default_factory=set)
    unrecorded: set[int] = field(default_factory=set)
    dropped: dict[str, float] = field(default_factory=dict)

    def now(self) -> str:
        """The module at work, with its class."""
        return self.open[-1].called if self.open else OWN_FORWARD

    def place(self, node: Node) -> str:
        """The innermost module that made the node of the graph; empty where none is known."""
        number = node._sequence_nr()  # noqa: SLF001  the only number a node has
        inside = [call for call in self.calls if call.start <= number < call.end]
        return max(inside, key=lambda call: (call.start, -call.end)).called if inside else ""


@contextmanager
def recorded(model: nn.Module, *, python: bool = False) -> Iterator[PassRecord]:
    """What the model does inside the `with`; attention is computed step by step, and no short cut is taken.

    python: look at what Python calls too, for `cuts`, `used` and `dropped`, which costs a little more.
    """
    record = PassRecord()
    fast = torch.backends.mha.get_fastpath_enabled()
    with ExitStack() as stack:
        for name, module in model.named_modules():
            _hook(record, name, module, stack)
        stack.callback(torch.backends.mha.set_fastpath_enabled, fast)
        torch.backends.mha.set_fastpath_enabled(False)
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        if python:
            stack.enter_context(Calls(record))
        yield record


def _hook(record: PassRecord, name: str, module: nn.Module, stack: ExitStack) -> None:
    def enter(module: nn.Module, args: Any, kwargs: Any) -> None:
        given = next(_valued((args, kwargs)), None)
        record.open.append(RecordedCall(name=name, module=module, start=_number(), given=given))

    def leave(_module: nn.Module, _args: Any, output: Any) -> None:
        call = record.open.pop()
        call.end, call.returned = _number(), next(_valued(output), None)
        record.calls.append(call)

    stack.callback(module.register_forward_pre_hook(enter, with_kwargs=True).remove)
    stack.callback(module.register_forward_hook(leave).remove)


def _valued(value: object) -> Iterator[Tensor]:
    """The tensors in nested containers, but for what a wired run hands on inside, which has no values."""
    return (each for each in tensors(value) if not isinstance(each, Pending))


def _number() -> int:
    number: int = torch.autograd._get_sequence_nr()  # type: ignore[attr-defined]  # noqa: SLF001
    return number


class Calls(TorchFunctionMode):
    """Notes what Python asks of tensors: where a gradient is cut off, and how much is dropped."""

    def __init__(self, record: PassRecord) -> None:
        super().__init__()
        self.record = record

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        given = list(tensors((args, kwargs)))
        recording = torch.is_grad_enabled()
        into = self.record.used if recording else self.record.unrecorded
        into.update(id(tensor) for tensor in given)
        live = [tensor for tensor in given if tensor.requires_grad]
        if live and (how := _cuts(func, name, result, recording=recording)):
            self.record.cuts.append(Cut(how=how, place=self._place(), given=live))
        if "dropout" in name or "attention" in name:
            self._dropped(name, args, kwargs)
        return result

    def _place(self) -> str:
        line = _line()
        return f"{self.record.now()}, {line}" if line else self.record.now()

    def _dropped(self, name: str, args: Any, kwargs: Any) -> None:
        share = kwargs.get("dropout_p", kwargs.get("p"))
        if share is None and "dropout" in name and len(args) > 1:
            share = args[1]
        on = kwargs.get("training", args[2] if "dropout" in name and len(args) > 2 else True)
        if isinstance(share, float) and share > 0 and on:
            note_dropped(self.record, share)


def note_dropped(record: PassRecord, share: float) -> None:
    """Note that the module at work drops that share of something."""
    record.dropped[record.now()] = max(share, record.dropped.get(record.now(), 0.0))


def _cuts(func: Any, name: str, result: Any, *, recording: bool) -> str:
    """How a call's result is without the gradient that went in; empty where it is not, or none is to be expected."""
    if name == "__get__" and getattr(getattr(func, "__self__", None), "__name__", "") == "data":
        return ".data"
    if name in TO_NUMBERS:
        return f"{name}()"
    if any(part in name for part in SHAPES_ONLY):
        return ""
    out = list(tensors(result))
    if not out or any(tensor.requires_grad for tensor in out):
        return ""
    return f"{name}()" if recording else "no_grad()"


def _line() -> str:
    """File and line of the innermost frame that is neither torch's nor the audit's."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  the traceback module would read source files
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith((TORCH, HERE)):
            return f"{Path(file).name} line {frame.f_lineno}"
        frame = frame.f_back
    return ""


def leaves(start: Iterable[Node]) -> tuple[set[Node], dict[int, Node]]:
    """Every node that those depend on, and by id of the tensor the first node that uses a leaf."""
    seen: set[Node] = set()
    users: dict[int, Node] = {}
    waiting = [node for node in start if node is not None]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        for child, _ in node.next_functions:
            if child is None:
                continue
            if hasattr(child, "variable"):
                users.setdefault(id(child.variable), node)
            if child not in seen:
                waiting.append(child)
    return seen, users
