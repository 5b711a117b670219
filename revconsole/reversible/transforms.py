"""What a run of wired blocks cannot be part of: transforms of `torch.func`, and programs of a trace or an export.

In evaluation a wired model can be traced and exported. In training its backward is no operation that
such a program could hold, and no function that `torch.func` could transform.
"""

from collections.abc import Sequence

import torch

from revconsole.errors import NotInvertible


def traced() -> bool:
    """Whether `torch.jit.trace` is at work."""
    return torch._C._is_tracing()  # noqa: SLF001  what `torch.jit.is_tracing` asks


def recorded() -> bool:
    """Whether torch writes down a program just now, in which no number has a value."""
    return traced() or torch.compiler.is_exporting()


def require_reach(backwards: Sequence[str], *, exact: bool) -> None:
    """Raise NotInvertible with the way out, if these backwards are asked for where they cannot be.

    exact: whether the streams are on a grid.
    """
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
