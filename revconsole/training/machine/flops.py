"""FLOPs: torch's counter of what products, convolutions and attention compute, both operations of a multiply-add.

torch has no formula for a product with a vector, nor for a recurrent layer on the CPU; they are added here. Its counter
also follows the modules, by hooks on every module of the process. A run that trains in another thread would meet
them, and `autograd.grad` inside a backward, which reversing needs, does not stand them; so they are left out.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from types import MappingProxyType
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, flop_registry

Shape = Sequence[int]


def _of_matrix(matrix: Shape, _vector: Shape, **_out: object) -> int:
    """matrix: (M, N), or (N,) of a dot product."""
    return 2 * prod(matrix)


def _of_matrix_and_bias(_bias: Shape, matrix: Shape, _vector: Shape, **_out: object) -> int:
    return 2 * prod(matrix)


def _of_recurrent(x: Shape, of_input: Shape, of_state: Shape, *_: object, **_out: object) -> int:
    """x: (steps, B, width) or (B, steps, width); each step of each example meets both matrices."""
    return 2 * prod(x[:-1]) * (prod(of_input) + prod(of_state))


OURS: dict[Any, Callable[..., int]] = {
    torch.ops.aten.mv: _of_matrix,
    torch.ops.aten.dot: _of_matrix,
    torch.ops.aten.addmv: _of_matrix_and_bias,
    torch.ops.aten.mkldnn_rnn_layer: _of_recurrent,
}
"""Formulas of operators that torch has none for."""
KNOWN = frozenset({*flop_registry, *OURS})
"""Operators that are counted."""


class FlopCounter(FlopCounterMode):
    """Counts what runs within it; `get_total_flops()` returns the sum. formulas: of operators, in place of torch's."""

    def __init__(self, formulas: Mapping[Any, Callable[..., int]] = MappingProxyType({})) -> None:
        super().__init__(display=False, custom_mapping=OURS | dict(formulas))
        self.mod_tracker = _NoModules()  # type: ignore[assignment]  # all that the counter asks of it


class _NoModules:
    """Replaces torch's ModuleTracker: every operation is counted under the whole model, without hooks."""

    parents = frozenset({"Global"})

    def __enter__(self) -> None:
        """Set no hooks on modules."""

    def __exit__(self, *_: object) -> None:
        """Do nothing, because no hooks were set."""
