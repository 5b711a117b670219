"""Fully connected network with tanh between its layers; its gradient is torch's, or written by hand.

By hand, with layers z = W a + b and a = tanh(z): the gradient δ of the last z comes from the loss. For each layer
from the last to the first, ∂W = δᵀ a, ∂b = Σ δ, and δ ← (δ W) ∘ (1 − a²) for the layer below. Both ways give the same
numbers.

Shapes: B batch, I inputs of a layer, O outputs of a layer, C classes.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from revconsole.records.sections.model import Mlp


def build(
    settings: Mlp, *, size: int, channels: int, classes: int, width: int | None = None
) -> nn.Module:
    """The network with random initial weights, on the current default device; its input is the flattened image.

    width: of images that are not square.
    """
    widths = [channels * size * (width or size), *[settings.width] * settings.depth, classes]
    return Perceptron(widths, by_hand=settings.gradients == "by_hand")


class Perceptron(nn.Module):
    """Linear layers of these widths, with tanh between them.

    by_hand: use the gradient written here, which is computed in the precision of the weights.
    """

    def __init__(self, widths: Sequence[int], *, by_hand: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))
        self.by_hand = by_hand

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, …) to logits (B, C)."""
        a = images.flatten(1)
        weights = list(self.parameters())  # matrix and bias of each layer in turn
        if not (self.by_hand and torch.is_grad_enabled()):
            return _activations(a, weights)[-1]
        with torch.autocast(a.device.type, enabled=False):
            logits: Tensor = ByHand.apply(a.to(weights[0].dtype), *weights)
        return logits


class ByHand(torch.autograd.Function):
    """The whole network as one autograd function with an explicit gradient."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, *weights: Tensor) -> Tensor:
        """Logits (B, C) of inputs a (B, I); weights: (O, I) and (O,) of each layer in turn."""
        activations = _activations(a, weights)
        ctx.save_for_backward(*activations[:-1], *weights)
        return activations[-1]

    @staticmethod
    def backward(ctx: Any, delta: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the input and of every weight. delta: gradient of the logits, (B, C)."""
        layers = len(ctx.saved_tensors) // 3
        activations, weights = ctx.saved_tensors[:layers], ctx.saved_tensors[layers:]
        gradients: list[Tensor] = []
        with torch.autocast(delta.device.type, enabled=False):
            for layer in reversed(range(layers)):
                a, W = activations[layer], weights[2 * layer]
                gradients = [delta.T @ a, delta.sum(0), *gradients]
                delta = delta @ W
                if layer > 0:
                    delta = delta * (1 - a.square())
        return delta, *gradients


def _activations(a: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    """The input, the output of each hidden layer, and the logits."""
    activations = [a]
    for W, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
        activations.append(F.linear(activations[-1], W, b).tanh())
    return [*activations, F.linear(activations[-1], weights[-2], weights[-1])]
