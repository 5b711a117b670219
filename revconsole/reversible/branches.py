"""What a block adds to its stream: its branches.

A residual block with branches b₁, b₂, … computes x ← x + b₁(x), then x ← x + b₂(x), and so on; a vision transformer's
has two, attention and MLP. Schemes wire the branches anew. A module may say what they are with a method `branches()`
that returns the callables in order; otherwise `rewire` settles it from a trial run and leaves a note on the block: a
split into what its sums add (see `splits`), or WHOLE for one branch, h(x) = block(x) − x. Every branch takes what the
block is given besides its stream.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from revconsole.reversible.rest import at_rest
from revconsole.reversible.splits import BlockSplit, Branch, add_up, fitting, in_turn, main_output

WHOLE = "whole"
NOTE, REST = "revconsole_split", "revconsole_rest"
"""Attributes of the block, so that they survive copying and pickling."""
PROBE_TOKENS = 4  # enough for attention to mix, few enough to cost nothing


def declares(block: object) -> bool:
    """Whether the block says itself what its branches are; modules under that name are parts of it."""
    own = getattr(block, "branches", None)
    return callable(own) and not isinstance(own, nn.Module)


def declares_wrongly(block: nn.Module, given: Sequence[Any], named: Mapping[str, Any]) -> bool:
    """Whether the branches that it says to have do not add up to what it returns for these arguments."""
    if not declares(block):
        return False
    with at_rest(block), torch.no_grad():
        return not add_up(lambda: branches(block), block, given, named)


def branches(block: nn.Module) -> tuple[Branch, ...]:
    """The branches of a block, in the order it adds them; one if it cannot be taken apart."""
    if declares(block):
        own: Any = block.branches
        return tuple(own())
    noted = getattr(block, NOTE, None)
    if noted is None:
        noted = _on_tokens(block)
        note(block, noted)
    return noted.branches(block) if isinstance(noted, BlockSplit) else (partial(_whole, block),)


def step(block: nn.Module) -> Branch:
    """The plain step x + h(x): the block's own forward, or the sum of the branches it declares."""
    if not declares(block):
        return lambda x, *args, **kwargs: main_output(block.forward(x, *args, **kwargs))
    bound: Any = block
    if not isinstance(bound, nn.Module) and isinstance(getattr(bound, "block", None), nn.Module):
        whole = step(bound.block)
        return lambda x: whole(x, *bound.args, **bound.kwargs)
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
    """Whether each value that the block returned after its stream is not None; None if it returned no tuple."""
    noted: tuple[bool, ...] | None = getattr(block, REST, None)
    return noted


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
