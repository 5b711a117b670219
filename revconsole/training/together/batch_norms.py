"""Batch norms over ranks: BatchNorm that takes its statistics over the images of all ranks.

    mean = Σ x / n      variance = Σ (x − mean)² / n      both sums over every rank, with their gradients

torch's SyncBatchNorm computes on GPUs alone. Each forward and each backward exchanges two vectors a norm, and a reversible
backward, which evaluates its blocks again, does so once more. It holds within `over_ranks`, where every rank computes:
what one rank computes by itself, as a probe does, is over its own images as ever.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from revconsole.training.together.exchange import Exchange


class BatchNormOverRanks(_BatchNorm):
    """Beside a class of BatchNorm, torch's or timm's with an activation behind it; see the module."""

    together: bool | None = None
    """Whether this rank's images count; None while it computes alone."""
    exchange: Exchange

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, …). As the class beside it, but for the statistics."""
        if self.together is None or not self.training:
            return super().forward(x)
        normed = self._normed(x.float(), counts=self.together).to(x.dtype)
        for name in ("drop", "act"):
            if isinstance(after := getattr(self, name, None), nn.Module):
                normed = after(normed)
        return normed

    def _normed(self, x: Tensor, *, counts: bool) -> Tensor:
        share, exchange = float(counts), self.exchange
        dims = [axis for axis in range(x.ndim) if axis != 1]
        shape = [1, -1, *[1] * (x.ndim - 2)]
        number = _summed(x.new_tensor(share * x.numel() / x.shape[1]), exchange)
        mean = _summed(share * x.sum(dims), exchange) / number
        apart = x - mean.view(shape)
        variance = _summed(share * apart.square().sum(dims), exchange) / number
        run_on(self, mean.detach(), variance.detach() * number / (number - 1).clamp(min=1))
        normed = apart * (variance + self.eps).rsqrt().view(shape)
        if self.weight is not None:
            normed = normed * self.weight.view(shape) + self.bias.view(shape)
        return normed


@torch.no_grad()
def run_on(norm: _NormBase, mean: Tensor, variance: Tensor) -> None:
    """Update the running statistics of a norm by those of one more forward pass, in the precision of its buffers."""
    if norm.running_mean is None or norm.running_var is None:
        return
    momentum = norm.momentum
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        if momentum is None:
            momentum = 1 / float(norm.num_batches_tracked)
    for running, statistic in ((norm.running_mean, mean), (norm.running_var, variance)):
        running.lerp_(statistic.to(running), momentum or 0.0)


def synchronise(model: nn.Module, exchange: Exchange) -> bool:
    """Let every BatchNorm of the model be one over the ranks of the exchange; whether there is any."""
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    for norm in norms:
        kind = type(norm)
        norm.__class__ = type(
            f"{kind.__name__}OverRanks", (BatchNormOverRanks, kind), {"exchange": exchange}
        )
    return bool(norms)


@contextmanager
def over_ranks(model: nn.Module, *, counts: bool) -> Iterator[None]:
    """A context for a forward pass and its backward on every rank. counts: whether there are images of this one."""
    norms = [module for module in model.modules() if isinstance(module, BatchNormOverRanks)]
    for norm in norms:
        norm.together = counts
    try:
        yield
    finally:
        for norm in norms:
            del norm.together


def _summed(value: Tensor, exchange: Exchange) -> Tensor:
    summed: Tensor = _SumOverRanks.apply(value, exchange)
    return summed


class _SumOverRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, exchange: Exchange) -> Tensor:
        ctx.exchange = exchange
        return _exchanged(value, exchange)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _exchanged(gradient, ctx.exchange), None


def _exchanged(value: Tensor, exchange: Exchange) -> Tensor:
    """The sum, in a tensor of its own: the exchange lets go of its tensor when it likes, which must not hold a graph."""
    sent = value.clone(memory_format=torch.contiguous_format)
    exchange.add_up(sent)
    return sent.clone()
