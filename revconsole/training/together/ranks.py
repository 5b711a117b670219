"""Ranks: the exchanges of a training on several ranks, by torch.distributed.

Small agreements go over gloo on the CPU, so that they hold up no GPU; gradients and losses go where they are. No
exchange has a time limit of its own, because a paused run waits in one: `watch` ends the ranks when one is gone.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from revconsole.training.together.alone import ElsewhereShort
from revconsole.training.together.exchange import ByTorch
from revconsole.training.together.gradients import GradientSum

Value = TypeVar("Value")
NO_LIMIT = timedelta(days=365)


class Ranks:
    """This process as one of several ranks; see `Together`. The process group exists."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self.rank, self.world = dist.get_rank(), dist.get_world_size()
        self._sum: GradientSum | None = None
        self._broken_off = False

    @property
    def first(self) -> bool:
        """Whether this is rank 0."""
        return self.rank == 0

    def turns(self, count: int) -> Iterator[int | None]:
        """Every `world`-th piece from `rank` on; None in the last round if none is left."""
        for begin in range(0, count, self.world):
            place = begin + self.rank
            yield place if place < count else None

    def meet(self) -> None:
        """Wait for the others. Raises ElsewhereShort if one of them says `short`."""
        if not self._all_well(well=True):
            self._broken_off = True
            raise ElsewhereShort("another rank lacks memory")

    def short(self, why: str) -> str:
        """See `Together`. A rank whose work was broken off by `meet` has no reason of its own."""
        if self._broken_off:
            why = ""
        else:
            self._all_well(well=False)
        self._broken_off = False
        reasons = self._gathered(why)
        return "; ".join(f"rank {rank}: {text}" for rank, text in enumerate(reasons) if text)

    def told(self, value: Value) -> Value:
        """The first rank's value."""
        values = [value]
        dist.broadcast_object_list(values, src=0, device=torch.device("cpu"))
        return values[0]

    def in_order(
        self, own: Sequence[Tensor], count: int, *, like: Tensor | None = None
    ) -> list[Tensor]:
        """The results of all ranks, in the order of the work."""
        if like is not None:
            return self._rows(own, count, like)
        every = self._gathered([result.cpu() for result in own])
        device = own[0].device if own else torch.device("cpu")
        return [every[place % self.world][place // self.world].to(device) for place in range(count)]

    def summed(self, counts: Tensor) -> Tensor:
        """The sum of whole numbers over the ranks."""
        dist.all_reduce(counts)
        return counts

    def most(self, values: Mapping[str, float]) -> dict[str, float]:
        """The largest of each value over the ranks."""
        every = self._gathered(dict(values))
        return {name: max(each[name] for each in every) for name in values}

    def clear_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Rank 0 carries the sum of the rounds before on, as one process does; the others begin anew."""
        if not self.first:
            for parameter in parameters:
                parameter.grad = None

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Set `.grad` to its sum over the ranks in their order. Raises ElsewhereShort as `meet` does."""
        if self._sum is None:
            self._sum = GradientSum(parameters, ByTorch(torch.device(self.device)))
        self._sum.prepare()
        self.meet()
        self._sum.add()

    def buffers(self) -> list[Tensor]:
        """Those of the sum of gradients."""
        return [] if self._sum is None else self._sum.buffers

    def _rows(self, own: Sequence[Tensor], count: int, like: Tensor) -> list[Tensor]:
        """The results of all ranks, which are `like` one tensor."""
        rounds = -(-count // self.world)
        sent = torch.stack([*own, *[like] * (rounds - len(own))])
        received = sent.new_empty(self.world * rounds, *like.shape)
        dist.all_gather_into_tensor(received, sent)
        in_rounds = received.view(self.world, rounds, *like.shape).transpose(0, 1)
        return list(in_rounds.flatten(0, 1)[:count])

    def _all_well(self, *, well: bool) -> bool:
        flag = torch.tensor(well, dtype=torch.int32)
        dist.all_reduce(flag, op=dist.ReduceOp.MIN)
        return bool(flag.item())

    def _gathered(self, value: Value) -> list[Value]:
        """The values of all ranks, which are processes of this very program."""
        every: list[Value] = [value] * self.world
        dist.all_gather_object(every, value)
        return every


def join(device: str) -> Ranks:
    """Join the ranks that the launcher's environment names. device: that of this one."""
    cuda = device.startswith("cuda")
    backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
    if cuda:
        torch.cuda.set_device(device)
    dist.init_process_group(backend, timeout=NO_LIMIT)
    return Ranks(device)


def leave() -> None:
    """Leave the ranks, if this process has joined any."""
    if dist.is_initialized():
        dist.destroy_process_group()
