"""A few numbers of what a block computes, which its second evaluation is held against.

What a block keeps and draws is put back for it, as far as that can be found (see `past`). A counter
of its class, a global variable, a clock are not found. In its first passes some of its numbers are
therefore kept, and compared where the backward evaluates it again: before a wrong gradient is used.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from revconsole.arithmetic import limit
from revconsole.errors import NotInvertible

PASSES = 2  # of a block that are watched: what changes from call to call shows in these
NUMBERS = 64  # that are kept of a tensor
SLACK = 4  # times the most that rounding may do to a stream, of what a block adds
GROWN = 16  # the same, of a stream that is off by that much itself

_off: ContextVar[bool] = ContextVar("_off", default=False)
_passes: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()


@contextmanager
def unwatched() -> Iterator[None]:
    """Watch no block for a while: whoever measures the difference wants to see it."""
    token = _off.set(True)
    try:
        yield
    finally:
        _off.reset(token)


def watched(block: nn.Module) -> bool:
    """Whether this is one of the first passes of the block."""
    passes = _passes.get(block, 0)
    if passes < PASSES and not _off.get():
        _passes[block] = passes + 1
        return True
    return False


def forgotten(block: nn.Module) -> None:
    """Watch the block anew, as it is wired anew."""
    _passes.pop(block, None)


def sample(tensor: Tensor) -> Tensor:
    """A few of its numbers, from all over it."""
    flat = tensor.detach().reshape(-1)
    return flat[:: max(1, flat.numel() // NUMBERS)][:NUMBERS].clone()


def require_same(
    first: Sequence[Tensor],
    again: Sequence[Tensor],
    streams: Sequence[Tensor],
    *,
    exact: bool,
    block: nn.Module,
    index: int,
) -> None:
    """Raise NotInvertible if the second evaluation gave other numbers than rounding explains.

    first: samples. again: tensors, one for each. streams: that they are added to. exact: whether the block was given the same bits.
    """
    for kept, tensor in zip(first, again, strict=True):
        if not kept.numel() or kept.is_meta:
            continue
        apart, most = (sample(tensor) - kept).abs().max(), limit(_rounding(kept))
        allowed = SLACK * most * kept.abs().max()
        if not exact:
            largest = max(sample(stream).abs().max().double() for stream in streams)
            allowed = allowed + GROWN * most * largest
        if apart > allowed:
            raise NotInvertible(
                f"block {index} ({type(block).__name__}) computed other numbers when it was evaluated again in the "
                "backward: it, or a hook inside it, counts or draws in a place that nobody puts back, such as a "
                "variable of its class or module; keep that on the block itself, or choose backward='stored'"
            )


def _rounding(kept: Tensor) -> float:
    """The rounding of the coarsest type that takes part."""
    kind = kept.device.type
    types = [kept.dtype]
    if torch.is_autocast_enabled(kind):
        types.append(torch.get_autocast_dtype(kind))
    return max(torch.finfo(each).eps / 2 for each in types)
