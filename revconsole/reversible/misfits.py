"""Misfits: why a module is not a residual block, in words, according to its calls in a run."""

from collections.abc import Sequence

from torch import Tensor, nn

from revconsole.reversible.branches import declares
from revconsole.reversible.crossings import Crossing, listed
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
    skips = declares(call.module) or call.skip.ends or call.skip.inside
    changes = "changes its input in place" if call.changed else ""
    return changes if skips else "is not residual: nothing is added to its input"


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape))


def crossed(seen: Sequence[Crossing]) -> str:
    """What crosses the borders of a block besides its stream, in its calls; empty if nothing does."""
    if any(crossing.gambles for crossing in seen):
        return (
            "draws random numbers of Python or NumPy, which a second evaluation would not draw "
            "again: draw them with torch"
        )
    if any(crossing.mutates for crossing in seen):
        return (
            "changes a list or a dictionary that it is given, and in a wired run each block gets its own: "
            "let it return what it makes, or keep it on the block"
        )
    asks = listed(repr(what) for crossing in seen for what in crossing.asks)
    if asks:
        return (
            f"asks for {asks} of a tensor that it is given or holds, and in a wired block that is another tensor of "
            "the same numbers: ask before the blocks, and hand over what follows from it"
        )
    reads = listed(name for crossing in seen for name in crossing.reads)
    if reads:
        return (
            f"reads {reads}, which it does not hold and is not given: register it on the block, "
            "or hand it over as an argument"
        )
    leaves = listed(what for crossing in seen for what in crossing.leaves)
    if leaves:
        return (
            f"leaves more behind than its output: {leaves}; a wired block returns its stream alone"
        )
    return ""
