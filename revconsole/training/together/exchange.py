"""Exchange: the calls of torch.distributed by which ranks sum gradients and lend weights, and room for what is lent.

They are gathered here so that a step of one rank can be traced alone, on tensors without numbers; see `foresee.one_rank`.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
import torch.distributed as dist
from torch import Tensor


class Exchange(Protocol):
    """What one rank gives the others and gets from them. Every rank calls the same, but for `send` and `receive`."""

    @property
    def rank(self) -> int:
        """Number of this rank, from 0."""

    @property
    def world(self) -> int:
        """Number of ranks."""

    def anywhere(self, flags: Sequence[bool]) -> list[bool]:
        """Whether each flag is set on some rank."""

    def add_up(self, tensor: Tensor) -> None:
        """Put the sum over the ranks in place of the tensor."""

    def swap(self, received: Tensor, sent: Tensor) -> None:
        """Send each rank its share of a flat tensor, and receive every rank's."""

    def gather(self, received: Tensor, sent: Tensor) -> None:
        """Receive the tensors of all ranks, one behind the other."""

    def broadcast(self, tensor: Tensor, source: int) -> None:
        """Put what rank `source` has in place of the tensor."""

    def send(self, tensor: Tensor, to: int) -> None:
        """Send it to one rank, which receives it."""

    def receive(self, tensor: Tensor, source: int) -> None:
        """Put what one rank sends in place of the tensor."""

    def forget(self, matrix: Tensor) -> None:
        """Leave of a matrix that another rank holds the shape, on the device of this one."""

    def make_room(self, matrix: Tensor) -> None:
        """Give a matrix that another rank holds its storage, for what is about to be lent."""

    def give_room_back(self, matrix: Tensor) -> None:
        """Leave such a matrix without its storage; its shape and its place in a graph remain."""


class ByTorch:
    """By torch.distributed, whose process group exists; see `Exchange`. device: of this rank."""

    def __init__(self, device: torch.device) -> None:
        self.rank, self.world = dist.get_rank(), dist.get_world_size()
        self._device = device

    def anywhere(self, flags: Sequence[bool]) -> list[bool]:
        """By gloo on the CPU, so that it waits for no GPU."""
        here = torch.tensor(flags, dtype=torch.int32)
        dist.all_reduce(here, op=dist.ReduceOp.MAX)
        return [bool(flag) for flag in here.tolist()]

    def add_up(self, tensor: Tensor) -> None:
        """all_reduce."""
        dist.all_reduce(tensor)

    def swap(self, received: Tensor, sent: Tensor) -> None:
        """all_to_all."""
        dist.all_to_all_single(received, sent)

    def gather(self, received: Tensor, sent: Tensor) -> None:
        """all_gather."""
        dist.all_gather_into_tensor(received, sent)

    def broadcast(self, tensor: Tensor, source: int) -> None:
        """Broadcast."""
        dist.broadcast(tensor, src=source)

    def send(self, tensor: Tensor, to: int) -> None:
        """Send."""
        dist.send(tensor, to)

    def receive(self, tensor: Tensor, source: int) -> None:
        """Recv."""
        dist.recv(tensor, source)

    def forget(self, matrix: Tensor) -> None:
        """Its shape stays on the device of this rank, so that moving the model later leaves it alone."""
        matrix.data = torch.empty_like(matrix.data, device=self._device)
        self.give_room_back(matrix)

    def make_room(self, matrix: Tensor) -> None:
        """Resize its storage to the bytes of its shape."""
        matrix.untyped_storage().resize_(matrix.nbytes)

    def give_room_back(self, matrix: Tensor) -> None:
        """Resize its storage to nothing."""
        matrix.untyped_storage().resize_(0)
