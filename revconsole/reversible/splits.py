"""Blocks of several branches, taken apart at their sums.

A transformer block adds to its stream what its attention makes of it, x + a(x), then what its MLP
makes of that, x + m(x). Its graph (see `skips`) says which of its additions these are; no name of a
part is looked at. A branch is the block's own forward with every other branch left out (see
`walks`): its modules are not called, its functions not computed, its sum hands the stream on; and of
the branch's own sum only what is added remains. What does not come from the stream, conditioning
say, is computed as ever.

Nothing is taken on trust: `fitting` compares the graph of the sum of the branches with that of the
block's forward, and the numbers where there are any. A block that later goes another way than it did
then (other additions, other results of its parts) raises a RevconsoleError.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from revconsole.errors import RevconsoleError
from revconsole.reversible.skips import same_computation, skip_between
from revconsole.reversible.walks import Answers, Astray, Leaving, Path, Watching

Branch = Callable[..., Tensor]
CLOSE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 3e-2, torch.float16: 4e-3}
"""How far two orders of summation may lie apart, relative to the largest number."""
FAILURES = (
    Astray, RevconsoleError, TypeError, ValueError, RuntimeError, AttributeError, AssertionError, IndexError,
    KeyError,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """How a block is taken apart.

    sums: which of its additions to the stream add a branch, counted in their order. additions: how
    many there are. answers: of the modules that lie in one branch each, and of functions.
    """

    sums: tuple[int, ...]
    additions: int
    answers: Answers

    def branches(self, block: nn.Module) -> tuple[Branch, ...]:
        """What the block adds to its stream, sum by sum."""
        return tuple(partial(_alone, block, self, number) for number in range(len(self.sums)))


def fitting(block: nn.Module, given: Sequence[Any], named: Mapping[str, Any]) -> Split | None:
    """The split whose branches add up to the block's forward; None if there is none.

    given, named: arguments the block can be called with, in evaluation; the first is its stream.
    """
    stream, *others = given
    with torch.enable_grad():  # also inside a forward that records none
        x = stream.detach().requires_grad_().clone()
        try:
            whole, split = _watched(block, x, others, named)
            if split is None:
                return None
            summed = x + in_turn(split.branches(block))(x, *others, **named)
        except FAILURES:
            return None  # it does more between its sums than can be left out
        if summed.shape != whole.shape or not same_computation(whole, summed, x.grad_fn):
            return None
    return split if whole.is_meta or _close(whole.detach(), summed.detach()) else None


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
) -> tuple[Tensor, Split | None]:
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

    again = Watching(x, whole=whole)
    with again.over({path: modules[path] for path in whole}):
        out = main_output(block.forward(x, *others, **named))
    sums = skip_between(out, x.grad_fn).summed
    nodes = [node for node, _ in again.nodes]
    numbers = tuple(number for number, node in enumerate(nodes) if node in sums)
    if len(numbers) != len(sums) or len(numbers) < 2:
        return out, None
    return out, Split(sums=numbers, additions=len(nodes), answers=again.answers)


def _alone(
    block: nn.Module, split: Split, wanted: int, x: Tensor, *args: Any, **kwargs: Any
) -> Tensor:
    """One branch of the block at x."""
    walk = Leaving(x, sums=split.sums, wanted=wanted, answers=split.answers)
    try:
        with walk.over({path: _module(block, path) for path in split.answers.modules}):
            added = main_output(block.forward(x, *args, **kwargs))
        walk.require_additions(split.additions)
    except Astray as astray:
        raise RevconsoleError(
            f"a {type(block).__name__} goes another way through its forward than it did when it was "
            f"taken apart ({astray}): choose a scheme that takes blocks whole, such as 'bdia'"
        ) from None
    return added


def _module(block: nn.Module, path: Path) -> nn.Module:
    module: Any = block
    for name in path:
        module = module._modules[name]  # noqa: SLF001  get_submodule takes a microsecond a step
    return module  # type: ignore[no-any-return]


def _close(left: Tensor, right: Tensor) -> bool:
    largest = left.abs().max().clamp_min(torch.finfo(left.dtype).tiny)
    return bool((left - right).abs().max() <= CLOSE.get(left.dtype, 3e-2) * largest)
