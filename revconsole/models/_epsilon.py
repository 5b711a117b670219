"""Epsilon: what a LayerNorm adds to the variance before it divides by its root.

timm's vision transformers add 1e-6, those of transformers 1e-12 unless their configuration says otherwise; where tokens
vary little, as in front of the first block, the two differ visibly.
"""

from torch import nn

from revconsole.errors import ProfileError

KEY = "model.norm_eps"


def with_epsilon(model: nn.Module, epsilon: float | None) -> nn.Module:
    """The model with this epsilon in each of its LayerNorms; None leaves its own. Raises ProfileError if it has none."""
    if epsilon is None:
        return model
    norms = [part for part in model.modules() if isinstance(part, nn.LayerNorm)]
    if not norms:
        raise ProfileError.of_plan(KEY, "the model has no LayerNorm; leave it out")
    for norm in norms:
        norm.eps = epsilon
    return model
