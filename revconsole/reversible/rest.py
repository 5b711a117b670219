"""Running a module to look at it, and leaving it as it was.

A run may count its calls, fill a cache, update statistics, renormalise a weight, draw numbers. `as_it_was` therefore
remembers all that a module holds: its `__dict__` and those of its modules, the containers and objects in there, the
values of weights, buffers and other tensors, training flags, and every generator of random numbers.
"""

import functools
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from revconsole.reversible.contents import FAR, PLAIN, kind_of, put_back
from revconsole.reversible.outside import outside_state, put_outside

Undo: TypeAlias = tuple[Callable[[Any, Any], object], Any, Any]
"""What puts a thing back, the thing, and what is remembered of it: thousands in a model, many of them empty."""

DICTIONARIES = frozenset({dict, OrderedDict})
"""Of hooks that nobody has registered a module has ten; empty ones lead nowhere."""


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """A context in which the model is in evaluation; each module is then in the mode that it was in, and nothing else."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


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
def as_it_was(module: nn.Module, *beside: object) -> Iterator[None]:
    """Put back the module, what it holds, other things beside it and every generator as they were."""
    undo = [*_generators(module), *(put for each in (module, *beside) for put in _remembered(each))]
    try:
        yield
    finally:
        for write, thing, kept in reversed(undo):
            write(thing, kept)


def _generators(module: nn.Module) -> Iterator[Undo]:
    """What puts back the generators that everybody shares."""
    devices = {weight.device for weight in (*module.parameters(), *module.buffers())}
    yield _put_state, torch.set_rng_state, torch.get_rng_state()
    for device in devices:
        if device.type not in {"cpu", "meta"}:
            kind = torch.get_device_module(device)
            where = () if device.type == "mps" else (device,)
            put = functools.partial(kind.set_rng_state, **({"device": device} if where else {}))
            yield _put_state, put, kind.get_rng_state(*where)
    yield _put_state, put_outside, outside_state()


def _remembered(root: object) -> list[Undo]:
    """What puts back everything that is found from the root, the furthest last."""
    undo: list[Undo] = []
    seen: set[int] = set()
    waiting: deque[tuple[Any, int]] = deque([(root, 0)])
    while waiting:
        thing, far = waiting.popleft()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        kind = kind_of(thing)
        if kind is not None:
            if not kind.far or far < FAR:
                copy = kind.read(thing)
                undo.append((kind.write, thing, copy))
                further = far + kind.far
                waiting.extend(
                    (each, further) for each in kind.inside(copy) if type(each) not in PLAIN
                )
        elif isinstance(thing, Tensor):
            undo += _tensor(thing)
        elif isinstance(thing, nn.Module):
            kept = dict(vars(thing))
            undo += [(put_back, vars(thing), kept), (_put_class, thing, type(thing))]
            for each in kept.values():
                if type(each) in DICTIONARIES and not each:
                    undo.append((put_back, each, {}))
                elif type(each) not in PLAIN:
                    waiting.append((each, 0))
    return undo


def _tensor(tensor: Tensor) -> list[Undo]:
    """What puts back the values of a tensor, and its storage where another was put in place."""
    plain = type(tensor) in {Tensor, nn.Parameter} and tensor.layout is torch.strided
    if not plain or tensor.is_meta or tensor.is_inference():
        return []
    return [(_put_values, tensor, (tensor.data, tensor.detach().clone(), tensor._version))]  # noqa: SLF001  the cheap sign of a change


def _put_values(tensor: Tensor, kept: tuple[Tensor, Tensor, int]) -> None:
    storage, values, version = kept
    if tensor.data_ptr() != storage.data_ptr() or tensor.shape != storage.shape:
        tensor.data = storage
    if tensor._version != version or not torch.equal(storage, values):  # noqa: SLF001  as above
        storage.copy_(values)


def _put_class(module: nn.Module, kind: type[nn.Module]) -> None:
    if type(module) is not kind:
        module.__class__ = kind


def _put_state(put: Callable[[Any], object], state: Any) -> None:
    put(state)
