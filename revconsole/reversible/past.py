"""What a block is beside its weights, as it stood before an evaluation: for the second one to start from.

A flag, a probability, a rate, a counter, a cached tensor: whatever a module holds as an attribute is
put back for the second evaluation and is afterwards again what it was by then. So are the contents
of lists and dictionaries, and the states of Python's and numpy's own random numbers. A tensor that is
changed in place cannot be put back and is refused, as is one with a graph that a block leaves behind:
the gradient through it would be lost.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from operator import is_
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from revconsole.errors import NotInvertible
from revconsole.reversible.outside import Outside, outside_state, put_outside, same_outside

OWN = frozenset(nn.Module().__dict__) - {"training"}  # torch's own tables, hooks among them
OPEN = (list, dict, set)  # types of values that change in place and can be put back
PLAIN = frozenset({bool, int, float, str, type(None), tuple})  # types of values that never change


@dataclass(slots=True)
class Held:
    """The attributes of one module, what those hold that change in place, and the versions of its tensors."""

    module: nn.Module
    before: dict[str, Any]
    contents: list[tuple[Any, Any]]
    versions: list[tuple[str, Tensor, int]]

    @classmethod
    def of(cls, module: nn.Module) -> "Held":
        """Those of the module now."""
        before, contents, versions = module.__dict__.copy(), [], []
        for name, value in islice(before.items(), len(OWN), None):  # torch's own were set first
            if type(value) in PLAIN:
                continue
            if isinstance(value, OPEN):
                contents.append((value, value.copy()))
            elif isinstance(value, Tensor):
                versions.append((name, value, value._version))  # noqa: SLF001  the only record of a change in place
        buffers = before["_buffers"]
        if buffers and not (isinstance(module, _NormBase) and module.training):
            contents.append((buffers, dict(buffers)))
            tensors = ((n, b) for n, b in buffers.items() if b is not None)
            versions += [(n, b, b._version) for n, b in tensors]  # noqa: SLF001  as above
        return cls(module, before, contents, versions)

    def unchanged(self) -> bool:
        """Whether every attribute is the very object that it was; their contents are not looked at."""
        now, before = self.module.__dict__, self.before
        return len(now) == len(before) and all(map(is_, now.values(), before.values()))

    def changed_in_place(self) -> str | None:
        """The name of a tensor that was changed in place, if there is one."""
        return next((n for n, t, version in self.versions if t._version != version), None)  # noqa: SLF001  as above

    def left_behind(self) -> str | None:
        """The name of an attribute that holds a tensor with a graph and did not before."""
        now, before = self.module.__dict__, self.before
        for value, copy in self.contents:
            old = set(map(id, _listed(copy)))
            if any(_graphed(each) and id(each) not in old for each in _listed(value)):
                return next((name for name, each in now.items() if each is value), None)
        if self.unchanged():
            return None
        fresh = {n: v for n, v in now.items() if v is not before.get(n) and n not in OWN}
        return next((n for n, v in fresh.items() if any(map(_graphed, _listed(v)))), None)

    def put(self) -> None:
        """Give the module these attributes again, and those that change in place their contents."""
        if not self.unchanged():
            now = self.module.__dict__
            for name in [name for name in now if name not in OWN and name not in self.before]:
                del now[name]
            now.update((name, value) for name, value in self.before.items() if name not in OWN)
        for value, copy in self.contents:
            if isinstance(value, list):
                value[:] = copy
            else:
                value.clear()
                value.update(copy)


def _listed(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, (list, tuple, set)) else [value]


def _graphed(value: Any) -> bool:
    return isinstance(value, Tensor) and value.grad_fn is not None


@dataclass(slots=True)
class Past:
    """A block as it stood before an evaluation.

    outside: where the random numbers of Python and numpy stood; None if nothing was drawn.
    """

    held: list[Held]
    outside: Outside | None

    @classmethod
    def now(cls, block: nn.Module) -> "Past":
        """As it stands now."""
        return cls([Held.of(module) for module in block.modules()], outside_state())

    def seal(self, index: int) -> "Past":
        """After the first evaluation: raise for what no second one can repeat, forget what is not needed.

        Raises NotInvertible for what was changed in place, and for tensors with a graph left behind.
        """
        for each in self.held:
            name = each.changed_in_place()
            if name is not None:
                self._refuse(index, each.module, f"changes its {name!r} in place while it computes")
            name = each.left_behind()
            if name is not None:
                what = (
                    f"leaves a tensor with a graph behind in {name!r}, whose gradient would be lost"
                )
                self._refuse(index, each.module, what)
        if self.outside is not None and same_outside(outside_state(), self.outside):
            self.outside = None
        return self

    @contextmanager
    def again(self, index: int) -> Iterator[None]:
        """Let the block be as it was for a `with`, and afterwards as it is now.

        Raises NotInvertible for what was changed in place since.
        """
        with ExitStack() as stack:
            for each in self.held:
                name = each.changed_in_place()
                if name is not None:
                    what = f"has had its {name!r} changed in place since the forward"
                    self._refuse(index, each.module, what)
                same = not each.contents and each.unchanged()
                stack.callback((each if same else Held.of(each.module)).put)
                if not same:
                    each.put()
            if self.outside is not None:
                stack.callback(put_outside, outside_state())
                put_outside(self.outside)
            yield

    @staticmethod
    def _refuse(index: int, module: nn.Module, what: str) -> None:
        raise NotInvertible(
            f"block {index} ({type(module).__name__}) {what}, so that it cannot be evaluated twice "
            "alike: choose backward='stored'"
        )
