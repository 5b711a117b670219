"""Attention: the weights of every softmax attention in a forward pass, and their rollout over blocks.

Fused kernels do not expose the weights, so they are computed again from the same queries and keys. The forward pass
itself is unchanged.

Shapes: B images, H heads, N tokens, K width per head.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class Attentions(TorchFunctionMode):
    """A context that collects the weights, float32 (B, H, N, N), of every softmax attention in `weights`.

    It sees every call of `scaled_dot_product_attention`, from any module.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[Tensor] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        arguments = kwargs or {}
        if func is F.scaled_dot_product_attention:
            self.weights.append(softmax_weights(*args, **arguments))
        return func(*args, **arguments)


def softmax_weights(  # noqa: PLR0917  the kernel takes them by position
    query: Tensor,
    key: Tensor,
    value: Tensor,  # noqa: ARG001  the kernel's own arguments, in its order
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,  # noqa: ARG001  weights before dropout
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(Q Kᵀ · scale + mask) of queries and keys (B, H, N, K), float32; the default scale is 1/√K."""
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], dim=-3)
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = query.float() @ key.float().transpose(-2, -1) * factor
    if is_causal:
        attn_mask = torch.ones_like(scores, dtype=torch.bool).tril()
    if attn_mask is None:
        return scores.softmax(dim=-1)
    if attn_mask.dtype == torch.bool:
        return scores.masked_fill(~attn_mask, -math.inf).softmax(dim=-1)
    return (scores + attn_mask).softmax(dim=-1)


def rollout(weights: Sequence[Tensor]) -> Tensor:
    """How much of every token comes from each token of the first block, (B, N, N); rows sum to 1.

    weights: (B, H, N, N) of each block, first block first. Heads are averaged, and the skip connection counts as half
    of every row. Source: Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers".
    """
    first = weights[0].mean(dim=1)
    identity = torch.eye(first.shape[-1], device=first.device)
    rolled = identity.expand_as(first)
    for block_weights in weights:
        mixed = (block_weights.mean(dim=1) + identity) / 2
        rolled = mixed / mixed.sum(dim=-1, keepdim=True) @ rolled
    return rolled
