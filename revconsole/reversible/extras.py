"""What a model hands to its blocks besides the stream: rotary tables, sizes, a shared bias.

Every block of a call gets the same. Tensors among them may need gradients, so a reversible backward
takes them as inputs of its own and evaluates each block on stand-ins for them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from revconsole.reversible.branches import branches
from revconsole.reversible.splits import main_output

NOTHING = tree_flatten(((), {}))[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """The arguments of one call after the first: their leaves, None where a tensor belongs."""

    leaves: tuple[Any, ...]
    places: tuple[int, ...]
    spec: TreeSpec

    @property
    def none(self) -> bool:
        """Whether nothing is given; an empty list is something."""
        return self.spec is NOTHING

    def bound(self, block: nn.Module, tensors: Sequence[Tensor]) -> Any:
        """The block as a function of its stream alone, computing with these tensors."""
        if self.none:
            return block
        leaves = list(self.leaves)
        for place, tensor in zip(self.places, tensors, strict=True):
            leaves[place] = tensor
        args, kwargs = tree_unflatten(leaves, self.spec)
        return Bound(block=block, args=tuple(args), kwargs=kwargs)


def taken_apart(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Extras, list[Tensor]]:
    """The arguments without their tensors, and the tensors in order."""
    if not args and not kwargs:
        return Extras(leaves=(), places=(), spec=NOTHING), []
    leaves, spec = tree_flatten((args, kwargs))
    places = tuple(place for place, leaf in enumerate(leaves) if isinstance(leaf, Tensor))
    rest = tuple(None if isinstance(leaf, Tensor) else leaf for leaf in leaves)
    return Extras(leaves=rest, places=places, spec=spec), [leaves[place] for place in places]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A block with all arguments but the stream."""

    block: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def __call__(self, x: Tensor) -> Tensor:
        """The block's own forward."""
        return main_output(self.block(x, *self.args, **self.kwargs))

    def branches(self) -> tuple[Callable[[Tensor], Tensor], ...]:
        """What the block adds to its stream, in order."""
        return tuple(_with_extras(each, self.args, self.kwargs) for each in branches(self.block))


def _with_extras(
    branch: Callable[..., Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Callable[[Tensor], Tensor]:
    return lambda x: branch(x, *args, **kwargs)


def same_arguments(
    left: tuple[tuple[Any, ...], Mapping[str, Any]],
    right: tuple[tuple[Any, ...], Mapping[str, Any]],
) -> bool:
    """Whether two calls give the same besides the stream: the same tensors, equal other values."""
    (args, kwargs), (others, named) = left, right
    if len(args) != len(others) or kwargs.keys() != named.keys():
        return False
    pairs = [*zip(args, others, strict=True), *((kwargs[key], named[key]) for key in kwargs)]
    return all(_same(one, other) for one, other in pairs)


def _same(one: Any, other: Any) -> bool:
    """Whether they are equal, of which an object is asked part by part: its own `==` may leave out what matters."""
    if one is other:
        return True
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    unique = any(isinstance(each, Tensor | nn.Module) for each in (one, other))
    compared: Any = type(one).__eq__
    return not unique and compared is not object.__eq__ and _equal(one, other)


def _equal(one: Any, other: Any) -> bool:
    if type(one) is type(other) and hasattr(one, "tobytes"):
        return bool(one.shape == other.shape and one.tobytes() == other.tobytes())
    if type(one) is type(other) and hasattr(one, "__dict__") and not callable(one):
        return _same(vars(one), vars(other))
    try:
        return bool(one == other)
    except (RuntimeError, TypeError, ValueError):
        return False
