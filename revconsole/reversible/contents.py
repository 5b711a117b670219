"""What changes in place: how it is read, put back, and found from where it is held.

Lists and dictionaries, objects with attributes, variables of closures, arrays, generators of random
numbers. Tensors and modules are not among them: who looks around decides what to do with those.
"""

import functools
import random
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from operator import is_
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

PLAIN: frozenset[type] = frozenset(
    {bool, int, float, complex, str, bytes, type(None)}
)  # what never changes
OTHERS = {"builtins", "torch", "numpy", "typing", "logging", "threading", "weakref", "enum"}
"""Libraries whose objects hold nothing that a model would change."""
FAR = 3  # objects inside objects that are looked into; what a module holds is seldom further away
GONE = object()


class Kind(NamedTuple):
    """A kind of thing that changes in place.

    read: a copy of what may change. write: puts such a copy back. inside: what the thing holds, of a
    copy. far: how much further what it holds is away. changes: not so if only what it holds does.
    """

    read: Callable[[Any], Any]
    write: Callable[[Any, Any], object]
    inside: Callable[[Any], Iterable[Any]] = lambda _copy: ()
    far: int = 0
    changes: bool = True


def _holding(read: Callable[[Any], Any]) -> Kind:
    """A kind that never changes itself."""
    return Kind(read, lambda _thing, _copy: None, tuple, changes=False)


def kind_of(thing: object) -> Kind | None:
    """The kind of a thing; None if the thing never changes, or nothing is known of it."""
    kind = _KINDS.get(type(thing), GONE)
    if kind is GONE:
        kind = _KINDS[type(thing)] = _looked_up(thing)
    return kind  # type: ignore[return-value]  # GONE is not among the values


def _looked_up(thing: object) -> Kind | None:
    for types, kind in (*_BY_TYPE, *_of_numpy()):
        if isinstance(thing, types):
            return kind
    foreign = type(thing).__module__.partition(".")[0] in OTHERS
    plain = isinstance(thing, type | ModuleType) or not hasattr(thing, "__dict__")
    return None if foreign or plain else _OBJECT


def put_back(now: dict[Any, Any], kept: dict[Any, Any]) -> None:
    """The entries as they were kept; nothing is touched where nothing changed."""
    if not now and not kept:
        return
    if list(now) != list(kept):
        now.clear()
        now.update(kept)
        return
    for key, value in kept.items():
        if now.get(key, GONE) is not value:
            now[key] = value


def refill(now: Any, items: list[Any]) -> None:
    """The items as they were."""
    if len(now) == len(items) and all(map(is_, now, items)):
        return
    now.clear()
    (now.update if isinstance(now, set) else now.extend)(items)


def same(left: Any, right: Any) -> bool:
    """Whether two copies of one thing are equal: the same tensors and objects, equal numbers."""
    if left is right or type(left) is not type(right):
        return left is right
    if isinstance(left, Tensor):
        return left.dtype == torch.uint8 and torch.equal(left, right)  # states of generators
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(v, right[k]) for k, v in left.items())
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    if hasattr(left, "tobytes"):
        return bool(left.tobytes() == right.tobytes())
    return type(left) in PLAIN and bool(left == right)


def _cell(cell: CellType) -> tuple[Any, ...]:
    """What a variable holds; nothing if it is not assigned yet."""
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()


def _fill_cell(cell: CellType, copy: tuple[Any, ...]) -> None:
    if copy:
        cell.cell_contents = copy[0]


def _of_numpy() -> Iterator[tuple[Any, Kind]]:
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return
    older = Kind(lambda it: it.get_state(legacy=False), lambda it, copy: it.set_state(copy))
    newer = Kind(
        lambda it: it.bit_generator.state, lambda it, copy: setattr(it.bit_generator, "state", copy)
    )
    yield numpy.random.RandomState, older
    yield numpy.random.Generator, newer
    yield numpy.ndarray, Kind(lambda it: it.copy(), numpy.copyto)


_OBJECT = Kind(
    lambda it: vars(it).copy(),
    lambda it, copy: put_back(vars(it), copy),
    lambda copy: copy.values(),
    far=1,
)
_BY_TYPE: tuple[tuple[Any, Kind | None], ...] = (
    (Tensor | nn.Module | type | ModuleType, None),
    (dict, Kind(dict, put_back, lambda copy: copy.values())),
    (list | deque | set, Kind(list, refill, lambda copy: copy)),
    (tuple | frozenset, _holding(tuple)),
    (torch.Generator, Kind(lambda it: it.get_state(), lambda it, copy: it.set_state(copy))),
    (random.Random, Kind(lambda it: it.getstate(), lambda it, copy: it.setstate(copy))),
    (functools.partial, _holding(lambda it: (it.func, it.args, it.keywords))),
    (MethodType, _holding(lambda it: (it.__self__,))),
    (FunctionType, _holding(lambda it: it.__closure__ or ())),
    (CellType, Kind(_cell, _fill_cell, tuple)),
)
_KINDS: dict[type, Kind | None] = dict.fromkeys(PLAIN)
