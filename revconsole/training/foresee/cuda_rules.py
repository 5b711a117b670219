"""CUDA's rules of autocast, where the CPU's are others: these functions compute in float32 and return it.

The CPU lets most of them take whatever type comes in. From torch's `aten/src/ATen/autocast_mode.h`, the functions that
models of images use.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

IN_FLOAT32: frozenset[Callable[..., Any]] = frozenset({
    F.layer_norm, F.group_norm, F.softmax, F.log_softmax, F.cross_entropy, F.nll_loss, F.kl_div, F.mse_loss, F.l1_loss,
    F.smooth_l1_loss, F.softplus, F.binary_cross_entropy_with_logits, F.cosine_similarity, F.normalize,
    torch.layer_norm, torch.group_norm, torch.softmax, torch.log_softmax, torch.pow, torch.exp, torch.log, torch.rsqrt,
    torch.sum, torch.prod, torch.cumsum, torch.norm, torch.sinh, torch.cosh, torch.reciprocal,
    torch.linalg.vector_norm, torch.linalg.matrix_norm,
    Tensor.softmax, Tensor.log_softmax, Tensor.pow, Tensor.__pow__, Tensor.exp, Tensor.log, Tensor.rsqrt, Tensor.sum,
    Tensor.prod, Tensor.cumsum, Tensor.norm, Tensor.reciprocal,
})  # fmt: skip
HALVES = (torch.bfloat16, torch.float16)


class CudaRules(TorchFunctionMode):
    """Within it autocast of the CPU treats functions as autocast of CUDA does."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        kwargs = dict(kwargs or {})
        if func is torch.autograd.backward:
            return self._backward(*args)
        if func not in IN_FLOAT32 or not torch.is_autocast_enabled("cpu"):
            return func(*args, **kwargs)
        args, kwargs = tree_map(_in_float32, (tuple(args), dict(kwargs)))
        with torch.autocast("cpu", enabled=False):
            return func(*args, **kwargs)

    def _backward(self, losses: Sequence[Tensor]) -> None:
        """`torch.autograd.backward` of numbers, within the mode, as blocks are evaluated again in it.

        Torch leaves the mode for what the mode is asked about, so the engine is called as torch calls it.
        """
        with self:
            torch.autograd.Variable._execution_engine.run_backward(  # noqa: SLF001
                tuple(losses), tuple(map(torch.ones_like, losses)), False, False, (), True, True
            )


def _in_float32(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype in HALVES else value
