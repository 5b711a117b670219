"""Attention other than softmax, in place of timm's: how a vision transformer's block mixes tokens, or pools them.

Projections to heads and back are common to all; a mixture computes what happens between them.

Shapes: B batch, H heads, N tokens, K width per head, D = H·K.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ITERATIONS = 20
LEAST_SUM = 1e-6
"""Least sum of a token's weights; the approximation may give zero if all landmarks are far away."""


class MixingAttention(nn.Module):
    """Projections around a mixture that takes queries, keys and values, each (B, H, N, K).

    shared: queries and keys are equal, so a kernel of their distance is symmetric.
    """

    def __init__(
        self, dim: int, heads: int, mixture: nn.Module, *, dropout: float, shared: bool = False
    ) -> None:
        super().__init__()
        self.heads = heads
        self.shared = shared
        self.qkv = nn.Linear(dim, (2 if shared else 3) * dim)
        self.mixture = mixture
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, attn_mask: None = None, is_causal: bool = False) -> Tensor:
        """Attention output (B, N, D) of tokens x (B, N, D); masks are ignored."""
        del attn_mask, is_causal
        B, N, D = x.shape
        parts = self.qkv(x).reshape(B, N, -1, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = parts[[0, 0, 1]] if self.shared else parts
        mixed: Tensor = self.mixture(q, k, v)
        out: Tensor = self.proj_drop(self.proj(mixed.transpose(1, 2).reshape(B, N, D)))
        return out


class Local(nn.Module):
    """Locality self-attention: softmax with a learned temperature per head, in which no token attends to itself.

    The temperature starts at √K, the usual one. Source: Lee et al. 2021, "Vision Transformer for Small-Size
    Datasets", LSA.
    """

    def __init__(self, heads: int, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((heads,), width**-0.5))

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Mixed values (B, H, N, K)."""
        others = ~torch.eye(q.shape[-2], dtype=torch.bool, device=q.device)
        q = (q * self.scale[:, None, None]).to(v.dtype)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=others, scale=1.0)


class Gaussian(nn.Module):
    """Softmax-free attention: weights exp(−‖qᵢ − kⱼ‖² / 2√K), scaled by rows and columns alike.

    With one projection for queries and keys the weights S are symmetric, and so is D^−½ S D^−½ with the
    row sums D. Without landmarks S is computed whole, in quadratic time. With L of them, means of neighbouring
    tokens, it is Nyström's S ≈ Pᵀ A⁺ P from the weights P (L, N) of landmarks and tokens and A (L, L) of landmarks
    among themselves, in time linear in N. The inverse is found by Newton's iteration.
    Source: Lu et al. 2021 (SOFT, arXiv 2110.11945) and 2024 (the scaling).
    """

    def __init__(self, landmarks: int | None = None) -> None:
        super().__init__()
        self.landmarks = landmarks

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Mixed values (B, H, N, K). With landmarks, k equals q and is not used."""
        if self.landmarks is None:
            weights = gaussian(q, k)
            rows, columns = weights.sum(-1, keepdim=True), weights.sum(-2, keepdim=True)
            return (weights * (rows * columns).rsqrt()).to(v.dtype) @ v
        marks = F.adaptive_avg_pool2d(q, (self.landmarks, q.shape[-1]))
        tall = gaussian(q, marks)  # (B, H, N, L)
        middle = inverse(gaussian(marks, marks)) @ tall.transpose(-1, -2)
        scale = (tall @ middle.sum(-1, keepdim=True)).clamp_min(LEAST_SUM).rsqrt()  # (B, H, N, 1)
        return (scale * (tall @ (middle @ (scale * v.to(tall.dtype))))).to(v.dtype)


def gaussian(q: Tensor, k: Tensor) -> Tensor:
    """Kernel exp(−‖qᵢ − kⱼ‖² / 2√K), (B, H, N, M)."""
    squares = q.square().sum(-1).unsqueeze(-1) + k.square().sum(-1).unsqueeze(-2)
    distances = (squares - 2 * q @ k.transpose(-1, -2)).clamp_min(0)
    return torch.exp(-distances / (2 * math.sqrt(q.shape[-1])))


def inverse(a: Tensor) -> Tensor:
    """Pseudo-inverse of symmetric matrices (…, L, L) by X ← 2X − X A X, as in the paper.

    Directions in which A is smaller than about a thousandth of its largest are not inverted in ITERATIONS steps,
    which keeps noise from being amplified.
    """
    x = a / a.sum(-1, keepdim=True).amax(-2, keepdim=True).square()  # ‖A‖₁ bounds the eigenvalues
    for _ in range(ITERATIONS):
        x = 2 * x - x @ a @ x
    return x


class Linear(nn.Module):
    """Linear attention: the kernel φ(q)·φ(k) with φ = ELU + 1, summed over keys first, in linear time.

    Source: Katharopoulos et al. 2020, "Transformers are RNNs".
    """

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Mixed values (B, H, N, K)."""
        q, k = F.elu(q) + 1, F.elu(k) + 1
        summed = k.transpose(-1, -2) @ v  # (B, H, K, K)
        norms = q @ k.sum(-2).unsqueeze(-1)  # (B, H, N, 1)
        return (q @ summed) / norms


class SequencePool(nn.Module):
    """softmax(x w)ᵀ x over the tokens: attention of one learned query, without a class token.

    Source: Hassani et al. 2021, "Escaping the Big Data Paradigm with Compact Transformers".
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.score = nn.Linear(dim, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, D) to a vector (B, D)."""
        weights: Tensor = self.score(tokens).softmax(dim=1)
        return (weights.transpose(1, 2) @ tokens).squeeze(1)


def attention(
    kind: str, dim: int, heads: int, *, dropout: float, landmarks: int | None = None
) -> MixingAttention:
    """Attention of kind `local`, `softmax_free` (with that many landmarks) or `linear`."""
    if kind == "local":
        return MixingAttention(dim, heads, Local(heads, dim // heads), dropout=dropout)
    if kind == "softmax_free":
        return MixingAttention(dim, heads, Gaussian(landmarks), dropout=dropout, shared=True)
    return MixingAttention(dim, heads, Linear(), dropout=dropout)
