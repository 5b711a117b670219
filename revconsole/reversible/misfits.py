"""Misfits: why a module is not a residual block, in words, according to its calls in a run."""

from torch import Tensor, nn

from revconsole.reversible.trial import ModuleCall

TURNS = "turns"


def not_once(module: nn.Module, calls: int) -> str:
    """The sentence for a module that was called never, or more than once."""
    if calls:
        return (
            f"is called {calls} times in a run, and not through its name in the model (but in a list of Python, "
            "say), or the model asks what it is: call a `ReversibleSequence(*[block] * n, scheme=…)` instead"
        )
    if isinstance(module, nn.ModuleList):
        return (
            "is a list of parts that the model calls itself, and with what they return it does more "
            "than add it to the stream they were given"
        )
    return "is not called in a run of the model"


def misfit(call: ModuleCall) -> str:
    """Why a call does not look like that of a residual block; empty if it does."""
    stream, out = call.stream, call.out
    if not isinstance(stream, Tensor) or not stream.is_floating_point():
        return "is not given its stream as the first argument"
    if not isinstance(out, Tensor):
        return f"returns a {type(out).__name__} and not one tensor"
    if call.rest and any(not isinstance(each, Tensor | None) for each in call.rest):
        return "returns a tuple and not one tensor"
    if out.shape != stream.shape or out.dtype != stream.dtype:
        to = _shape(out) if out.dtype == stream.dtype else f"{_shape(out)} in {out.dtype}"
        return f"{TURNS} {_shape(stream)} into {to}"
    if call.mark is None or out.grad_fn is None:
        return "computes without gradients"
    declared = callable(getattr(call.module, "branches", None))
    skips = declared or call.skip.ends or call.skip.inside
    changes = "changes its input in place" if call.changed else ""
    return changes if skips else "is not residual: nothing is added to its input"


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape))
