"""Tokens: whether attention, skips and the head do what those of a vision transformer are for.

Shapes: B images, N tokens, D width.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from revconsole.reversible.audit.check import Case, Check, aimed
from revconsole.reversible.audit.gradients import stacks
from revconsole.reversible.audit.products import AttentionProducts, Products
from revconsole.reversible.audit.record import PassRecord, RecordedCall, recorded
from revconsole.reversible.audit.reversal import everything_stored
from revconsole.reversible.nested import tensors
from revconsole.reversible.rest import evaluating
from revconsole.reversible.sequence import ReversibleSequence
from revconsole.reversible.skips import Node

ATTENTION = "attention"
SKIPS = "skip connections"
READ = "tokens read"
CERTAIN = 0.9  # of the tokens attending to one other each: saturated
WEIGHTS = re.compile(r"Mm|Addmm|Bmm|Baddbmm|Convolution|Linear|Softmax|ScaledDot|Embedding")
ATTENDS = re.compile(r"Softmax|ScaledDot")


@dataclass(slots=True, kw_only=True)
class Through:
    """A block's call: what it was given, that as a mark in the graph, and what it returned."""

    given: Tensor
    mark: Tensor
    returned: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One module's tokens, (N, D) for each image: which of them depend on the image, and the head reads which."""

    tensor: Tensor
    axis: int
    name: str


def tokens(case: Case) -> list[Check]:
    """Attention, skips, and what the head reads, from one pass in evaluation."""
    few = case.few().noisy()
    with ExitStack() as stack:
        stack.enter_context(everything_stored(few))
        stack.enter_context(evaluating(few.model))
        record = stack.enter_context(recorded(few.model))
        marks = _marked(few.model, stack)
        products = stack.enter_context(Products(record, few.model, attention=True))
        stack.enter_context(torch.enable_grad())
        out = few.logits()
        skipless = list(_skipless(marks))
    streams = list(_streams(record, len(few.images)))
    read = _read(out, streams)
    return [_attention(products.seen, read), _skips(marks, skipless), read.check]


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What the head reads of the last tokens: `last` where only the last one, and what is found of it."""

    check: Check
    last: bool
    alone: tuple[int, int]


def _attention(found: AttentionProducts, read: Read) -> Check:
    seen = found.attention
    if not seen:
        return Check.unjudged(ATTENTION, "there is none")
    figure = f"in {len(seen)} modules"
    wrong = [name for name, each in seen.items() if each.wrong]
    if wrong:
        return Check.failure(
            ATTENTION,
            f"{figure}; in {len(wrong)} the weights of a mean do not sum to 1",
            f"{wrong[0]} takes the softmax over the queries: take it over the keys, the axis that the values are "
            "summed over (dim=-1)",
        )
    certain = [name for name, share in found.certain.items() if share > CERTAIN]
    if certain:
        return Check.failure(
            ATTENTION,
            f"{figure}; in {len(certain)} each token attends to one other alone",
            f"the softmax of {certain[0]} is saturated, so that next to no gradient passes it: divide the scores "
            "by the root of the heads' width, or start with smaller weights",
        )
    several = {name: each for name, each in seen.items() if each.tokens > 1}
    causal = [name for name, each in several.items() if each.causal]
    if causal and not read.last:
        return Check.failure(
            ATTENTION,
            f"{figure}; in {len(causal)} no token attends to a later one",
            f"{causal[0]} has a causal mask, and the head reads tokens that have not seen the whole image: leave "
            "the mask out, or read the last token alone",
        )
    reached, count = read.alone
    if several and count > 2 and reached == 1:
        return Check.failure(
            ATTENTION,
            f"{figure}; a token depends on 1 of {count}, itself",
            f"{next(iter(several))} attends over something else than the tokens, the heads perhaps: bring them to "
            "(batch, heads, tokens, width)",
        )
    return Check.success(ATTENTION, figure)


def _marked(model: nn.Module, stack: ExitStack) -> dict[str, Through]:
    """The first input of each block of a stack, marked in the graph, and its first output, by the block's path."""
    marks: dict[str, Through] = {}
    for container, path in stacks(model):
        if isinstance(container, ReversibleSequence):
            continue
        for name, block in container.named_children():
            called = f"{path}.{name}".lstrip(".")
            stack.callback(block.register_forward_pre_hook(_marking(marks, called)).remove)
            stack.callback(block.register_forward_hook(_ending(marks, called)).remove)
    return marks


