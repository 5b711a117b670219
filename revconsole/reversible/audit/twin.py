"""Twin: a copy of a model to look at, whatever the model has hung on itself.

`copy.deepcopy` refuses tensors that belong to a graph, which a block leaves behind with an auxiliary loss, and things
that nobody can copy, such as locks and open files. The former are copied as values, the latter are shared.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from types import CellType, FunctionType
from typing import Any

from torch import Tensor, nn

from revconsole.errors import RevconsoleError
from revconsole.reversible.audit.check import signs
from revconsole.reversible.sequence import set_draws

OWN = frozenset(vars(nn.Module()))
"""Attributes that every module has."""


def twin_of(model: nn.Module) -> nn.Module:
    """A copy in training mode, whose random signs are the same in every pass.

    Raises RevconsoleError if the model cannot be copied.
    """
    grown = {id(tensor): tensor for tensor in _tensors(model) if not tensor.is_leaf}
    memo: dict[int, Any] = {key: tensor.detach().clone() for key, tensor in grown.items()}
    try:
        twin = _copied(model, memo)
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise RevconsoleError(
            f"the audit works on a copy of the model, and a {type(model).__name__} cannot be copied: {error}"
        ) from error
    set_draws(twin, signs)
    return twin.train()


def _rebind(twin: nn.Module, memo: Mapping[int, Any]) -> None:
    """Let functions hung on the twin, hooks too, refer to it where they referred to the model."""
    for module in twin.modules():
        own = vars(module)
        for held in (own, *(own[name] for name in OWN if name.endswith("_hooks"))):
            for key, value in list(held.items()):
                if isinstance(value, FunctionType) and value.__closure__:
                    held[key] = _with(value, [_copy_in(cell, memo) for cell in value.__closure__])


def _copy_in(cell: CellType, memo: Mapping[int, Any]) -> CellType:
    try:
        inside = cell.cell_contents
    except ValueError:  # not filled yet
        return cell
    return CellType(memo[id(inside)]) if id(inside) in memo else cell


def _with(function: FunctionType, cells: Sequence[CellType]) -> FunctionType:
    rebound = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        tuple(cells),
    )
    rebound.__kwdefaults__ = function.__kwdefaults__
    return rebound


def _copied(model: nn.Module, memo: dict[int, Any]) -> nn.Module:
    filled = dict(memo)
    try:
        twin = copy.deepcopy(model, filled)
    except (RuntimeError, TypeError):
        filled = memo | {id(each): each for each in _uncopied(model, memo)}
        twin = copy.deepcopy(model, filled)
    _rebind(twin, filled)
    return twin


def _uncopied(model: nn.Module, memo: dict[int, Any]) -> Iterator[Any]:
    """Attributes, other than modules, that cannot be copied."""
    for module in model.modules():
        for name, value in vars(module).items():
            if name not in OWN:
                try:
                    copy.deepcopy(value, dict(memo))
                except (RuntimeError, TypeError):
                    yield value


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    """Every tensor that the model holds in an attribute, in containers too, and in modules that it hides in these."""
    seen: set[int] = set()
    waiting: list[Any] = [model]
    while waiting:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, str | bytes | int | float):
            continue
        seen.add(id(value))
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, Mapping):
            waiting.extend(value.values())
        elif isinstance(value, list | tuple | set | frozenset):
            waiting.extend(value)
        elif hasattr(value, "__dict__") and not isinstance(value, type):
            waiting.extend(vars(value).values())
