"""What a model is handed between two blocks of a run that is computed at once.

Nothing is known of what lies between the blocks of such a run. A model that only hands it on, as
`for block in blocks: x = block(x)` does, never notices. One that collects it, returns it, or adds it to something else
would get wrong features without a word: whatever is done with a `Pending` tensor but to ask for its form raises.
"""

from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from torch import Tensor

from revconsole.errors import RevconsoleError

GETTERS = (
    "device", "dtype", "is_cpu", "is_cuda", "is_meta", "is_mps", "is_nested", "is_quantized",
    "is_sparse", "is_xpu", "itemsize", "layout", "nbytes", "ndim", "requires_grad", "shape",
)  # fmt: skip
METHODS = (
    "__len__", "dim", "element_size", "get_device", "is_complex", "is_contiguous",
    "is_floating_point", "ndimension", "nelement", "numel", "size", "stride",
)  # fmt: skip
OF_THE_FORM = {
    *(getattr(Tensor, name).__get__ for name in GETTERS if hasattr(Tensor, name)),
    *(getattr(Tensor, name) for name in METHODS),
    *(torch.is_complex, torch.is_floating_point, torch.numel),
}


def asks_for_form(function: Callable[..., Any]) -> bool:
    """Whether a function of torch tells of a tensor only its shape and kind, and no value."""
    return function in OF_THE_FORM


class Pending(Tensor):
    """Stands for the output of the block `name`, which is inside a run: it has a form and no values.

    like: a tensor of its shape, dtype and device. run: of whoever hands it on, to know it again. grows: whether the
    output has a gradient.
    """

    block: str
    run: object

    @staticmethod
    def __new__(  # noqa: D102  see the class
        cls: type[Self], like: Tensor, name: str, *, run: object = None, grows: bool = False
    ) -> Self:
        pending: Self = Tensor._make_wrapper_subclass(  # noqa: SLF001  torch's way
            cls, like.shape, dtype=like.dtype, device=like.device, requires_grad=grows
        )
        pending.block, pending.run = name, run
        return pending

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        """The shape, and why there are no values."""
        return f"Pending({tuple(self.shape)}, after block {self.block}, inside a run)"

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Answer what is asked of the form. Raises RevconsoleError for everything else."""
        if asks_for_form(func):
            answer: Any = super().__torch_function__
            return answer(func, types, args, dict(kwargs or {}))
        if not all(issubclass(kind, Tensor) for kind in types):
            # What a part of a block returns knows its own stream, see `pairs`.
            return NotImplemented
        raise RevconsoleError(_used(args, kwargs or {}, func))

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch declares another than it calls
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """What reaches torch past Python is refused as well. Raises RevconsoleError."""
        del types
        raise RevconsoleError(_used(args, kwargs or {}, func))


class Unused:
    """Stands for what a block returned besides its stream when the model had no use for it."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Raises RevconsoleError."""
        del types, args, kwargs
        raise cls._misused(func.__name__.strip("_"))

    def __getattr__(self, name: str) -> Any:
        raise self._misused(name)

    def __iter__(self) -> Any:
        raise self._misused("taken apart")

    def __getitem__(self, _: object) -> Any:
        raise self._misused("taken apart")

    @staticmethod
    def _misused(how: str) -> RevconsoleError:
        return RevconsoleError(
            f"what a wired block returns besides its stream is used ({how}), which it was not when the "
            "model was rewired: it is there in evaluation alone, or rewire the model with an `example` "
            "and settings under which it is used, so that the block is left alone"
        )


def _used(args: Any, kwargs: Mapping[str, Any], func: Callable[..., Any]) -> str:
    waiting = [*args, *kwargs.values()]
    name = "a block"
    while waiting:
        each = waiting.pop()
        if isinstance(each, Pending):
            name = f"block {each.block}"
        elif isinstance(each, list | tuple):
            waiting.extend(each)
    what = getattr(func, "__name__", str(func)).strip("_")
    return (
        f"the output of {name} is used ({what}) by something else than the next block, and in "
        "training it is not known inside a run of wired blocks: hidden states and features from "
        "between blocks are there in evaluation alone, or rewire the model with an `example` and "
        "settings under which it takes them, so that the run ends there"
    )
