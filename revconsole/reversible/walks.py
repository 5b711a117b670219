"""One run of a block's forward, addition by addition.

A walk sees the functions of torch that the block itself calls, and the calls of its modules. It
follows the stream: the block's input, other shapes of it, and what additions to it give. `Watching`
computes everything and puts down what it sees; see `leaving` for walks that compute one branch alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, _get_current_function_mode

from revconsole.reversible.pending import METHODS
from revconsole.reversible.skips import Node

Path = tuple[str, ...]  # of a module from the block
ADDITIONS = frozenset({"add", "add_", "__add__", "__radd__", "__iadd__"})
LAYOUTS = frozenset({
    "clone", "contiguous", "flatten", "movedim", "permute", "reshape", "squeeze", "swapaxes", "to",
    "transpose", "unflatten", "unsqueeze", "view", "view_as",
})  # fmt: skip
GETTERS = frozenset({"__get__", *METHODS})
CALL = "_compiled_call_impl"  # where torch looks for another way to call a module
LEFT_OUT = "left out"  # in an answer, where a tensor was
SAME_SHAPE = "left out, of the input's shape"  # in an answer, where one of that shape was
STREAM = "the stream"  # the answer of a module that handed the stream on


class Astray(Exception):  # noqa: N818  it says where a walk went
    """A forward cannot be walked like this, or not as it was before; the message says why."""


class Answers(NamedTuple):
    """What was returned where, with LEFT_OUT or SAME_SHAPE in place of tensors.

    modules: by module, call by call. functions: of those that returned tensors or sizes, in order.
    """

    modules: Mapping[Path, tuple[Any, ...]]
    functions: tuple[tuple[str, Any], ...]


@contextmanager
def calls_met(met: Iterable[tuple[nn.Module, Callable[[Any], Any]]]) -> Iterator[None]:
    """Within a `with`, a call of each module comes to what is made of its usual way."""
    put_back = []
    for module, made in met:
        attributes = module.__dict__
        compiled = attributes.get(CALL)
        put_back.append((attributes, compiled))
        attributes[CALL] = made(compiled or module._call_impl)  # noqa: SLF001  what a call of a module comes to
    try:
        yield
    finally:
        for attributes, compiled in reversed(put_back):
            if compiled is None:
                attributes.pop(CALL, None)
            else:
                attributes[CALL] = compiled


class Walk(TorchFunctionMode, ABC):
    """What both kinds do: follow the stream and count.

    input: the stream before the block. stream: the tensors that hold it at this point. additions: to
    it, so far. several: functions that returned more than one tensor, so far.
    """

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.input = x
        self.stream: list[Any] = [x]
        self.additions = 0
        self.several = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Torch calls this in place of the function."""
        del types
        return self.function(func, args, kwargs or {})

    @abstractmethod
    def function(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of a function."""

    @abstractmethod
    def called(self, path: Path, call: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of a module."""

    def holds(self, thing: object) -> bool:
        """Whether the value is the stream."""
        for each in self.stream:  # noqa: SIM110  `any` makes a generator, at every call of a part
            if each is thing:
                return True
        return False

    def parts(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The stream and what is added to it; None for everything but an addition to the stream."""
        if func.__name__ not in ADDITIONS or len(args) != 2 or kwargs:
            return None
        first, second = (self.holds(arg) for arg in args)
        if first == second or not all(hasattr(arg, "__torch_function__") for arg in args):
            return None
        return args if first else (args[1], args[0])

    def computed(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The function's own result, with the stream followed through a change of its shape."""
        result = func(*args, **kwargs)
        if func.__name__ in LAYOUTS and self.holds(args[0]):
            self.stream.append(result)
        return list(result) if func.__name__ == "__iter__" else result

    @contextmanager
    def over(self, modules: Mapping[Path, nn.Module]) -> Iterator[None]:
        """See the functions and the calls of these modules within a `with`."""
        met = ((each, partial(partial, self._met, path)) for path, each in modules.items())
        try:
            with calls_met(met), self:
                yield
        finally:
            self._let_go()

    def _met(self, path: Path, call: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self.called(path, call, args, kwargs)

    def _let_go(self) -> None:
        """Forget the tensors: a walk is part of a cycle, and a graph would live until it is collected."""
        self.stream = []
        del self.input

    def apart(self, call: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of a module, whose own functions are not looked at."""
        if _get_current_function_mode() is not self:  # type: ignore[no-untyped-call]
            return call(*args, **kwargs)
        self.__exit__(None, None, None)
        try:
            return call(*args, **kwargs)
        finally:
            self.__enter__()


class Watching(Walk):
    """A run that computes everything and puts down what it sees.

    whole: modules that lie in one branch each and are not looked into. nodes: of the additions to the stream, in order,
    with the modules that were then being called. met: modules, each with the module that called it. between: the whole
    ones called before the first addition, before the second and so on, and after the last. bare: whether nothing else was
    called, and each addition took what the last of them returned.
    """

    def __init__(self, x: Tensor, *, whole: Collection[Path] = ()) -> None:
        super().__init__(x)
        self.whole = whole
        self.nodes: list[tuple[Node, tuple[Path, ...]]] = []
        self.met: dict[Path, Path] = {}
        self.modules: dict[Path, list[Any]] = {}
        self.functions: list[tuple[str, Any]] = []
        self.between: list[list[Path]] = [[]]
        self.bare = True
        self._open: list[Path] = [()]
        self._latest: Any = None

    @property
    def answers(self) -> Answers:
        """What the modules and functions returned."""
        modules = {path: tuple(each) for path, each in self.modules.items()}
        return Answers(modules=modules, functions=tuple(self.functions))

    @property
    def straight(self) -> tuple[tuple[Path, ...], ...]:
        """The modules of each branch, if the block does no more than `straight` can follow; else none."""
        *parts, after = self.between
        called = [path for paths in parts for path in paths]
        once = len(set(called)) == len(called) and all(parts) and not after
        handed_on = any(STREAM in answers for answers in self.modules.values())
        return tuple(map(tuple, parts)) if self.bare and once and not handed_on else ()

    def function(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The function's own result."""
        summed = self.parts(func, args, kwargs)
        result = self.computed(func, args, kwargs)
        if summed is not None:
            self.nodes.append((result.grad_fn, tuple(self._open)))
            self.stream.append(result)
            self.between.append([])
            self.bare = self.bare and summed[1] is self._latest
            return result
        self.bare = self.bare and func.__name__ in GETTERS
        if are_several(result):
            self.functions.append((plain_name(func), outline(result, self.input)))
        return result

    def _let_go(self) -> None:
        super()._let_go()
        self._latest = None

    def called(self, path: Path, call: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The module's own result."""
        self.met.setdefault(path, self._open[-1])
        if path in self.whole:
            result = self.apart(call, args, kwargs)
            form = self.apart(outline, (result, self.input), {})
            answer = STREAM if self.holds(result) else form
            self.modules.setdefault(path, []).append(answer)
            self.between[-1].append(path)
            self._latest = result
            return result
        self._open.append(path)
        try:
            return call(*args, **kwargs)
        finally:
            self._open.pop()


def outline(returned: Any, like: Tensor) -> Any:
    """What was returned, without its tensors. Raises Astray for what is neither tensor nor plain."""
    if isinstance(returned, Tensor):
        return SAME_SHAPE if returned.shape == like.shape else LEFT_OUT
    if isinstance(returned, torch.Size):
        return (LEFT_OUT,) * len(returned)
    if isinstance(returned, list):
        return [outline(each, like) for each in returned]
    if isinstance(returned, tuple):
        return tuple(outline(each, like) for each in returned)
    if returned is None or isinstance(returned, bool | int | float):
        return returned
    raise Astray(f"a part returns a {type(returned).__name__}")


def are_several(result: Any) -> bool:
    """Whether the value is several tensors or sizes."""
    listed = isinstance(result, tuple | list) and any(isinstance(each, Tensor) for each in result)
    return listed or isinstance(result, torch.Size)


def plain_name(func: Any) -> str:
    """The name of a function of torch."""
    name: str = func.__name__
    return "unbind" if name == "__iter__" else name
