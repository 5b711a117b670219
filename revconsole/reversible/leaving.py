"""A walk through a block that computes one branch alone.

The other branches are left out: modules and functions return placeholders, sums hand the stream on.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor

from revconsole.reversible.walks import (
    ADDITIONS,
    GETTERS,
    LAYOUTS,
    SAME_SHAPE,
    STREAM,
    Answers,
    Astray,
    Path,
    Walk,
    are_several,
    plain_name,
)

SHAPES = frozenset({"dim", "ndim", "dtype", "device"})
FROM_ANOTHER = "a branch takes more from another than the stream"


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
        """Sizes, as many as there were when the block was watched."""
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


class Leaving(Walk):
    """A run that computes one branch alone; the branch's own sum gives what is added, which takes the stream's place.

    sums: the numbers of the additions that add a branch. wanted: which of these. here: whether the run is in it.
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
            if are_several(result):
                self.following(plain_name(func))
            return result
        if summed is None and self._is_next(plain_name(func)):
            return self.filled(self.following(plain_name(func)))
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

    def require_additions(self, number: int, added: object) -> None:
        """Raise Astray unless the stream was added to so often, and what the branch adds was computed."""
        if isinstance(added, Skipped):
            raise Astray("what it adds is made of what is left out")
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
        """Whether a module is given the stream or something that is left out."""
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


def _alike(answer: Any, returned: Any) -> bool:
    """Whether what a module returned has the form of the answer that was given before, whatever the tensors."""
    if isinstance(returned, Tensor):
        return isinstance(answer, str)
    if isinstance(returned, tuple | list):
        same = isinstance(answer, tuple | list) and len(answer) == len(returned)
        return same and all(map(_alike, answer, returned))
    return bool(answer == returned)
