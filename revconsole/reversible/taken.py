"""How a model takes modules from a list: by index, or by iteration."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


@contextmanager
def taking_noticed(
    module: nn.Module, indexed: dict[nn.Module, set[int]], walked: set[nn.Module]
) -> Iterator[None]:
    """A context in which it is recorded how modules are taken from this list.

    indexed: by list, the places that were taken. walked: lists that were gone through.
    """
    kind: Any = type(module)

    # Only a class can replace special methods, so the list gets a subclass of its own class for the
    # duration of the run. Its methods refer to these two sets and not to a run, because a class is
    # freed only by the cycle collector and would keep the run's tensors alive until then.
    def taken(self: Any, index: Any) -> Any:
        if isinstance(index, int):
            indexed.setdefault(self, set()).add(index)
        return kind.__getitem__(self, index)

    def gone_through(self: Any) -> Any:
        walked.add(self)
        return kind.__iter__(self)

    seen = {"__getitem__": taken, "__iter__": gone_through}
    module.__class__ = type(kind.__name__, (kind,), seen)
    try:
        yield
    finally:
        module.__class__ = kind
