"""What a model is run on to see what it does: an input that its user gave, or images it may take.

An example is a tensor, a tuple of positional inputs, a dictionary of named ones, or `(args, kwargs)`. Tensors may lie
in lists and dictionaries, and those of integers (tokens, labels) stay as they are.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from revconsole.errors import NotInvertible
from revconsole.reversible.nested import tensors_in

Example: TypeAlias = Tensor | tuple[Any, ...] | list[Any] | Mapping[str, Any]
SMALL, USUAL = 64, 224
"""Pixels a side: the least that deep convolutional networks leave something of, and what most are made for."""
BOTH = 2  # (args, kwargs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a model is called with: positional and named inputs."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    @classmethod
    def of(cls, example: Example) -> Self:
        """The inputs that an example means. Raises NotInvertible for what is none."""
        if isinstance(example, Tensor):
            return cls(args=(example,), kwargs={})
        if isinstance(example, Mapping):
            return cls(args=(), kwargs=dict(example))
        if not isinstance(example, tuple | list):
            raise NotInvertible(
                f"`example` is a {type(example).__name__}: give a tensor, a tuple of positional "
                "inputs, a dictionary of named ones, or (args, kwargs)"
            )
        if len(example) == BOTH and isinstance(example[0], tuple | list):
            args, kwargs = example
            if isinstance(kwargs, Mapping) and all(isinstance(name, str) for name in kwargs):
                return cls(args=tuple(args), kwargs=dict(kwargs))
        return cls(args=tuple(example), kwargs={})

    def fresh(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Copies to run on; those of floating point need gradients, so that their way is recorded."""
        args, kwargs = tree_map_only(Tensor, _copy, (self.args, dict(self.kwargs)))
        return args, kwargs

    @property
    def batch(self) -> int:
        """How long the first tensor is; 0 without one."""
        first = next(tensors_in((self.args, dict(self.kwargs))), None)
        return len(first) if first is not None and first.ndim else 0

    def doubled(self, axis: int = 0) -> Self:
        """Every tensor that is as long along the axis as the first, twice over."""
        first = next(tensors_in((self.args, dict(self.kwargs))), None)
        length = first.shape[axis] if first is not None and first.ndim > axis else None

        def twice(tensor: Tensor) -> Tensor:
            fits = tensor.ndim > axis and tensor.shape[axis] == length
            return torch.cat([tensor, tensor], axis) if fits else tensor

        args, kwargs = tree_map_only(Tensor, twice, (self.args, dict(self.kwargs)))
        return type(self)(args=args, kwargs=kwargs)


def inputs_for(model: nn.Module, example: Example | None) -> Iterator[Inputs]:
    """The inputs of the example; without one, those to try, the likeliest first."""
    if example is not None:
        yield Inputs.of(example)
        return
    for image in _images(model):
        yield Inputs.of(image)


def _copy(tensor: Tensor) -> Tensor:
    """A copy that the model may change, with a node of its own in the graph where it has one."""
    if tensor.is_floating_point() or tensor.is_complex():
        return tensor.detach().requires_grad_().clone()
    return tensor.clone()


def _images(model: nn.Module) -> Iterator[Tensor]:
    """Inputs in the model's dtype on its device: images, or vectors if there is no convolution."""
    weight = next((p for p in model.parameters() if p.is_floating_point()), None)
    if weight is None:
        return
    first = next((m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)), None)
    if isinstance(first, nn.Linear) and not _declared(model):
        yield weight.new_zeros(2, first.in_features)  # or patches, taken from an image before
    # The first convolution sees the image, unless the model takes that apart before.
    channels = {first.in_channels: None, 3: None} if isinstance(first, nn.Conv2d) else {3: None}
    for depth in channels:
        for height, width in _sizes(model, small=not weight.is_meta):
            pixels = torch.arange(depth * height * width, device=weight.device)
            image = (pixels * 0.7).sin().reshape(1, depth, height, width)
            yield image.to(weight.dtype)


def _sizes(model: nn.Module, *, small: bool) -> list[tuple[int, int]]:
    """Sides of images to try, the likeliest first."""
    holders = [*model.modules(), getattr(model, "config", None)]
    declared = [
        getattr(each, name, None) for name in ("img_size", "image_size") for each in holders
    ]
    fixed = next((_pair(size) for size in declared if _pair(size)), ())
    made_for = _declared(model)
    sizes = [fixed] if len(fixed) == 2 else []
    sizes += [(SMALL, SMALL)] if small else []
    return list(dict.fromkeys([*sizes, *made_for, (USUAL, USUAL), (SMALL, SMALL)]))


def _pair(size: Any) -> tuple[int, ...]:
    """Height and width; nothing if it is no size."""
    sides = (size, size) if isinstance(size, int) and size > 1 else size
    if not isinstance(sides, tuple | list) or len(sides) != BOTH:
        return ()
    return tuple(sides) if all(isinstance(side, int) for side in sides) else ()


def _declared(model: nn.Module) -> list[tuple[int, int]]:
    """The size timm says the model was made for, if it says one."""
    known = getattr(model, "pretrained_cfg", None)
    size = known.get("input_size") if isinstance(known, dict) else None
    return [(size[1], size[2])] if size and re.fullmatch(r"\d+", str(size[1])) else []
