"""Gradients: their sum over the ranks, added in the order of the ranks.

torch's DistributedDataParallel lets a library choose the order, which for three ranks or more is not that of one process
that accumulates; it also needs a backward on every rank for every exchange, which a rank without images, or short of
memory, cannot make. Here each rank receives one share of every rank's gradients, adds them in order, and sends the sum to
all: the bytes of a ring, in a fixed order.

What a rank has no gradient of it sends as −0, which changes no number that it is added to.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

import torch
from torch import Tensor

from revconsole.training.together.exchange import Exchange

BUCKET_BYTES = 25 * 2**20
"""Bytes of gradients that are exchanged at once, as in DistributedDataParallel."""


class GradientSum:
    """Sums the gradients of some parameters over the ranks."""

    def __init__(self, parameters: Sequence[Tensor], exchange: Exchange) -> None:
        self._parameters, self._exchange = list(parameters), exchange
        self._world = exchange.world
        self._buckets = list(_buckets(self._parameters))
        self._buffers: dict[tuple[torch.dtype, torch.device], tuple[Tensor, Tensor]] = {}

    @property
    def buffers(self) -> list[Tensor]:
        """What is kept from one step to the next."""
        return [buffer for pair in self._buffers.values() for buffer in pair]

    def prepare(self) -> None:
        """Allocate the buffers of the exchange, before the others rely on this rank. Raises what lack of memory raises."""
        if self._buffers:
            return
        for bucket in self._buckets:
            some, length = bucket[0], self._length(bucket)
            kind = some.dtype, some.device
            if kind not in self._buffers or len(self._buffers[kind][0]) < length:
                self._buffers[kind] = (some.new_empty(length), some.new_empty(length))

    def add(self) -> None:
        """Set `.grad` of each parameter to the sum; None stays where no rank has a gradient."""
        there = self._present()
        for bucket in self._buckets:
            chosen = [p for p in bucket if id(p) in there]
            if chosen:
                self._add(chosen)

    def _present(self) -> set[int]:
        """The identities of the parameters of which some rank has a gradient."""
        some = self._exchange.anywhere([p.grad is not None for p in self._parameters])
        return {id(p) for p, there in zip(self._parameters, some, strict=True) if there}

    def _add(self, bucket: list[Tensor]) -> None:
        sent, received = (
            buffer[: self._length(bucket)]
            for buffer in self._buffers[bucket[0].dtype, bucket[0].device]
        )
        for parameter, place in _placed(bucket, sent):
            if parameter.grad is None:
                place.fill_(-0.0)
            else:
                place.copy_(parameter.grad)
        self._exchange.swap(received, sent)
        total, *others = received.chunk(self._world)
        for other in others:
            total += other
        self._exchange.gather(sent, total)
        for parameter, place in _placed(bucket, sent):
            if parameter.grad is None:
                parameter.grad = torch.empty_like(parameter)
            parameter.grad.copy_(place)

    def _length(self, bucket: Sequence[Tensor]) -> int:
        """Numbers of a bucket, as many for every rank."""
        return -(-sum(p.numel() for p in bucket) // self._world) * self._world


def _buckets(parameters: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """The parameters in groups of one type and device of about BUCKET_BYTES."""
    for _, alike in groupby(parameters, key=lambda p: (p.dtype, p.device)):
        bucket: list[Tensor] = []
        for parameter in alike:
            bucket.append(parameter)
            if sum(p.nbytes for p in bucket) >= BUCKET_BYTES:
                yield bucket
                bucket = []
        if bucket:
            yield bucket


def _placed(bucket: Sequence[Tensor], flat: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Each parameter with its place in a flat tensor, in its shape."""
    begin = 0
    for parameter in bucket:
        yield parameter, flat[begin : begin + parameter.numel()].view(parameter.shape)
        begin += parameter.numel()
