"""Evaluating a residual a second time only as far as its gradient needs.

The last operation of a residual needs its inputs for the gradient, not its result: in a transformer block that is the
last linear layer, a third of the work. Where the result is not needed either, the graph of the first evaluation is
kept without what it saved; the second brings that back and ends where the last of it is there.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge, saved_tensors_hooks

from revconsole.errors import NotInvertible


class Complete(Exception):  # noqa: N818  no error: how a second evaluation ends
    """Everything that the graph saved is there again."""


@dataclass(slots=True)
class Saved:
    """What a graph saves: how many tensors, and those that are there, by their number.

    Holds no graph, as the graph holds this.
    """

    number: int = 0
    tensors: dict[int, Tensor] = field(default_factory=dict)

    def count(self, _tensor: Tensor) -> int:
        """The number of a tensor that is saved, which is not kept."""
        self.number += 1
        return self.number - 1

    def bring(self, tensor: Tensor) -> None:
        """Keep a tensor that is saved a second time. Raises Complete with the last."""
        self.tensors[len(self.tensors)] = tensor.detach()
        if len(self.tensors) >= self.number:
            raise Complete

    def take(self, number: int) -> Tensor:
        """The tensor of that number, once."""
        if number not in self.tensors:
            raise NotInvertible(
                "a block saved fewer tensors for its gradient when it was evaluated again, or one is "
                "read twice: choose backward='checkpointed' or 'stored'"
            )
        return self.tensors.pop(number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The graph of a residual without what it saved.

    source, residual: its ends; the source's is None where no gradient of it is wanted.
    leaves: tensors that stand in for others, to whose gradients it leads.
    """

    saved: Saved
    source: GradientEdge | None
    residual: GradientEdge
    leaves: tuple[Tensor, ...]

    @classmethod
    def drawn(
        cls,
        residual: Callable[[Tensor], Tensor],
        source: Tensor,
        leaves: Sequence[Tensor],
        *,
        source_wanted: bool,
    ) -> tuple[Self | None, Tensor, Tensor]:
        """The outline of a first evaluation, its source and its result; no outline where nothing requires a gradient."""
        saved, given = Saved(), source.detach()
        with torch.enable_grad(), saved_tensors_hooks(saved.count, saved.take):
            if source_wanted:  # not a leaf, whose graph would hold it
                given = _Given.apply(torch.zeros((), requires_grad=True), given)
            result = residual(given)
        if not result.requires_grad:
            return None, given, result
        edge = get_gradient_edge(given) if source_wanted else None
        outline = cls(
            saved=saved, source=edge, residual=get_gradient_edge(result), leaves=tuple(leaves)
        )
        return outline, given, result.detach()

    def gradients(
        self, again: Callable[[], Any], at_residual: Tensor
    ) -> tuple[Tensor | None, list[Tensor | None]]:
        """The gradients of the source and of the leaves. again: evaluates the residual a second time."""
        self.saved.tensors.clear()
        with suppress(Complete), saved_tensors_hooks(self.saved.bring, _nothing):
            again()
        sought = [leaf for leaf in self.leaves if leaf.requires_grad]
        edges: list[Any] = sought if self.source is None else [self.source, *sought]
        kept = torch._C._autograd._get_current_graph_task_keep_graph()  # noqa: SLF001  the caller's retain_graph
        gradients = iter(
            torch.autograd.grad(
                [self.residual], edges, [at_residual], allow_unused=True, retain_graph=kept
            )
        )
        at_source = None if self.source is None else next(gradients)
        self.saved.tensors.clear()
        return at_source, [next(gradients) if leaf.requires_grad else None for leaf in self.leaves]


class _Given(torch.autograd.Function):
    """A tensor at the start of a graph that does not hold it."""

    @staticmethod
    def forward(ctx: Any, token: Tensor, tensor: Tensor) -> Tensor:
        del ctx, token
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None]:
        del ctx, gradient
        return None, None


def _nothing(_saved: Any) -> Any:
    """What the graph of the second evaluation gets; nobody differentiates it."""
    raise RuntimeError("the graph of a second evaluation is not differentiated")


def stand_in_of(tensor: Tensor, needed: bool, *, parameter: bool = False) -> Tensor:
    """A tensor at the beginning of a new graph with the same values; a leaf where the other is one."""
    if parameter or isinstance(tensor, nn.Parameter):
        return nn.Parameter(tensor, requires_grad=needed)  # of the same numbers, detached
    leaf = tensor.detach().requires_grad_(needed)
    if tensor.is_leaf or not needed:
        return leaf
    with torch.enable_grad():
        return leaf.view_as(leaf)
