"""One rank: a step of one of several ranks, traced alone on tensors without numbers.

What the rank does is the training's own code; only the calls to the others are left out (`NoExchange`), so buffers,
lent blocks, and sums of gradients come and go as they will.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from revconsole.records.foresight.foresight import Kind
from revconsole.records.settings.plan import Plan
from revconsole.training.together.alone import Alone
from revconsole.training.together.gradients import GradientSum
from revconsole.training.together.shards import fullest, lent_matrices


class NoExchange:
    """Exchanges whose numbers nobody looks at; see `Exchange`. device: of the ranks."""

    def __init__(self, rank: int, world: int, device: Kind) -> None:
        self.rank, self.world, self._device = rank, world, device
        self._lent: dict[int, Tensor] = {}

    def anywhere(self, flags: Sequence[bool]) -> list[bool]:
        """Everywhere as here."""
        return list(flags)

    def add_up(self, tensor: Tensor) -> None:
        """Nothing; the tensor has no numbers. So do those that follow."""

    def swap(self, received: Tensor, sent: Tensor) -> None:
        """See `add_up`."""

    def gather(self, received: Tensor, sent: Tensor) -> None:
        """On the CPU gloo receives into a tensor of its own first."""
        del sent
        if self._device == "cpu":
            torch.empty_like(received)

    def broadcast(self, tensor: Tensor, source: int) -> None:
        """See `add_up`."""

    send = receive = broadcast

    def forget(self, matrix: Tensor) -> None:
        """It is not counted from now on."""

    def make_room(self, matrix: Tensor) -> None:
        """Count a tensor of its size."""
        self._lent[id(matrix)] = torch.empty_like(matrix)

    def give_room_back(self, matrix: Tensor) -> None:
        """Count it no longer."""
        self._lent.pop(id(matrix), None)


class OneRank(Alone):
    """The ranks as seen from the one that is traced, which has the first turns; see `Together`."""

    def __init__(self, exchange: NoExchange, summed: Sequence[Tensor]) -> None:
        self.rank, self.world = exchange.rank, exchange.world
        self._sum = GradientSum(summed, exchange)
        self._sum.prepare()

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Those of this rank, by way of the buffers."""
        del parameters
        self._sum.add()

    def buffers(self) -> list[Tensor]:
        """Those of the sum."""
        return self._sum.buffers


def rank_to_trace(plan: Plan, model: nn.Module) -> int:
    """The rank that is traced for all. Raises as `lent_matrices` does."""
    if not plan.train.shard:
        return 0  # it alone keeps gradients from one of its micro-batches to the next
    return fullest(lent_matrices(model), plan.train.ranks)
