"""What a block adds to its stream: its branches, found by structure.

A residual block with branches b₁, b₂, … computes x ← x + b₁(x), then x ← x + b₂(x), and so on; a
vision transformer's has two, attention and MLP. Schemes wire the branches anew, so they need them
apart. A module may say what they are itself, with a method `branches()` that returns the callables
in order; otherwise the pre-norm transformer block of timm is recognised by its parts.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from revconsole.errors import NotInvertible

Branch = Callable[[Tensor], Tensor]
VIT_PARTS = ("norm1", "attn", "ls1", "drop_path1", "norm2", "mlp", "ls2", "drop_path2")


def branches(block: nn.Module) -> tuple[Branch, ...]:
    """The branches of a block, in the order it adds them.

    Raises NotInvertible if the block neither names them nor has the parts of a pre-norm block.
    """
    own = getattr(block, "branches", None)
    if callable(own):
        return tuple(own())
    missing = [part for part in VIT_PARTS if not isinstance(getattr(block, part, None), nn.Module)]
    if missing:
        raise NotInvertible(
            f"a {type(block).__name__} is no pre-norm transformer block (it lacks "
            f"{', '.join(missing)}): give it a method branches() that returns what it adds to its input"
        )
    return partial(_attention, block), partial(_mlp, block)


def step(block: nn.Module) -> Branch:
    """The plain step x + h(x), summed in the order of the block's own forward."""
    parts = branches(block)

    def forward(x: Tensor) -> Tensor:
        for branch in parts:
            x = x + branch(x)
        return x

    return forward


def residual(block: nn.Module) -> Branch:
    """The whole residual h of a block; with two branches A and M, h(x) = A(x) + M(x + A(x))."""
    first, *others = branches(block)

    def total(x: Tensor) -> Tensor:
        h = first(x)
        for branch in others:
            h = h + branch(x + h)
        return h

    return total


def _attention(block: Any, x: Tensor) -> Tensor:
    added: Tensor = block.drop_path1(block.ls1(block.attn(block.norm1(x))))
    return added


def _mlp(block: Any, x: Tensor) -> Tensor:
    added: Tensor = block.drop_path2(block.ls2(block.mlp(block.norm2(x))))
    return added