def _marking(marks: dict[str, Through], called: str) -> Any:
    def mark(_module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if not args or not isinstance(args[0], Tensor) or not args[0].is_floating_point():
            return None
        given = args[0] if args[0].requires_grad else args[0].detach().requires_grad_()
        marked = given.view_as(given)
        marks[called] = Through(given=args[0], mark=marked, returned=marked)
        return (marked, *args[1:])

    return mark


def _ending(marks: dict[str, Through], called: str) -> Any:
    def end(_module: nn.Module, _args: Any, output: Any) -> None:
        if called in marks:
            marks[called].returned = next(tensors(output), marks[called].mark)

    return end


def _skipless(marks: dict[str, Through]) -> Iterator[str]:
    """Blocks with attention whose output holds their input nowhere as it was, but for norms and scalings.

    Only blocks that are given what another returns: what is added outside of it is a branch and no block.
    """
    given = {id(each.given) for each in marks.values()}
    returned = {id(each.returned) for each in marks.values()}
    for called, each in marks.items():
        chained = id(each.returned) in given or id(each.given) in returned
        start, mark = each.returned.grad_fn, each.mark.grad_fn
        if not chained or start is None or each.returned.shape != each.mark.shape:
            continue
        whole, reached = _below(start, mark), mark in _below(start, mark, around=WEIGHTS)
        if mark in whole and not reached and any(ATTENDS.search(n.name()) for n in whole):
            yield called


def _below(start: Node, mark: Node, *, around: re.Pattern[str] | None = None) -> set[Node]:
    """The nodes from there down to the mark, without those named `around` and what is below them only."""
    seen: set[Node] = set()
    waiting = [start]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen or (around and around.search(node.name())):
            continue
        seen.add(node)
        if node is not mark:
            waiting.extend(child for child, _ in node.next_functions)
    return seen


def _skips(marks: dict[str, Through], skipless: Sequence[str]) -> Check:
    if not marks:
        return Check.unjudged(SKIPS, "no stack of blocks adds for itself")
    if not skipless:
        return Check.success(SKIPS, f"{len(marks)} blocks")
    return Check.failure(
        SKIPS,
        f"{len(skipless)} of {len(marks)} blocks with attention do not hand their input on",
        f"in {skipless[0]} attention or MLP replaces the stream in place of adding to it: write x = x + attn(…) "
        "and x = x + mlp(…)",
    )


def _streams(record: PassRecord, count: int) -> Iterator[Stream]:
    """The tokens that modules were given and returned, in the order of the calls."""
    for call in sorted(record.calls, key=lambda each: each.start):
        yield from _stream(call, call.given, count)
    for call in record.calls:
        yield from _stream(call, call.returned, count)


def _stream(call: RecordedCall, value: object, count: int) -> Iterator[Stream]:
    if isinstance(value, Tensor) and value.ndim == 3 and value.requires_grad:
        axis = next((1 - at for at in (0, 1) if value.shape[at] == count), None)
        if axis is not None and value.shape[axis] > 1:
            yield Stream(tensor=value, axis=axis, name=call.called)


def _read(out: Tensor, streams: Sequence[Stream]) -> Read:
    """What is read of the last tokens, from which the head is made."""
    target = aimed(out[0])
    for stream in reversed(streams) if target.requires_grad else ():
        gradient = _gradient(target, stream.tensor)
        if gradient is None or not gradient.any():
            continue
        read = _by_token(gradient, stream.axis)
        same = [s for s in streams if s.tensor.shape[s.axis] == len(read)]
        fixed = _fixed(same[0])
        return Read(
            check=_judged(read, fixed),
            last=bool(read[-1]) and int(read.sum()) == 1,
            alone=(_reached(stream, same[0], len(read)), len(read)),
        )
    nothing = Check.unjudged(READ, "the head is given no tokens")
    return Read(check=nothing, last=False, alone=(0, 0))


def _gradient(target: Tensor, tensor: Tensor) -> Tensor | None:
    gradient: Tensor | None
    (gradient,) = torch.autograd.grad(target, tensor, allow_unused=True, retain_graph=True)
    return gradient


def _by_token(gradient: Tensor, axis: int) -> Tensor:
    """Whether each token of the first image has any, bool (N,)."""
    first = gradient.select(1 - axis, 0)
    return (first != 0).any(dim=1)


def _fixed(stream: Stream) -> Tensor:
    """Whether each token is the same for every image, as class tokens are before the first block; bool (N,)."""
    values = stream.tensor.detach().movedim(stream.axis, 0)
    return (values == values[:, :1]).flatten(1).all(dim=1)


def _reached(last: Stream, first: Stream, count: int) -> int:
    """The number of first tokens on which the middle one of the last tokens depends."""
    if last.tensor is first.tensor:
        return 0
    middle = last.tensor.select(last.axis, count // 2)[0]
    direction = torch.arange(1.0, len(middle) + 1).cos().to(middle)
    gradient = _gradient((middle * direction).sum(), first.tensor)
    return 0 if gradient is None else int(_by_token(gradient, first.axis).sum())


def _judged(read: Tensor, fixed: Tensor) -> Check:
    count, total = int(read.sum()), len(read)
    figure = f"{count} of {total}"
    which = int(read.nonzero()[0])
    if count == 1 and not fixed[which] and not fixed.all():
        own = [int(each) for each in fixed.nonzero()]
        if own:
            return Check.failure(
                READ,
                figure,
                f"the head reads token {which}, a patch, and not the class token, which is number {own[0]}",
            )
        if which != total - 1:
            advice = f"the head reads token {which}, a patch, and no class token is there: meant?"
            return Check.success(READ, figure, advice)
    unread = int((~read & ~fixed).sum())
    if count > 1 and unread and (read & ~fixed).any():
        advice = f"the head leaves out {unread} patches: meant?"
        return Check.success(READ, figure, advice)
    return Check.success(READ, figure)
