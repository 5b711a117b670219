"""What a block adds to its stream: its branches.

A residual block with branches b₁, b₂, … computes x ← x + b₁(x), then x ← x + b₂(x), and so on; a
vision transformer's has two, attention and MLP. Schemes wire the branches anew. A module may say
what they are itself, with a method `branches()` that returns the callables in order. Otherwise
`rewire` settles it from a trial run and leaves a note on the block: a split into what its sums add
(see `splits`), or WHOLE for one branch, h(x) = block(x) − x.

A block may be given more than its stream; every branch then takes the same.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from revconsole.reversible.rest import at_rest
from revconsole.reversible.splits import BlockSplit, Branch, fitting, in_turn, main_output

WHOLE = "whole"
NOTE, REST = "revconsole_split", "revconsole_rest"
"""Attributes of the block, so that they survive copying and pickling."""
PROBE_TOKENS = 4  # enough for attention to mix, few enough to cost nothing


def branches(block: nn.Module) -> tuple[Branch, ...]:
    """The branches of a block, in the order it adds them; one if it cannot be taken apart."""
    own = getattr(block, "branches", None)
    if callable(own):
        return tuple(own())
    noted = getattr(block, NOTE, None)
    if noted is None:
        noted = _on_tokens(block)
        note(block, noted)
    return noted.branches(block) if isinstance(noted, BlockSplit) else (partial(_whole, block),)


def step(block: nn.Module) -> Branch:
    """The plain step x + h(x): the block's own forward, or the sum of the branches it declares."""
    if not callable(getattr(block, "branches", None)):
        return _forward(block)
    bound: Any = block
    if not isinstance(bound, nn.Module) and isinstance(getattr(bound, "block", None), nn.Module):
        return _with(step(bound.block), bound)
    parts = branches(block)

    def forward(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        for branch in parts:
            x = x + branch(x, *args, **kwargs)
        return x

    return forward


def residual(block: nn.Module) -> Branch:
    """The whole residual h of a block; with two branches A and M, h(x) = A(x) + M(x + A(x))."""
    return in_turn(branches(block))


def note(block: nn.Module, how: BlockSplit | str) -> None:
    """Leave on the block how it is taken apart: a split, or WHOLE."""
    object.__setattr__(block, NOTE, how)


def called(block: Callable[..., Any]) -> Branch:
    """The block called as a module, hooks and all: what it makes of its stream."""
    return lambda x: main_output(block(x))


def note_rest(block: nn.Module, rest: Sequence[Any] | None) -> None:
    """Leave on the block what it returned after its stream: None, or something that nobody used."""
    if rest is not None:
        object.__setattr__(block, REST, tuple(each is not None for each in rest))


def rest_of(block: object) -> tuple[bool, ...] | None:
    """For each thing that the block returns after its stream whether it is one; None without a tuple."""
    noted: tuple[bool, ...] | None = getattr(block, REST, None)
    return noted


def _with(forward: Callable[..., Tensor], bound: Any) -> Branch:
    """The forward of a block that is bound to what it is given besides its stream."""
    return lambda x: forward(x, *bound.args, **bound.kwargs)


def _forward(block: nn.Module) -> Branch:
    return lambda x, *args, **kwargs: main_output(block.forward(x, *args, **kwargs))


def _whole(block: nn.Module, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """h(x) = block(x) − x, past the guard that refuses a call of the block by itself."""
    return main_output(block.forward(x, *args, **kwargs)) - x


def _on_tokens(block: nn.Module) -> BlockSplit | str:
    """The split of a block that nobody has tried: found on a few tokens, WHOLE where that fails.

    Without autocast, under which sums of different types would not look like sums.
    """
    weights = [w for name, w in block.named_parameters() if w.ndim == 1 and "norm" in name]
    if not weights:
        return WHOLE
    width = weights[0].numel()
    tokens = weights[0].new_ones(1, PROBE_TOKENS, width).cumsum(1).sin()
    with at_rest(block), torch.autocast(tokens.device.type, enabled=False):
        return fitting(block, (tokens,), {}) or WHOLE
