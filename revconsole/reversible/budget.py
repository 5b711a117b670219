"""Spending a budget of memory on time: some blocks keep their activations, the rest are rebuilt.

Rebuilding a block costs one more evaluation of it, keeping it costs its activations. Any subset may
be kept: `keep_within` keeps as many blocks as fit the budget, the cheapest first and of equals the
last, whose activations are released before the way back needs memory of its own. With room for all
it is ordinary training, with none the reversible one, in between the time falls block by block.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

from revconsole.reversible.kept import kept_for_backward
from revconsole.reversible.replay import statistics_kept
from revconsole.reversible.sequence import ReversibleSequence, sequences

MEBIBYTE = 2**20
Kind = tuple[Any, ...]  # blocks of one kind keep as much as one another


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What `keep_within` decided: `stored` of `blocks` keep their activations.

    kept: bytes that a forward pass then keeps for its backward, measured. budget: what it may.
    least: bytes with no block kept.
    """

    stored: int
    blocks: int
    kept: int
    budget: int
    least: int

    def __str__(self) -> str:
        kept, budget, least = (n / MEBIBYTE for n in (self.kept, self.budget, self.least))
        if self.least > self.budget:
            return (
                f"none of {self.blocks} blocks keeps its activations: even so {least:.1f} MiB are kept, "
                f"more than the budget of {budget:.1f} MiB"
            )
        return (
            f"{self.stored} of {self.blocks} blocks keep their activations, the others are computed again: "
            f"{kept:.1f} MiB of the budget of {budget:.1f} MiB (none: {least:.1f} MiB)"
        )


def keep_within(
    model: nn.Module,
    forward: Callable[[], Any],
    budget: int,
    *,
    exclude: Iterable[Tensor] = (),
) -> Choice:
    """Let as many blocks of the model's sequences keep their activations as fit `budget` bytes.

    forward: one training forward pass of a batch as large as will be trained on, with its autocast;
    it is run a few times. exclude: tensors that exist anyway, its images for instance, besides
    parameters and buffers. The other blocks run as they did before (`reversible` or `checkpointed`).
    Generators and running statistics are left as they were. Deterministic: it counts bytes.
    """
    stacks = sequences(model)
    rest = [stack.backwards for stack in stacks]
    known = [*model.parameters(), *model.buffers(), *exclude]

    def kept(stored: Sequence[tuple[int, int]]) -> int:
        for number, (stack, words) in enumerate(zip(stacks, rest, strict=True)):
            chosen = {block for at, block in stored if at == number}
            stack.backward = tuple("stored" if i in chosen else w for i, w in enumerate(words))
        with _undisturbed(model):
            return kept_for_backward(forward, known)

    least = kept([])
    ranked = _ranked(stacks, least, kept)
    places = [place for _, place in ranked]
    totals = accumulate((cost for cost, _ in ranked), initial=least)
    fitting = sum(total <= budget for total in totals) - 1 if least <= budget else 0

    total = kept(places[:fitting])  # a boundary's streams are counted with both of its blocks
    while fitting and total > budget:
        fitting -= 1
        total = kept(places[:fitting])
    while fitting < len(places) and (more := kept(places[: fitting + 1])) <= budget:
        fitting, total = fitting + 1, more
    kept(places[:fitting])
    return Choice(stored=fitting, blocks=len(places), kept=total, budget=budget, least=least)


def _ranked(
    stacks: Sequence[ReversibleSequence],
    least: int,
    kept: Callable[[Sequence[tuple[int, int]]], int],
) -> list[tuple[int, tuple[int, int]]]:
    """Every block as (bytes it adds when stored, its place), cheapest first, of equals the last."""
    found: dict[Kind, int] = {}
    costs = []
    for number, stack in enumerate(stacks):
        blocks = [block for run in stack.runs for block in run]
        for index, block in reversed(list(enumerate(blocks))):
            kind = (number, type(block), *(tuple(p.shape) for p in block.parameters()))
            if kind not in found:
                found[kind] = max(kept([(number, index)]) - least, 0)
            costs.append((found[kind], (number, index)))
    return sorted(costs, key=lambda cost: (cost[0], [-at for at in cost[1]]))


@contextmanager
def _undisturbed(model: nn.Module) -> Iterator[None]:
    devices = sorted({p.device.index for p in model.parameters() if p.device.type == "cuda"})
    with torch.random.fork_rng(devices=devices), statistics_kept(model), torch.enable_grad():
        yield
