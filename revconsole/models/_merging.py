"""Token merging: each block merges the most similar tokens, so that later blocks have fewer.

Tokens are split alternately into two sets. Each token of the first finds its nearest in the second by the angle
between their keys, and the closest pairs become one token, the mean weighted by the patches each represents. Attention
counts a token as often as it has patches, by adding the logarithm. The class token is never merged. A block cannot be
inverted. Source: Bolya et al. 2023, "Token Merging: Your ViT But Faster".

Shapes: B batch, N tokens, D width, H heads, K width per head.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MergingBlocks(nn.Sequential):
    """Blocks of timm's vision transformer that remove `merged` tokens after each attention.

    The blocks and their weights keep their names. The first token is the class token.
    """

    def __init__(self, blocks: Iterable[nn.Module], *, merged: int) -> None:
        super().__init__(*blocks)
        self.merged = merged

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B, N, D) to (B, N', D); each block removes at most half of the patch tokens."""
        sizes = x.new_ones(*x.shape[:2], 1)
        for block in self:
            x, sizes = self._through(block, x, sizes)
        return x

    def _through(self, block: Any, x: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
        attended, keys = _attend(block.attn, block.norm1(x), sizes)
        x = x + block.drop_path1(block.ls1(attended))
        x, sizes = merge(x, keys, sizes, merged=self.merged)
        return x + block.drop_path2(block.ls2(block.mlp(block.norm2(x)))), sizes


def merge(x: Tensor, keys: Tensor, sizes: Tensor, *, merged: int) -> tuple[Tensor, Tensor]:
    """Merge the `merged` pairs of tokens (B, N, D) with the most similar keys (B, N, K).

    sizes: (B, N, 1), patches that each token represents. Returns tokens and sizes, `merged` fewer; the first stays
    first.
    """
    merged = min(merged, (x.shape[1] - 1) // 2)
    if merged == 0:
        return x, sizes
    with torch.no_grad():
        merged_tokens, remaining, targets = _pairs(keys, merged)

    totals = x * sizes
    first, second = totals[:, ::2], totals[:, 1::2]
    first_sizes, second_sizes = sizes[:, ::2], sizes[:, 1::2]
    second = second.scatter_add(1, wide(targets, second), _taken(first, merged_tokens))
    second_sizes = second_sizes.scatter_add(
        1, targets[..., None], _taken(first_sizes, merged_tokens)
    )
    totals = torch.cat([_taken(first, remaining), second], dim=1)
    sizes = torch.cat([_taken(first_sizes, remaining), second_sizes], dim=1)
    return totals / sizes, sizes


def _pairs(keys: Tensor, merged: int) -> tuple[Tensor, Tensor, Tensor]:
    """(merged tokens of the first set, remaining ones in order, targets in the second set of the former)."""
    directions = F.normalize(keys, dim=-1)
    likeness = directions[:, ::2] @ directions[:, 1::2].transpose(1, 2)
    likeness[:, 0] = -torch.inf  # the class token has no like
    best, nearest = likeness.max(dim=-1)
    order = best.argsort(dim=-1, descending=True)
    merged_tokens, remaining = order[:, :merged], order[:, merged:].sort(dim=-1).values
    return merged_tokens, remaining, nearest.gather(1, merged_tokens)


def _attend(attention: Any, x: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
    """Softmax attention weighted by token size, (B, N, D), and the mean keys (B, N, K)."""
    B, N, D = x.shape
    heads = attention.num_heads
    q, k, v = attention.qkv(x).reshape(B, N, 3, heads, D // heads).permute(2, 0, 3, 1, 4)
    mixed = F.scaled_dot_product_attention(
        q, k, v, attn_mask=sizes.log().transpose(1, 2).unsqueeze(1).to(q.dtype)
    )
    out = attention.proj_drop(attention.proj(mixed.transpose(1, 2).reshape(B, N, D)))
    return out, k.mean(dim=1)


def _taken(x: Tensor, index: Tensor) -> Tensor:
    return x.gather(1, wide(index, x))


def wide(index: Tensor, x: Tensor) -> Tensor:
    """Indices (B, n) expanded to (B, n, D), to gather whole tokens."""
    return index[..., None].expand(-1, -1, x.shape[-1])
