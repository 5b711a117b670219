"""Blocks of two branches, told apart by the names of their parts.

A transformer block adds what its attention makes of the stream, then what its MLP makes of it. How
libraries name the parts, and in which order they apply norm, LayerScale and drop-path, differs; the
table lists the orders. Nothing is taken on trust: `fitting` compares the graph of the sum of the
branches with the graph of the block's own forward, and the numbers where there are any.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from revconsole.reversible.skips import signature

Branch = Callable[..., Tensor]
CLOSE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 3e-2, torch.float16: 4e-3}
"""How far two orders of summation may lie apart, relative to the largest number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One step of a branch: a module, method or scale of the block, under one of these names.

    needed: whether the block has to have it. given: whether it is called with what the block was
    given besides the stream. across: whether it works along the tokens, (B, N, D) turned to (B, D, N).
    """

    names: tuple[str, ...]
    needed: bool = True
    given: bool = False
    across: bool = False

    def of(self, block: nn.Module) -> Branch | None:
        """The step as a function of the branch so far; None where the block lacks it."""
        name = next((name for name in self.names if hasattr(block, name)), "")
        part = getattr(block, name, None)
        if isinstance(part, Tensor):
            # Looked up at each call: a second evaluation puts other tensors in its place.
            return (lambda x, *_, **__: getattr(block, name) * x) if part.numel() else None
        if not callable(part):
            return None
        call: Branch = part
        if self.across:
            return lambda x, *_, **__: call(x.transpose(1, 2)).transpose(1, 2)
        return call if self.given else lambda x, *_, **__: call(x)


Chain = tuple[Part, ...]


def _maybe(*names: str) -> Part:
    return Part(names=names, needed=False)


# A method that prepares windows comes before the attention inside them.
ATTENTIONS = (
    "_attn", "_shifted_window_attn", "_window_attn", "attn", "token_mixer", "modulation",
)  # fmt: skip
SCALE1 = _maybe("ls1", "gamma_1", "gamma1", "layer_scale1", "layer_scale_1")
SCALE2 = _maybe("ls2", "gamma_2", "gamma2", "layer_scale2", "layer_scale_2")
DROP1, DROP2 = _maybe("drop_path1", "drop_path"), _maybe("drop_path2", "drop_path")
MIX = Part(names=ATTENTIONS, given=True)
MLP = Part(names=("mlp", "mlp_channels", "linear"))
ACROSS = Part(names=("mlp_tokens", "linear_tokens"), across=True)
PRE1, PRE2 = _maybe("norm1", "norm"), _maybe("norm2")
POST1, POST2 = Part(names=("norm1",)), Part(names=("norm2",))
AFTER1, AFTER2 = _maybe("norm1_post"), _maybe("norm2_post")

SPLITS: Mapping[str, tuple[tuple[Chain, ...], tuple[Chain, ...]]] = {
    "pre-norm": (
        ((PRE1, MIX, AFTER1, SCALE1, DROP1),),
        ((PRE2, MLP, AFTER2, SCALE2, DROP2),),
    ),
    "post-norm of the branch": (
        ((MIX, POST1, SCALE1, DROP1),),
        ((MLP, POST2, SCALE2, DROP2),),
    ),
    "mixer": (
        ((PRE1, ACROSS, SCALE1, DROP1),),
        ((PRE2, MLP, SCALE2, DROP2),),
    ),
    "sizes for both": (
        ((PRE1, MIX, SCALE1, DROP1),),
        ((PRE2, Part(names=("mlp",), given=True), SCALE2, DROP2),),
    ),
    "local patch interaction": (
        (
            (PRE1, Part(names=("attn",)), SCALE1, DROP1),
            (
                Part(names=("norm3",)),
                Part(names=("local_mp",), given=True),
                Part(names=("gamma3",)),
                Part(names=("drop_path3",)),
            ),
        ),
        ((PRE2, MLP, SCALE2, DROP2),),
    ),
    "norms on both sides": (
        ((POST1, MIX, POST2, DROP1),),
        ((Part(names=("norm3",)), MLP, Part(names=("norm4",)), DROP2),),
    ),
}


def split(block: nn.Module, name: str) -> tuple[Branch, ...] | None:
    """The two branches of the block under a split of the table; None if it lacks a needed part."""
    sides = [[_chain(block, chain) for chain in chains] for chains in SPLITS[name]]
    if any(chain is None for side in sides for chain in side):
        return None
    return tuple(in_turn([chain for chain in side if chain is not None]) for side in sides)


def fitting(block: nn.Module, given: Sequence[Any], named: Mapping[str, Any]) -> str | None:
    """The split whose branches add up to the block's forward; None if there is none.

    given, named: arguments the block can be called with, in evaluation; the first is its stream.
    Compares the graphs, and the numbers where there are any.
    """
    known = {name: parts for name in SPLITS if (parts := split(block, name)) is not None}
    if not known:
        return None
    stream, *others = given
    x = stream.detach().requires_grad_().clone()
    mark = x.grad_fn
    with torch.enable_grad():
        whole = block.forward(x, *others, **named)
        wanted = signature(whole, mark)
        for name, parts in known.items():
            try:
                summed = x + in_turn(parts)(x, *others, **named).reshape(x.shape)
            except (TypeError, ValueError, RuntimeError, AttributeError, AssertionError):
                continue  # the parts go together in another way
            alike = signature(summed, mark) == wanted
            if alike and (whole.is_meta or _close(whole.detach(), summed.detach())):
                return name
    return None


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


def _chain(block: nn.Module, chain: Chain) -> Branch | None:
    steps = [(part, part.of(block)) for part in chain]
    if any(part.needed and step is None for part, step in steps):
        return None
    present = [step for _, step in steps if step is not None]

    def branch(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        for step in present:
            x = step(x, *args, **kwargs)
        return x

    return branch


def _close(left: Tensor, right: Tensor) -> bool:
    largest = left.abs().max().clamp_min(torch.finfo(left.dtype).tiny)
    return bool((left - right).abs().max() <= CLOSE.get(left.dtype, 3e-2) * largest)
