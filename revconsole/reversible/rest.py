"""Running a module to look at it, and leaving it as it was.

A run may count its calls, fill a cache, update statistics, renormalise a weight, draw numbers. All
that a module holds is therefore remembered before and put back after: its whole `__dict__`, and that
of its modules, the containers and objects in there, the values of weights, buffers and other
tensors, training flags, and every generator of random numbers.
"""

import functools
import random
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from revconsole.reversible.outside import outside_state, put_outside

Undo = Callable[[], None]
FAR = 3  # objects inside objects that are looked into; what a module holds is seldom further away
OTHERS = {"builtins", "torch", "numpy", "typing", "logging", "threading", "weakref", "enum"}
GONE = object()


@contextmanager
def at_rest(module: nn.Module) -> Iterator[None]:
    """Put the module in evaluation, and it and all it holds back as they were."""
    with as_it_was(module):
        module.eval()
        yield


@contextmanager
def at_work(module: nn.Module) -> Iterator[None]:
    """Put the module in training, and it and all it holds back as they were."""
    with as_it_was(module):
        module.train()
        yield


@contextmanager
def as_it_was(module: nn.Module) -> Iterator[None]:
    """Put back the module, what it holds and every generator as they were."""
    undo = [*_generators(module), *_remembered(module)]
    try:
        yield
    finally:
        for each in reversed(undo):
            each()


def _generators(module: nn.Module) -> Iterator[Undo]:
    """What puts back the generators that everybody shares."""
    devices = {weight.device for weight in (*module.parameters(), *module.buffers())}
    yield functools.partial(torch.set_rng_state, torch.get_rng_state())
    for device in devices:
        if device.type not in {"cpu", "meta"}:
            kind = torch.get_device_module(device)
            where = () if device.type == "mps" else (device,)
            yield functools.partial(kind.set_rng_state, kind.get_rng_state(*where), *where)
    yield functools.partial(put_outside, outside_state())


def _remembered(root: object) -> list[Undo]:
    """What puts back everything that is found from the root, the furthest last."""
    undo: list[Undo] = []
    seen: set[int] = set()
    waiting: deque[tuple[object, int]] = deque([(root, 0)])
    while waiting:
        thing, far = waiting.popleft()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        restore, inside, further = _one(thing, far)
        undo.extend(restore)
        waiting.extend((each, further) for each in inside)
    return undo


def _one(thing: Any, far: int) -> tuple[list[Undo], Iterable[object], int]:  # noqa: PLR0911  a way for each kind of thing
    """What puts one thing back, what it holds, and how far away that is."""
    if isinstance(thing, Tensor):
        return [_tensor(thing)], (), far
    if isinstance(thing, nn.Module):
        kept = dict(vars(thing))
        put_back: Undo = functools.partial(_put_back, vars(thing), kept)
        return [put_back, _class(thing)], kept.values(), 0
    if isinstance(thing, dict):
        kept = dict(thing)
        return [functools.partial(_put_back, thing, kept)], kept.values(), far
    if isinstance(thing, list | deque | set):
        items = list(thing)
        return [functools.partial(_refill, thing, items)], items, far
    if isinstance(thing, tuple | frozenset):
        return [], thing, far
    if isinstance(thing, functools.partial):
        return [], (thing.func, thing.args, thing.keywords), far
    if isinstance(thing, MethodType):
        return [], (thing.__self__,), far
    if isinstance(thing, FunctionType):
        return [], thing.__closure__ or (), far
    if isinstance(thing, CellType):
        return _cell(thing, far)
    return _object(thing, far)


def _object(thing: Any, far: int) -> tuple[list[Undo], Iterable[object], int]:
    """A generator, an array, or an object with attributes of its own."""
    if (own := _drawing(thing)) is not None:
        return [own], (), far
    foreign = type(thing).__module__.partition(".")[0] in OTHERS
    plain = isinstance(thing, type | ModuleType) or not hasattr(thing, "__dict__")
    if foreign or plain or far >= FAR:
        return [], (), far
    kept = dict(vars(thing))
    return [functools.partial(_put_back, vars(thing), kept)], kept.values(), far + 1


def _drawing(thing: Any) -> Undo | None:
    """What puts back a generator of random numbers, or an array."""
    if isinstance(thing, torch.Generator):
        return functools.partial(_set, thing, thing.get_state())
    if isinstance(thing, random.Random):
        return functools.partial(thing.setstate, thing.getstate())
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    if isinstance(thing, numpy.random.RandomState):
        return functools.partial(thing.set_state, thing.get_state())
    if isinstance(thing, numpy.random.Generator):
        return functools.partial(setattr, thing.bit_generator, "state", thing.bit_generator.state)
    return (
        functools.partial(numpy.copyto, thing, thing.copy())
        if isinstance(thing, numpy.ndarray)
        else None
    )


def _set(generator: torch.Generator, state: Tensor) -> None:
    generator.set_state(state)


def _cell(cell: CellType, far: int) -> tuple[list[Undo], Iterable[object], int]:
    """A variable of a function that another function sees."""
    try:
        content = cell.cell_contents
    except ValueError:  # not assigned yet
        return [], (), far
    return [functools.partial(setattr, cell, "cell_contents", content)], (content,), far


def _tensor(tensor: Tensor) -> Undo:
    """What puts back the values of a tensor, and its storage where another was put in place."""
    plain = type(tensor) in {Tensor, nn.Parameter} and tensor.layout is torch.strided
    if not plain or tensor.is_meta or tensor.is_inference():
        return lambda: None
    storage, values, version = tensor.data, tensor.detach().clone(), tensor._version  # noqa: SLF001  the cheap sign of a change

    def put_back() -> None:
        if tensor.data_ptr() != storage.data_ptr() or tensor.shape != storage.shape:
            tensor.data = storage
        if tensor._version != version or not torch.equal(storage, values):  # noqa: SLF001  as above
            storage.copy_(values)

    return put_back


def _class(module: nn.Module) -> Undo:
    kind = type(module)

    def put_back() -> None:
        if type(module) is not kind:
            module.__class__ = kind

    return put_back


def _put_back(now: dict[Any, Any], kept: dict[Any, Any]) -> None:
    """The entries as they were kept; nothing is touched where nothing changed."""
    if list(now) != list(kept):
        now.clear()
        now.update(kept)
        return
    for key, value in kept.items():
        if now.get(key, GONE) is not value:
            now[key] = value


def _refill(now: Any, items: list[Any]) -> None:
    """The items as they were."""
    if len(now) == len(items) and all(one is other for one, other in zip(now, items, strict=True)):
        return
    now.clear()
    (now.update if isinstance(now, set) else now.extend)(items)
