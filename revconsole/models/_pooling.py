"""Sequence pooling: one vector from all tokens, with weights computed from the tokens."""

from torch import Tensor, nn


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
