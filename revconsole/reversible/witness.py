"""A few numbers of what a block computes, which its second evaluation is held against.

What a block keeps and draws is put back for it, as far as that can be found (see `past`). A counter
of its class, a global variable, a clock are not found. In some of its passes a few of its numbers are
therefore kept, and compared where the backward evaluates it again: before a wrong gradient is used.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from revconsole.arithmetic import limit
from revconsole.errors import NotInvertible
from revconsole.reversible.shapes import raised, shapes_only

NUMBERS = 64  # that are kept of a tensor
SLACK = 4  # times the most that rounding may do to a stream, of what a block adds
GROWN = 16  # the same, of a stream that is off by that much itself
# Held against 39 models of five libraries (`tests/conformance/strangers.py`, random numbers, one step): momentum, bdia in
# floats and exact, checkpoints, float32 and bf16. No false alarm in 1,854 comparisons; the largest difference was 0.0008 of
# what is allowed in float32, in bf16 0.013 under momentum and 0.74 under bdia in floats (CaiT).

_off: ContextVar[bool] = ContextVar("_off", default=False)
_passes: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()


def unwatched() -> AbstractContextManager[None]:
    """A context in which no block is watched: whoever measures the difference wants to see it."""
    return raised(_off)


def watched(block: nn.Module) -> bool:
    """Whether this is a pass of the block that is watched: the first, the second, and each that doubles their number.

    What changes from call to call shows in the first two; what begins to later, in one of the others.
    """
    if _off.get() or shapes_only():
        return False
    number = _passes.get(block, 0) + 1
    _passes[block] = number
    return number & (number - 1) == 0


def forgotten(block: nn.Module) -> None:
    """Watch the block anew, as it is wired anew."""
    _passes.pop(block, None)


def sample(tensor: Tensor) -> Tensor:
    """A few of its numbers, from all over it: an odd step apart, as most widths are even and one channel is not enough."""
    flat = tensor.detach().reshape(-1)
    return flat[:: -(-flat.numel() // NUMBERS) | 1].clone()


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
