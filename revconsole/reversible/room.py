"""Room on a grid: looked at in time to corrupt nothing, and without holding up a GPU.

A stream that outgrows its grid must raise before anybody uses the gradients. The CPU looks at once. On CUDA, where to
look is to wait for all work given so far, the peaks are copied meanwhile and looked at when the backward pass has been
given to the device: `backward()` and `autograd.grad` then raise, and return no gradient.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.autograd.variable import Variable

from revconsole.reversible.lossless import Grid
from revconsole.reversible.shapes import shapes_only


def require_room(grid: Grid, peaks: Sequence[Tensor], dtype: torch.dtype, after: Tensor) -> None:
    """`Grid.require_room` of the streams that led to `after`: now, or at the end of its backward pass."""
    if shapes_only():
        return
    if not (after.is_cuda and after.requires_grad):
        grid.require_room(peaks, dtype)
        return
    here = torch.stack(list(peaks)).to("cpu", non_blocking=True)
    copied = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch gives it no type
    copied.record(torch.cuda.current_stream(after.device))

    def look() -> None:
        copied.synchronize()
        grid.require_room(here.unbind(), dtype)

    at_the_end_of_the_backward(after, look)


def at_the_end_of_the_backward(after: Tensor, look: Callable[[], None]) -> None:
    """Call `look` in every backward pass through `after`, once all of its gradients are computed."""

    def queue(_gradient: Tensor) -> None:
        Variable._execution_engine.queue_callback(look)  # noqa: SLF001  torch's own wrappers use it

    after.register_hook(queue)  # type: ignore[no-untyped-call]  # torch gives it no type
