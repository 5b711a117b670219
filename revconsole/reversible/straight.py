"""One branch of a block that only calls its modules and adds to its stream what the last of them returned.

Most blocks are so. The block's own forward runs, but the modules of the other branches hand on a placeholder. The last
module of the branch hands one on for what it returned, and the sum that meets it gives the branch. No function of
torch is looked at, as in a walk (see `walks`), which takes longer. A placeholder that meets anything but its sum
raises `Astray`: the block goes another way than it did when it was watched.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from torch import Tensor, nn

from revconsole.reversible.walks import ADDITIONS, Astray, Path, calls_met

Parts = tuple[tuple[Path, ...], ...]  # the modules of each branch, in the order of their calls


class Stand:
    """Stands for the stream after the branch, for what is left out, or for what the branch adds: its value."""

    __slots__ = ("line", "value")

    def __init__(self, line: "StraightStream", value: Tensor | None = None) -> None:
        self.line, self.value = line, value

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """What a sum of torch gives. Raises Astray for everything else."""
        del types
        stand = next((each for each in args if isinstance(each, Stand)), None)
        if stand is None or func.__name__ not in ADDITIONS or len(args) != 2 or kwargs:
            raise Astray(f"{func.__name__} is given what a part returned")
        return stand.line.sum(*args)

    def __add__(self, other: Any) -> Any:
        return self.line.sum(self, other)

    __radd__ = __add__

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)  # somebody asks what kind of thing it is
        raise Astray(f"{name} is asked of what a part returned")

    def _otherwise(self, *_: Any) -> Any:
        raise Astray("what a part returned is not only added to the stream")

    __bool__ = __len__ = __iter__ = __getitem__ = __neg__ = __abs__ = __pow__ = __rpow__ = (
        _otherwise
    )
    __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __matmul__ = _otherwise
    __rmatmul__ = __lt__ = __le__ = __gt__ = __ge__ = _otherwise


class StraightStream:
    """The stream on its way through a block of which one branch is computed.

    stream: at this point; `after` once the branch is added. passed: how many branches are. added: what
    the wanted one adds.
    """

    def __init__(self, x: Tensor, wanted: int) -> None:
        self.wanted = wanted
        self.stream: Any = x
        self.nothing, self.after = Stand(self), Stand(self)
        self.passed = 0
        self.added: Tensor | None = None

    def sum(self, one: Any, other: Any) -> Any:
        """The stream after a sum with what a branch adds."""
        added = other if one is self.stream else one
        if one is not self.stream and other is not self.stream:
            raise Astray("a part is not added to the stream")
        if self.passed == self.wanted and isinstance(added, Stand) and added.value is not None:
            self.added, self.stream = added.value, self.after
        elif self.passed == self.wanted or added is not self.nothing:
            raise Astray("something else is added to the stream")
        self.passed += 1
        return self.stream

    def left_out(self, *args: Any, **kwargs: Any) -> Stand:
        """What a module of another branch returns."""
        for each in (*args, *kwargs.values()):
            if each is self.stream or type(each) is Stand:
                return self.nothing
        raise Astray("a part is given something else than the stream or what is made of it")

    def last(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Stand:
        """What the last module of the branch returns, to be added."""
        returned = call(*args, **kwargs)
        if not isinstance(returned, Tensor):
            raise Astray("the last part of a branch does not return one tensor")
        return Stand(self, returned)

    def close(self) -> None:
        """Let go of all tensors: it is part of a cycle, and a graph would live until that is collected."""
        self.stream = self.added = None


def alone(
    block: nn.Module, parts: Parts, wanted: int, x: Tensor, /, *args: Any, **kwargs: Any
) -> Tensor:
    """What the branch adds to x. Raises Astray if the block goes another way than along these parts."""
    line = StraightStream(x, wanted)
    try:
        with calls_met(_met(block, parts, line)):
            returned = block.forward(x, *args, **kwargs)
        out = returned[0] if isinstance(returned, tuple | list) else returned
        if out is not line.after or line.passed != len(parts) or line.added is None:
            raise Astray("it returns something else than its stream after all branches")
        return line.added
    finally:
        line.close()


def _met(block: nn.Module, parts: Parts, line: StraightStream) -> Iterator[tuple[nn.Module, Any]]:
    """The modules of other branches, and the last of the wanted one, with what a call of each comes to."""
    for number, paths in enumerate(parts):
        wanted = number == line.wanted
        for path in paths[-1:] if wanted else paths:
            answer = partial(partial, line.last) if wanted else lambda _way: line.left_out
            yield module_at(block, path), answer


def module_at(block: nn.Module, path: Path) -> nn.Module:
    """The module of a block at that path."""
    module: Any = block
    for name in path:
        module = module._modules[name]  # noqa: SLF001  get_submodule takes a microsecond a step
    return module  # type: ignore[no-any-return]
