"""Trace: in which module of a model the samples of a batch first meet, or an image is last seen.

Two batches that differ in one sample go through the model, and every module's input and output are compared:
the rows of the changed sample, and those of all others.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from revconsole.reversible.audit.check import sow
from revconsole.reversible.audit.record import named
from revconsole.reversible.pending import Pending

ROUNDING = 1e-5  # relative; kernels may round a row otherwise when another one changes


@dataclass(frozen=True, slots=True, kw_only=True)
class MixingFindings:
    """Names of modules, with their class; "" where there is none.

    mixing: the innermost one whose output for a sample depends on another while its input does not. blind: the first one
    to whose output the image no longer matters, nor to anything after it. seen: the last one to whose output it did.
    """

    mixing: str
    blind: str
    seen: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedCall:
    """One call of a module: the tensors it was given and returned."""

    name: str
    module: nn.Module
    given: Sequence[Tensor]
    returned: Sequence[Tensor]


class Change(NamedTuple):
    """Whether the changed sample, and whether any other, differs in what a module was given or returned."""

    own: bool
    others: bool


def trace(model: nn.Module, images: Tensor, changed: Tensor, sample: int) -> MixingFindings:
    """The modules at which two batches (B, …) that differ in one sample stop being independent, or stop to differ."""
    before, after = _calls(model, images), _calls(model, changed)
    count = len(images)
    pairs = list(zip(before, after, strict=False))
    given = [_change(call.given, again.given, sample, count) for call, again in pairs]
    returned = [_change(call.returned, again.returned, sample, count) for call, again in pairs]
    changes = list(zip(before, given, returned, strict=False))
    mixing = next((call for call, into, out in changes if out.others and not into.others), None)
    last = max((i for i, out in enumerate(returned) if out.own), default=-1)
    blind = next((call for call, into, _ in changes[last + 1 :] if into.own and call.name), None)
    return MixingFindings(
        mixing=_called(mixing),
        blind=_called(blind),
        seen=_called(before[last]) if last >= 0 else "",
        remedy=_remedy(mixing.module) if mixing else "",
    )


def _calls(model: nn.Module, images: Tensor) -> list[TracedCall]:
    """Every call of a module in a forward pass, inner ones before the outer."""
    calls: list[TracedCall] = []
    entered: list[list[Tensor]] = []

    def enter(_module: nn.Module, args: Any, kwargs: Any) -> None:
        entered.append(list(_tensors((args, kwargs))))

    with ExitStack() as stack:
        for name, module in model.named_modules():

            def leave(module: nn.Module, _args: Any, output: Any, name: str = name) -> None:
                returned = list(_tensors(output))
                calls.append(
                    TracedCall(name=name, module=module, given=entered.pop(), returned=returned)
                )

            stack.callback(module.register_forward_pre_hook(enter, with_kwargs=True).remove)
            stack.callback(module.register_forward_hook(leave).remove)
        sow(images.device)
        with torch.no_grad():
            model(images)
    return calls


def _tensors(value: Any) -> Iterator[Tensor]:
    """Copies of the tensors in nested containers: what comes later may change them in place."""
    if isinstance(value, Pending):
        return
    if isinstance(value, Tensor):
        yield value.detach().clone()
    elif isinstance(value, Mapping):
        yield from _tensors(list(value.values()))
    elif isinstance(value, Iterable) and not isinstance(value, str):
        for each in value:
            yield from _tensors(each)


def _change(before: Sequence[Tensor], after: Sequence[Tensor], sample: int, count: int) -> Change:
    """Whether the sample's rows differ at all, and whether those of any other differ beyond rounding."""
    own = others = False
    for old, new in zip(before, after, strict=False):
        rows_before, rows_after = _rows(old, count), _rows(new, count)
        if rows_before is None or rows_after is None or old.shape != new.shape:
            continue
        apart = (rows_before - rows_after).abs().amax(dim=1)
        own |= bool(apart[sample] != 0)
        apart[sample] = 0
        others |= bool((apart > ROUNDING * rows_before.abs().max()).any())
    return Change(own, others)


def _rows(tensor: Tensor, count: int) -> Tensor | None:
    """One row per sample: along the first axis of that size, or the first if it is a multiple."""
    sized = [axis for axis, size in enumerate(tensor.shape) if size == count]
    if sized:
        tensor = tensor.movedim(sized[0], 0)
    elif not tensor.ndim or not len(tensor) or len(tensor) % count:
        return None
    return tensor.double().reshape(count, -1) if tensor.numel() else None


def _called(call: TracedCall | None) -> str:
    return "" if call is None else named(call.name, call.module)


def _remedy(module: nn.Module) -> str:
    if isinstance(module, nn.MultiheadAttention) and not module.batch_first:
        return "it reads (tokens, batch, width) unless it is made with batch_first=True"
    if isinstance(module, _NormBase):
        return "keep running statistics (track_running_stats=True), or use LayerNorm or GroupNorm"
    return (
        "look for attention over the wrong axis, a transpose that is not undone, or a mean or softmax "
        "over dim 0; tensors are (batch, tokens, width)"
    )
