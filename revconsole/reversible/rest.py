"""Running a module to look at it, and leaving it as it was.

A run may count its calls, fill a cache, update statistics, renormalise a weight, draw numbers. All
that a module holds is therefore remembered before and put back after: its whole `__dict__`, and that
of its modules, the containers and objects in there, the values of weights, buffers and other
tensors, training flags, and every generator of random numbers.
"""

import functools
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from revconsole.reversible.contents import FAR, kind_of, put_back
from revconsole.reversible.outside import outside_state, put_outside

Undo = Callable[[], object]


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
    waiting: deque[tuple[Any, int]] = deque([(root, 0)])
    while waiting:
        thing, far = waiting.popleft()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, Tensor):
            undo.append(_tensor(thing))
        elif isinstance(thing, nn.Module):
            kept = dict(vars(thing))
            undo += [functools.partial(put_back, vars(thing), kept), _class(thing)]
            waiting.extend((each, 0) for each in kept.values())
        elif (kind := kind_of(thing)) is not None and (not kind.far or far < FAR):
            copy = kind.read(thing)
            undo.append(functools.partial(kind.write, thing, copy))
            waiting.extend((each, far + kind.far) for each in kind.inside(copy))
    return undo


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
