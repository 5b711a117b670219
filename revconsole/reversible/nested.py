"""The tensors in nested structures, in order."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn


def tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in mappings, lists and tuples."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from tensors(list(value.values()))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from tensors(each)


def tensors_in(value: Any, deep: int = 6) -> Iterator[Tensor]:
    """The tensors in containers and objects, so many levels deep, but not in modules."""
    if isinstance(value, Tensor):
        yield value
    elif deep and isinstance(value, Mapping):
        for each in value.values():
            yield from tensors_in(each, deep - 1)
    elif deep and isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from tensors_in(each, deep - 1)
    elif deep and hasattr(value, "__dict__") and not isinstance(value, nn.Module | type):
        yield from tensors_in(vars(value), deep - 1)
