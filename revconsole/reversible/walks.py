"""One run of a block's forward, addition by addition, in which parts of it can be left out.

A walk sees the functions of torch that the block itself calls, and the calls of its modules. It
follows the stream: the block's input, other shapes of it, and what additions to it give. `Watching`
computes everything and puts down what it sees, `Leaving` computes one branch alone.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, _get_current_function_mode

from revconsole.reversible.skips import Node

Path = tuple[str, ...]  # of a module from the block
ADDITIONS = frozenset({"add", "add_", "__add__", "__radd__", "__iadd__"})
LAYOUTS = frozenset({
    "clone", "contiguous", "flatten", "movedim", "permute", "reshape", "squeeze", "swapaxes", "to",
    "transpose", "unflatten", "unsqueeze", "view", "view_as",
})  # fmt: skip
GETTERS = frozenset({
    "__get__", "__len__", "dim", "element_size", "get_device", "is_complex", "is_contiguous",
    "is_floating_point", "nelement", "numel", "size", "stride",
})  # fmt: skip
SHAPES = frozenset({"dim", "ndim", "dtype", "device"})
CALL = "_compiled_call_impl"  # where torch looks for another way to call a module
LEFT_OUT = "left out"  # in an answer, where a tensor was
SAME_SHAPE = "left out, of the input's shape"  # in an answer, where one of that shape was
STREAM = "the stream"  # the answer of a module that handed the stream on
FROM_ANOTHER = "a branch takes more from another than the stream"


class Astray(Exception):  # noqa: N818  it says where a walk went
    """A forward cannot be walked like this, or not as it was before; the message says why."""


class Answers(NamedTuple):
    """What was returned where, with LEFT_OUT or SAME_SHAPE in place of tensors.

    modules: by module, call by call. functions: of those that returned tensors or sizes, in order.
    """

    modules: Mapping[Path, tuple[Any, ...]]
    functions: tuple[tuple[str, Any], ...]


class Skipped:
    """Stands for a tensor that is left out; what is made of it in torch or Python is left out too.

    like: a tensor of its shape; None where that is not known.
    """

    __slots__ = ("_like", "_walk")

    def __init__(self, walk: "Leaving", like: Tensor | None = None) -> None:
        self._walk, self._like = walk, like

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """What torch calls outside the parts that are left out."""
        raise Astray(FROM_ANOTHER)

    def __getattr__(self, name: str) -> Any:
        """A property of tensors, or one of their methods."""
        method = getattr(Tensor, name)
        if name == "shape":
            return self._sizes("__get__")
        if self._like is not None and name in SHAPES:
            return getattr(self._like, name)
        if not callable(method):
            return self
        return lambda *args, **kwargs: self._walk.function(method, (self, *args), kwargs)

    def size(self, *dims: int) -> Any:
        """One size, or all."""
        if dims:
            return self if self._like is None else self._like.size(*dims)
        return self._sizes("size")

    def _sizes(self, name: str) -> Any:
        """As many sizes as there were when the block was watched."""
        sizes = self._walk.filled(self._walk.following(name))
        return sizes if self._like is None else self._walk.apart(getattr, (self._like, "shape"), {})

    def __iter__(self) -> Iterator[Any]:
        items = self._walk.function(Tensor.unbind, (self,), {})
        if isinstance(items, Skipped):
            raise Astray("what it is made of is asked of a tensor that is left out")
        return iter(items)

    def __bool__(self) -> bool:
        raise Astray("the value of a tensor that is left out was asked for")

    __int__ = __float__ = __index__ = __len__ = __bool__
    __hash__ = None  # type: ignore[assignment]


def _operator(name: str) -> Callable[..., Any]:
    return lambda self, *args: self._walk.function(getattr(Tensor, name), (self, *args), {})


for _name in (
    "add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "floordiv", "rfloordiv",
    "mod", "pow", "rpow", "matmul", "rmatmul", "neg", "abs", "getitem", "eq", "ne", "lt", "le", "gt",
    "ge",
):  # fmt: skip
    setattr(Skipped, f"__{_name}__", _operator(f"__{_name}__"))


class Walk(TorchFunctionMode):
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

    def function(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of a function."""
        raise NotImplementedError

    def called(self, path: Path, call: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result of a module."""
        raise NotImplementedError

    def holds(self, thing: object) -> bool:
        """Whether it is the stream."""
        for each in self.stream:  # noqa: SIM110  `any` makes a generator, at every call of a part
            if each is thing:
                return True
        return False

    def parts(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """The stream and what is added to it; None for everything but an addition to the stream."""
        if func.__name__ not in ADDITIONS or len(args) != 2 or kwargs:
            return None
        first, second = (self.holds(arg) for arg in args)
        if first == second or not all(isinstance(arg, Tensor | Skipped) for arg in args):
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
        put_back = []
        for path, module in modules.items():
            attributes = module.__dict__
            compiled = attributes.get(CALL)
            way = compiled or module._call_impl  # noqa: SLF001  what a call of a module comes to
            attributes[CALL] = partial(self._met, path, way)
            put_back.append((attributes, compiled))
        try:
            with self:
                yield
        finally:
            for attributes, compiled in put_back:
                if compiled is None:
                    attributes.pop(CALL, None)
                else:
                    attributes[CALL] = compiled
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

    whole: modules that lie in one branch each and are not looked into.
    nodes: of the additions to the stream, in order, with the modules that were then being called.
    met: modules, each with the module that called it.
    """

    def __init__(self, x: Tensor, *, whole: Collection[Path] = ()) -> None:
        super().__init__(x)
        self.whole = whole
        self.nodes: list[tuple[Node, tuple[Path, ...]]] = []
        self.met: dict[Path, Path] = {}
        self.modules: dict[Path, list[Any]] = {}
        self.functions: list[tuple[str, Any]] = []
        self._open: list[Path] = [()]

    @property
    def answers(self) -> Answers:
        """What the modules and functions returned."""
        modules = {path: tuple(each) for path, each in self.modules.items()}
        return Answers(modules=modules, functions=tuple(self.functions))

    def function(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The function's own result."""
        summed = self.parts(func, args, kwargs)
        result = self.computed(func, args, kwargs)
        if summed is not None:
            self.nodes.append((result.grad_fn, tuple(self._open)))
            self.stream.append(result)
        elif _are_several(result):
            self.functions.append((_plain_name(func), outline(result, self.input)))
        return result

    def called(self, path: Path, call: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The module's own result."""
        self.met.setdefault(path, self._open[-1])
        if path in self.whole:
            result = self.apart(call, args, kwargs)
            found = self.apart(outline, (result, self.input), {})
            answer = STREAM if self.holds(result) else found
            self.modules.setdefault(path, []).append(answer)
            return result
        self._open.append(path)
        try:
            return call(*args, **kwargs)
        finally:
            self._open.pop()


class Leaving(Walk):
    """A run that computes one branch alone.

    The other branches are left out: modules and functions return placeholders, sums hand the stream
    on. The branch's own sum gives what is added, which then takes the stream's place.

    sums: the numbers of the additions that add a branch. wanted: which of these. here: whether the
    run is in it.
    """

    def __init__(self, x: Tensor, *, sums: tuple[int, ...], wanted: int, answers: Answers) -> None:
        super().__init__(x)
        self.sums, self.wanted, self.answers = sums, wanted, answers
        self.passed = 0
        self.here = wanted == 0
        self.calls: dict[Path, int] = {}
        self.nothing = Skipped(self)
        self.alike = Skipped(self, x)

    def function(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The function's result, or a placeholder."""
        name = func.__name__
        summed = self.parts(func, args, kwargs) if name in ADDITIONS else None
        if summed is not None:
            self.additions += 1
            if self.additions - 1 in self.sums:
                return self._sum(*summed)
        stays = self.here or name in GETTERS or (name in LAYOUTS and self.holds(args[0]))
        if stays or not self._depends(args, kwargs):
            result = self.computed(func, args, kwargs)
            if _are_several(result):
                self.following(_plain_name(func))
            return result
        if summed is None and self._is_next(_plain_name(func)):
            return self.filled(self.following(_plain_name(func)))
        return self.nothing

    def called(self, path: Path, call: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The module's result, or a placeholder."""
        number = self.calls.get(path, 0)
        self.calls[path] = number + 1
        answers = self.answers.modules[path]
        if number >= len(answers):
            raise Astray(f"its {'.'.join(path)} is called more often")
        answer = answers[number]
        if not self.here and answer != STREAM and self._depends(args, kwargs):
            return self.filled(answer)
        result = self.apart(call, args, kwargs)
        if answer == STREAM:
            self.stream.append(result)
        elif not _alike(answer, result):
            raise Astray(f"its {'.'.join(path)} returns something else")
        return result

    def _let_go(self) -> None:
        super()._let_go()
        del self.alike

    def require_additions(self, number: int) -> None:
        """Raise Astray unless the stream was added to so often."""
        if self.additions != number:
            raise Astray(f"its stream is added to {self.additions} times, not {number}")

    def _sum(self, stream: Any, added: Any) -> Any:
        """What a branch's sum gives."""
        if self.here:
            if isinstance(added, Skipped):
                raise Astray(FROM_ANOTHER)
            stream = added
        self.passed += 1
        self.here = self.passed == self.wanted
        self.stream = [stream]
        return stream

    def _depends(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Whether it is given the stream or something that is left out."""
        for arg in args:
            if type(arg) is Skipped or self.holds(arg):
                return True
            if isinstance(arg, tuple | list) and self._depends(tuple(arg), {}):
                return True
        return bool(kwargs) and self._depends(tuple(kwargs.values()), {})

    def _is_next(self, name: str) -> bool:
        functions = self.answers.functions
        return self.several < len(functions) and functions[self.several][0] == name

    def following(self, name: str) -> Any:
        """The answer of the next function that returns several things, which has to be this one."""
        if not self._is_next(name):
            raise Astray(f"it calls {name} at another place")
        self.several += 1
        return self.answers.functions[self.several - 1][1]

    def filled(self, answer: Any) -> Any:
        """The answer with placeholders for tensors."""
        if isinstance(answer, str):
            return self.alike if answer is SAME_SHAPE or answer == SAME_SHAPE else self.nothing
        if isinstance(answer, tuple | list):
            return type(answer)(self.filled(each) for each in answer)
        return answer


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


def _alike(answer: Any, returned: Any) -> bool:
    """Whether it is the answer that was given before, whatever the tensors."""
    if isinstance(returned, Tensor):
        return isinstance(answer, str)
    if isinstance(returned, tuple | list):
        same = isinstance(answer, tuple | list) and len(answer) == len(returned)
        return same and all(map(_alike, answer, returned))
    return bool(answer == returned)


def _are_several(result: Any) -> bool:
    """Whether it is tensors or sizes."""
    several = isinstance(result, tuple | list)
    return several and (
        isinstance(result, torch.Size) or any(isinstance(each, Tensor) for each in result)
    )


def _plain_name(func: Any) -> str:
    name: str = func.__name__
    return "unbind" if name == "__iter__" else name
