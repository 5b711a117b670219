"""What one module holds beside its weights, and whether it still does.

Its attributes, what these hold that changes in place (see `contents`), and how often its tensors had been changed
in place.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import is_
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from revconsole.reversible.contents import FAR, PLAIN, Kind, kind_of, same
from revconsole.reversible.nested import tensors_in

OWN = frozenset(nn.Module().__dict__) - {"training"}  # torch's own tables, hooks among them
FIRST = len(nn.Module().__dict__)  # of a module's own attributes: torch sets all of its first
BIG = 1 << 20  # bytes of an array of numpy that is copied
MANY = 64  # things in a list that is looked through; its own entries are kept however many they are


class Thing(NamedTuple):
    """Something that a module holds, by the name of its attribute, and what it held before."""

    name: str
    itself: Any
    kind: Kind
    before: Any

    def unchanged(self) -> bool:
        """Whether the thing holds what it held."""
        return same(self.before, self.kind.read(self.itself))

    def put(self) -> None:
        """Let it hold what it held."""
        self.kind.write(self.itself, self.before)

    def left(self) -> bool:
        """Whether the thing holds a tensor with a graph that it did not hold."""
        old = set(map(id, self.kind.inside(self.before)))
        now = self.kind.inside(self.kind.read(self.itself))
        return any(_graphed(each) and id(each) not in old for each in now)


class Version(NamedTuple):
    """A tensor that a module holds, by name, and how often it had been changed in place."""

    name: str
    tensor: Tensor
    number: int

    @property
    def changed(self) -> bool:
        """Whether the tensor was changed in place since."""
        return self.tensor._version != self.number  # noqa: SLF001  the only record of a change in place


@dataclass(slots=True)
class Held:
    """What one module holds: its attributes, what these hold that changes in place, and its tensors.

    weights, counts: its parameters, and how often each had been changed in place.
    """

    module: nn.Module
    before: dict[str, Any]
    weights: tuple[Any, ...]
    counts: list[int]
    things: list[Thing]
    versions: list[Version]

    @classmethod
    def of(cls, module: nn.Module, known: set[int], stray: Callable[[nn.Module], object]) -> "Held":
        """The tensors of the module as they are now.

        known: identities of what need not be looked at, to which is added. stray: is given modules
        that it holds without having registered them.
        """
        before = module.__dict__.copy()
        weights = tuple(before["_parameters"].values())
        held = cls(module, before, weights, _counts(weights), [], [])
        for name, value in islice(before.items(), FIRST, None):
            if type(value) not in PLAIN:
                held.look(name, (value,), known, stray)
        buffers = before["_buffers"]
        if buffers and not (isinstance(module, _NormBase) and module.training):
            held.look("buffers", (buffers,), known, stray)
            named = ((name, each) for name, each in buffers.items() if each is not None)
            held.versions += [Version(name, each, each._version) for name, each in named]  # noqa: SLF001  as above
        return held

    def look(
        self, name: str, held: Iterable[Any], known: set[int], stray: Callable[[nn.Module], object]
    ) -> None:
        """Put down what changes in place among these and in what they hold."""
        waiting = [(value, 0) for value in held]
        while waiting:
            value, far = waiting.pop()
            if type(value) in PLAIN or id(value) in known:
                continue
            known.add(id(value))
            if isinstance(value, Tensor):
                self.versions.append(Version(name, value, value._version))  # noqa: SLF001  as above
            elif getattr(value, "nbytes", 0) > BIG:
                continue
            elif isinstance(value, nn.Module):
                stray(value)
            elif (kind := kind_of(value)) is not None and (not kind.far or far < FAR):
                thing = Thing(name, value, kind, kind.read(value))
                if kind.changes:
                    self.things.append(thing)
                inside = list(islice(kind.inside(thing.before), MANY + 1))
                if len(inside) <= MANY:
                    waiting += [(each, far + kind.far) for each in inside]

    def unchanged(self) -> bool:
        """Whether every attribute is the very object that it was; their contents are not looked at."""
        now, before = self.module.__dict__, self.before
        return len(now) == len(before) and all(map(is_, now.values(), before.values()))

    @property
    def simple(self) -> bool:
        """Whether nothing that it holds changes in place, but for its weights."""
        return not self.things and not self.versions

    def untouched(self) -> bool:
        """Whether nothing at all is other than it was, as far as that can be seen at once."""
        return self.simple and self.unchanged() and not self.replaced() and not self._rewritten()

    def _rewritten(self) -> bool:
        return self.counts != _counts(self.weights)

    def changed_in_place(self) -> str | None:
        """The name of a tensor that was changed in place, if there is one."""
        if self._rewritten():
            named = zip(
                self.before["_parameters"], self.counts, _counts(self.weights), strict=False
            )
            return next((name for name, old, new in named if old != new), "weights")
        return next((each.name for each in self.versions if each.changed), None)

    def replaced(self) -> bool:
        """Whether the module has other weights than before."""
        now = self.module.__dict__["_parameters"]
        return len(now) != len(self.weights) or not all(map(is_, now.values(), self.weights))

    def left_behind(self) -> str | None:
        """The name of an attribute that holds a tensor with a graph and did not before."""
        for thing in self.things:
            if thing.left():
                return thing.name
        if self.unchanged():
            return None
        now, before = self.module.__dict__, self.before
        fresh = {n: v for n, v in now.items() if v is not before.get(n) and n not in OWN}
        return next((n for n, v in fresh.items() if any(map(_graphed, tensors_in(v, 2)))), None)

    def difference(self) -> str | None:
        """The name of something that is not what it was, and not equal to it either."""
        if self.untouched():
            return None
        now, before = self.module.__dict__, self.before
        if not self.unchanged():
            for name in (*before, *now):
                if name not in before or name not in now or not same(before[name], now[name]):
                    return name
        if self.replaced():
            return "weights"
        return self.changed_in_place() or next(
            (each.name for each in self.things if not each.unchanged()), None
        )

    def put(self) -> None:
        """Give the module these attributes again, and those that change in place their contents."""
        if not self.unchanged():
            now = self.module.__dict__
            for name in [name for name in now if name not in OWN and name not in self.before]:
                del now[name]
            now.update((name, value) for name, value in self.before.items() if name not in OWN)
        for thing in self.things:
            thing.put()


def _counts(weights: Iterable[Any]) -> list[int]:
    return [-1 if weight is None else weight._version for weight in weights]  # noqa: SLF001  the only record of it


def _graphed(value: Any) -> bool:
    return isinstance(value, Tensor) and value.grad_fn is not None


def states(block: nn.Module, given: Sequence[Any] = ()) -> list[Held]:
    """What every module of the block holds now, and, with the block's own, what the block is given."""
    modules = list(block.modules())
    return looked_at(modules, modules, given)


def looked_at(
    modules: Sequence[nn.Module], registered: Iterable[nn.Module], given: Sequence[Any]
) -> list[Held]:
    """What these modules hold now, others that they have not registered, and, with the first, what it is given."""
    known, waiting = set(map(id, registered)), list(modules)
    # `waiting` grows meanwhile.
    held = [Held.of(module, known, waiting.append) for module in waiting]
    if given:
        held[0].look("arguments", given, known, waiting.append)
    return held


def containers(given: Any) -> list[Thing]:
    """The lists and dictionaries among arguments, which every block gets anew in a wired run."""
    things: list[Thing] = []
    waiting = [given]
    while waiting:
        each = waiting.pop()
        if isinstance(each, tuple | list | dict):
            kind = kind_of(each)
            if kind is not None and kind.changes:
                things.append(Thing("arguments", each, kind, kind.read(each)))
            waiting += each.values() if isinstance(each, dict) else each
    return things
