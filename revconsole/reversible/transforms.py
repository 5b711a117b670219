"""What a run of wired blocks cannot be part of: transforms of `torch.func`, traces and exports, nested tensors.

In evaluation a wired model can be traced and exported. In training its backward is no operation that
such a program could hold, and no function that `torch.func` could transform.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from revconsole.errors import NotInvertible


def traced() -> bool:
    """Whether `torch.jit.trace` is at work."""
    return torch._C._is_tracing()  # noqa: SLF001  what `torch.jit.is_tracing` asks


def recorded() -> bool:
    """Whether torch writes down a program just now, in which no number has a value."""
    return traced() or torch.compiler.is_exporting()


def require_reach(x: Tensor, backwards: Sequence[str], *, exact: bool) -> None:
    """Raise NotInvertible with the way out, if these backwards are asked for where they cannot be.

    x: the stream. exact: whether it is on a grid.
    """
    if x.is_nested:
        raise NotInvertible(
            "the blocks are given a nested tensor, as `nn.TransformerEncoder` packs one in evaluation where there is "
            "a padding mask, and two of those cannot be added: build it with enable_nested_tensor=False, or choose "
            "a scheme that is the plain network in evaluation, such as bdia"
        )
    ours = any(word != "stored" for word in backwards)
    if (ours or exact) and torch._C._functorch.maybe_current_level() is not None:  # noqa: SLF001  no other way to ask
        raise NotInvertible(
            "transforms of torch.func (grad, vmap, jvp, …) do not reach into a run of wired blocks: choose "
            "backward='stored' and grid_bits=None, or give them the plain model, `unwire(model)`"
        )
    if ours and recorded():
        raise NotInvertible(
            "a trace or an export cannot hold the backward of a run of wired blocks: call `model.eval()` first, "
            "or choose backward='stored'"
        )


def require_once() -> None:
    """Raise NotInvertible where a backward is to be differentiated itself."""
    if torch.is_grad_enabled():
        raise NotInvertible(
            "the gradient of a reversible run cannot be differentiated again (create_graph=True): choose "
            "backward='checkpointed' or 'stored'"
        )
