"""Token merging: each block joins the tokens that are most alike, so that later blocks have fewer.

Tokens are dealt into two hands by turns; each of the first hand finds its nearest of the second by the angle
between their keys, and the closest pairs become one token, the mean weighted by how many patches each stands
for. Attention counts a token as often as it has patches, by adding the logarithm. The class token is never
merged. No block can be undone, since what was joined cannot be told apart.
Source: Bolya et al. 2023, "Token Merging: Your ViT But Faster".

Shapes: B batch, N tokens, D width, H heads, K width per head.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MergingBlocks(nn.Sequential):
    """Blocks of timm's vision transformer, with `merged` tokens fewer after the attention of each.

    The blocks and their weights keep their names. The first token is the class token.
    """

    def __init__(self, blocks: Iterable[nn.Module], *, merged: int) -> None:
        super().__init__(*blocks)
        self.merged = merged

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) to (B, N', D); half of the patches' tokens go at most, in each block."""
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
    """Join `merged` pairs of tokens (B, N, D) that have the most similar keys (B, N, K).

    sizes: (B, N, 1), patches that each token stands for. Returns tokens and sizes, `merged` fewer; the first
    stays first.
    """
    merged = min(merged, (x.shape[1] - 1) // 2)
    if merged == 0:
        return x, sizes
    with torch.no_grad():
        gone, left, into = _pairs(keys, merged)

    totals = x * sizes
    first, second = totals[:, ::2], totals[:, 1::2]
    first_sizes, second_sizes = sizes[:, ::2], sizes[:, 1::2]
    second = second.scatter_add(1, _wide(into, second), _taken(first, gone))
    second_sizes = second_sizes.scatter_add(1, into[..., None], _taken(first_sizes, gone))
    totals = torch.cat([_taken(first, left), second], dim=1)
    sizes = torch.cat([_taken(first_sizes, left), second_sizes], dim=1)
    return totals / sizes, sizes


def _pairs(keys: Tensor, merged: int) -> tuple[Tensor, Tensor, Tensor]:
    """Who of the first hand is merged, who stays (in order), and into whom of the second hand the former go."""
    directions = F.normalize(keys, dim=-1)
    likeness = directions[:, ::2] @ directions[:, 1::2].transpose(1, 2)
    likeness[:, 0] = -torch.inf  # the class token has no like
    best, nearest = likeness.max(dim=-1)
    order = best.argsort(dim=-1, descending=True)
    gone, left = order[:, :merged], order[:, merged:].sort(dim=-1).values
    return gone, left, nearest.gather(1, gone)


def _attend(attention: Any, x: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
    """Softmax attention that counts each token by its size, (B, N, D), and its mean keys (B, N, K)."""
    B, N, D = x.shape
    heads = attention.num_heads
    q, k, v = attention.qkv(x).reshape(B, N, 3, heads, D // heads).permute(2, 0, 3, 1, 4)
    mixed = F.scaled_dot_product_attention(
        q, k, v, attn_mask=sizes.log().transpose(1, 2).unsqueeze(1).to(q.dtype)
    )
    out = attention.proj_drop(attention.proj(mixed.transpose(1, 2).reshape(B, N, D)))
    return out, k.mean(dim=1)


def _taken(x: Tensor, index: Tensor) -> Tensor:
    return x.gather(1, _wide(index, x))


def _wide(index: Tensor, x: Tensor) -> Tensor:
    """(B, n) as (B, n, D), to take whole tokens."""
    return index[..., None].expand(-1, -1, x.shape[-1])
