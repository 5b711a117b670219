"""Blocks of several branches, taken apart at their sums.

A transformer block adds to its stream what its attention makes of it, x + a(x), then what its MLP makes of that,
x + m(x). Its graph (see `skips`) says which of its additions these are; no name of a part is looked at. A branch is
the block's own forward with every other branch left out (see `walks`): its modules are not called, its functions not
computed, its sum hands the stream on. What does not come from the stream, conditioning say, is computed as ever.

`fitting` compares the graph of the sum of the branches with that of the block's forward, and the numbers where there
are any. A block that later goes another way than it did then raises a RevconsoleError.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from revconsole.errors import RevconsoleError
from revconsole.reversible.leaving import Leaving
from revconsole.reversible.rest import at_work
from revconsole.reversible.skips import same_computation, skip_between
from revconsole.reversible.straight import Parts, alone, module_at
from revconsole.reversible.walks import Answers, Astray, Path, Watching

Branch = Callable[..., Tensor]
CLOSE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 3e-2, torch.float16: 4e-3}
"""How far two orders of summation may lie apart, relative to the largest number."""
FAILURES = (
    Astray, RevconsoleError, TypeError, ValueError, RuntimeError, AttributeError, AssertionError, IndexError,
    KeyError,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSplit:
    """How a block is taken apart.

    sums: which of its additions to the stream add a branch, counted in their order. additions: how
    many there are. answers: of the modules that lie in one branch each, and of functions. parts: the
    modules of each branch, if the block only calls these and adds up, in evaluation and in training.
    """

    sums: tuple[int, ...]
    additions: int
    answers: Answers
    parts: Parts = ()

    def branches(self, block: nn.Module) -> tuple[Branch, ...]:
        """What the block adds to its stream, sum by sum."""
        return tuple(partial(_alone, block, self, number) for number in range(len(self.sums)))

    def ways(self) -> "tuple[BlockSplit, ...]":
        """Itself, and before it the shorter way where there is one."""
        return (self, replace(self, parts=())) if self.parts else (self,)


def fitting(block: nn.Module, given: Sequence[Any], named: Mapping[str, Any]) -> BlockSplit | None:
    """The split whose branches add up to the block's forward; None if there is none.

    given, named: arguments the block can be called with, in evaluation; the first is its stream.
    """
    stream, *others = given
    with torch.enable_grad():  # also inside a forward that records none
        x = stream.detach().requires_grad_().clone()
        try:
            whole, split = _watched(block, x, others, named)
        except FAILURES:
            return None
        ways = split.ways() if split else ()
        return next((each for each in ways if _fits(each, block, whole, (x, *others), named)), None)


def _fits(
    split: BlockSplit,
    block: nn.Module,
    whole: Tensor,
    given: Sequence[Any],
    named: Mapping[str, Any],
) -> bool:
    """Whether the branches add up to what the block made of what it is given."""
    try:
        summed = _summed(split.branches(block), given, named)
    except FAILURES:
        return False  # it does more between its sums than can be left out
    if summed.shape != whole.shape or not same_computation(whole, summed, given[0].grad_fn):
        return False
    return whole.is_meta or _close(whole.detach(), summed.detach())


def add_up(
    parts: Callable[[], Sequence[Branch]],
    block: nn.Module,
    given: Sequence[Any],
    named: Mapping[str, Any],
) -> bool:
    """Whether these parts, one after the other, add up to what the block makes of its arguments; on `meta` to its shape."""
    try:
        whole = main_output(block.forward(*given, **named))
        summed = _summed(parts(), given, named)
    except FAILURES:
        return False
    return summed.shape == whole.shape and (whole.is_meta or _close(whole, summed))


def _summed(parts: Sequence[Branch], given: Sequence[Any], named: Mapping[str, Any]) -> Tensor:
    """The stream with all that the parts add to it."""
    added: Tensor = given[0] + in_turn(parts)(*given, **named)
    return added


def in_turn(parts: Sequence[Branch]) -> Branch:
    """All that several branches add, each to the stream that those before it have added to."""
    first, *others = parts
    if not others:
        return first

    def total(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        h = first(x, *args, **kwargs)
        for branch in others:
            h = h + branch(x + h, *args, **kwargs)
        return h

    return total


def main_output(returned: Any) -> Tensor:
    """What a block makes of its stream: what it returns, or the first of what it returns."""
    after: Tensor = returned[0] if isinstance(returned, tuple | list) else returned
    return after


def _watched(
    block: nn.Module, x: Tensor, others: Sequence[Any], named: Mapping[str, Any]
) -> tuple[Tensor, BlockSplit | None]:
    """The block's output, and the split that its additions suggest.

    A module in which the stream is added to lies open. One that is called from there, or by the
    block, and in which nothing is, is a part of one branch as a whole.
    """
    modules = {tuple(name.split(".")): each for name, each in block.named_modules() if name}
    first = Watching(x)
    with first.over(modules):
        out = main_output(block.forward(x, *others, **named))
    sums = skip_between(out, x.grad_fn).summed
    opened: set[Path] = {()}
    for node, inside in first.nodes:
        opened |= set(inside) if node in sums else set()
    whole = {path for path, caller in first.met.items() if caller in opened and path not in opened}

    def watched() -> tuple[Tensor, Watching]:
        walk = Watching(x, whole=whole)
        with walk.over({path: modules[path] for path in whole}):
            return main_output(block.forward(x, *others, **named)), walk

    out, again = watched()
    sums = skip_between(out, x.grad_fn).summed
    nodes = [node for node, _ in again.nodes]
    numbers = tuple(number for number, node in enumerate(nodes) if node in sums)
    if len(numbers) != len(sums) or len(numbers) < 2:
        return out, None
    parts = again.straight if len(numbers) == len(nodes) else ()
    if parts and _in_training(block, watched) != parts:
        parts = ()
    return out, BlockSplit(sums=numbers, additions=len(nodes), answers=again.answers, parts=parts)


def _in_training(block: nn.Module, watched: Callable[[], tuple[Tensor, Watching]]) -> Parts:
    """The parts of the branches in training; none if the block goes another way there."""
    try:
        with at_work(block):
            return watched()[1].straight
    except FAILURES:
        return ()


def _alone(
    block: nn.Module, split: BlockSplit, wanted: int, x: Tensor, *args: Any, **kwargs: Any
) -> Tensor:
    """One branch of the block at x."""
    try:
        if split.parts:
            return alone(block, split.parts, wanted, x, *args, **kwargs)
        walk = Leaving(x, sums=split.sums, wanted=wanted, answers=split.answers)
        with walk.over({path: module_at(block, path) for path in split.answers.modules}):
            added = main_output(block.forward(x, *args, **kwargs))
        walk.require_additions(split.additions, added)
    except Astray as astray:
        raise RevconsoleError(
            f"a {type(block).__name__} goes another way through its forward than it did when it was "
            f"taken apart ({astray}): choose a scheme that takes blocks whole, such as 'bdia'"
        ) from None
    return added


def _close(left: Tensor, right: Tensor) -> bool:
    largest = left.abs().max().clamp_min(torch.finfo(left.dtype).tiny)
    return bool((left - right).abs().max() <= CLOSE.get(left.dtype, 3e-2) * largest)
