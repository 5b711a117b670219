"""Shards: the matrices of the wired blocks, each held by one rank, and lent to the others while a block computes.

    a forward pass     before a block every rank receives its matrices, and after it gives them back
    the backward       the same the other way round, and each gradient goes to the rank that holds its matrix
    the update         each rank updates what it holds; the state of the optimiser is nowhere else
    a checkpoint       the first rank collects everything: it is that of one process

torch's `fully_shard` cuts every weight into as many pieces as there are ranks. Then no rank can compute what needs a
whole matrix (the norm of its gradient for clipping, the update of LAMB or Muon), nor add gradients in the order of one
process, and it listens to calls of the blocks, which a reversible backward does not make. With whole matrices everything
is computed as one process does, to the bit. Vectors, stem, head and what no scheme wires stay on every rank.

A matrix that is away keeps its place in the module, its shape and its graph; its storage is empty. Every rank runs the
same blocks in the same order, a rank without images those of another's images, whose gradient counts as −0.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim import Optimizer

from revconsole.errors import RunFailed
from revconsole.reversible import ReversibleSequence, sequences
from revconsole.reversible.coupling import Streams
from revconsole.training.together.exchange import Exchange
from revconsole.training.together.holding import State


class Shards:
    """What one of several ranks holds of a model; see `Holding`, and `Presence` for how it is lent."""

    everything = False

    def __init__(self, model: nn.Module, exchange: Exchange) -> None:
        """Share the matrices out; the model is on the CPU. Raises RunFailed as `lent_matrices` does."""
        self._exchange, self._rank, self._world = exchange, exchange.rank, exchange.world
        self._blocks = lent_matrices(model)
        self._owners = owners(self._blocks, self._world)
        self._here: set[nn.Module] = set()
        self._real = True
        self._sums: dict[int, tuple[Tensor, Tensor]] = {}
        self._every: list[list[Tensor]] = []
        for matrix in (p for block in self._blocks.values() for p in block):
            if self._lacks(matrix):
                exchange.forget(matrix)
        for stack in _stacks(model):
            stack.presence = self

    def arrive(self, block: nn.Module, streams: Streams) -> Streams:
        """Bring the block's matrices; in the backward collect their gradients."""
        if not self._blocks.get(block):
            return streams
        if torch.is_grad_enabled():
            return tuple(_Around.apply(self.bring, self.settle, block, *streams))
        self.bring(block)
        return streams

    def depart(self, block: nn.Module, streams: Streams) -> Streams:
        """Take the block's matrices away; in the backward bring them."""
        if not self._blocks.get(block):
            return streams
        if torch.is_grad_enabled():
            return tuple(_Around.apply(self.take_away, self.bring, block, *streams))
        self.take_away(block)
        return streams

    def bring(self, block: nn.Module) -> None:
        """Let the block's matrices be on every rank."""
        if block in self._here:
            return
        self._here.add(block)
        for matrix in self._blocks[block]:
            if self._lacks(matrix):
                self._exchange.make_room(matrix)
            self._exchange.broadcast(matrix.data, self._owners[id(matrix)])

    def take_away(self, block: nn.Module) -> None:
        """Leave the block's matrices only where they are held."""
        self._here.discard(block)
        for matrix in self._blocks[block]:
            if self._lacks(matrix):
                self._exchange.give_room_back(matrix)

    def settle(self, block: nn.Module) -> None:
        """Bring the gradients of the block's matrices to who holds these."""
        for matrix in self._blocks[block]:
            if matrix.grad is not None:  # on every rank alike
                self._add(matrix)
        self.take_away(block)

    def here(self, weights: Iterable[Tensor]) -> list[Tensor]:
        """See `Holding`."""
        return [p for p in weights if not self._lacks(p)]

    def everywhere(self, parameters: Sequence[Tensor]) -> list[Tensor]:
        """See `Holding`."""
        return [p for p in parameters if id(p) not in self._owners]

    @contextmanager
    def going_along(self) -> Iterator[None]:
        """See `Holding`."""
        self._real = False
        try:
            yield
        finally:
            self._real = True

    def collect(self) -> None:
        """The gradients of blocks whose input has none, so that nothing told that they are done with."""
        for block in self._blocks:
            self.settle(block)

    def hand_out(self) -> None:
        """See `Holding`."""
        for matrix, total in self._sums.values():
            matrix.grad = total
        self._sums.clear()

    def norm(self, parameters: Sequence[Tensor]) -> Tensor:
        """From the norms of single weights, each computed where its gradient is, in the order of one process."""
        here = {id(p) for p in parameters if p.grad is not None}
        order = [p for group in self._every for p in group]
        there = self._exchange.anywhere([id(p) in here for p in order])
        known = [p for p, some in zip(order, there, strict=True) if some]
        norms = torch.zeros(len(known), device=parameters[0].device)
        for place, parameter in enumerate(known):
            if id(parameter) in here and self._rank == self._owners.get(id(parameter), 0):
                norms[place] = torch.linalg.vector_norm(parameter.grad)
        self._exchange.add_up(norms)
        norm: Tensor = torch.linalg.vector_norm(norms)
        return norm

    def update_own(self, optimizer: Optimizer) -> None:
        """See `Holding`."""
        self._every = [list(group["params"]) for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["params"] = [p for p in group["params"] if not self._lacks(p)]

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """On the CPU of the first rank, as far as others hold them."""
        named = model.state_dict(keep_vars=True).items()
        found = {name: self._at_first(tensor) for name, tensor in named}
        return {name: tensor for name, tensor in found.items() if tensor is not None}

    def optimizer_state(self, optimizer: Optimizer) -> State:
        """On the CPU of the first rank, as far as others hold it."""
        states, number = {}, 0
        for group in self._every:
            for parameter in group:
                found = self._state_at_first(optimizer, parameter)
                if found:
                    states[number] = found
                number += 1
        groups = optimizer.state_dict()["param_groups"]
        places = _numbered(self._every)
        wholes = [{**g, "params": own} for g, own in zip(groups, places, strict=True)]
        return {} if self._rank else {"state": states, "param_groups": wholes}

    def load_weights(self, model: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """See `Holding`."""
        named = model.state_dict(keep_vars=True)
        if named.keys() != weights.keys():
            some = min(named.keys() ^ weights.keys())
            raise RuntimeError(f"{some} is only in one of model and checkpoint")
        if wrong := next((n for n, own in named.items() if own.shape != weights[n].shape), None):
            raise RuntimeError(f"{wrong} has another shape in the checkpoint")
        own = {name: weights[name] for name, tensor in named.items() if not self._lacks(tensor)}
        model.load_state_dict(own, strict=False)

    def load_optimizer(self, optimizer: Optimizer, state: State) -> None:
        """See `Holding`."""
        kept, states = iter(range(sum(map(len, self._every)))), {}
        groups = []
        for whole, saved in zip(self._every, state["param_groups"], strict=True):
            own = []
            for parameter, number in zip(whole, saved["params"], strict=True):
                if self._lacks(parameter):
                    continue
                own.append(next(kept))
                if number in state["state"]:
                    states[own[-1]] = state["state"][number]
            groups.append({**saved, "params": own})
        optimizer.load_state_dict({"state": states, "param_groups": groups})

    def _lacks(self, tensor: Tensor) -> bool:
        """Whether another rank holds it."""
        return self._owners.get(id(tensor), self._rank) != self._rank

    def _add(self, matrix: Tensor) -> None:
        """Add the ranks' gradients of a matrix to those of the rounds before, in their order, where it is held."""
        owner, own = self._owners[id(matrix)], matrix.grad
        assert own is not None  # noqa: S101  asked before
        matrix.grad = None
        own = own.contiguous() if self._real else torch.full_like(own, -0.0)
        if owner != self._rank:
            self._exchange.send(own, owner)
            return
        _, total = self._sums.get(id(matrix), (matrix, None))
        for rank in range(self._world):
            part = own if rank == self._rank else torch.empty_like(own)
            if rank != self._rank:
                self._exchange.receive(part, rank)
            total = part if total is None else total.add_(part)
        assert total is not None  # noqa: S101  there is a rank
        self._sums[id(matrix)] = matrix, total

    def _at_first(self, tensor: Tensor) -> Tensor | None:
        """The tensor on the first rank; None on any other."""
        owner = self._owners.get(id(tensor), 0)
        if self._rank == 0:
            if owner == 0:
                return tensor.detach()
            received = torch.empty(tensor.shape, dtype=tensor.dtype)
            self._exchange.receive(received, owner)
            return received
        if self._rank == owner:
            self._exchange.send(tensor.detach().cpu(), 0)
        return None

    def _state_at_first(self, optimizer: Optimizer, parameter: Tensor) -> dict[str, Any] | None:
        """What the optimiser keeps of a weight, on the first rank; None on any other."""
        owner = self._owners.get(id(parameter), 0)
        if self._rank not in {0, owner}:
            return None
        if owner == 0:
            return dict(optimizer.state.get(parameter, {})) if self._rank == 0 else None
        found: list[dict[str, Any]] = [{}]
        if self._rank == 0:
            dist.recv_object_list(found, owner, device=torch.device("cpu"))
            return found[0]
        values = optimizer.state.get(parameter, {})
        found = [{k: v.cpu() if isinstance(v, Tensor) else v for k, v in values.items()}]
        dist.send_object_list(found, 0, device=torch.device("cpu"))
        return None


Deed = Callable[[nn.Module], object]


class _Around(torch.autograd.Function):
    """The identity, which does one thing with a block as the forward passes, and another as the backward does."""

    @staticmethod
    def forward(ctx: Any, first: Deed, later: Deed, block: nn.Module, *streams: Tensor) -> Streams:
        ctx.later, ctx.block = later, block
        ctx.set_materialize_grads(False)
        first(block)
        return streams

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        ctx.later(ctx.block)
        return (None, None, None, *gradients)


def _stacks(model: nn.Module) -> Iterator[ReversibleSequence]:
    """The sequences in which every block is called once."""
    for stack in sequences(model):
        blocks = list(stack.named_blocks.values())
        if len(set(blocks)) == len(blocks):
            yield stack


def _wired(stacks: Sequence[ReversibleSequence]) -> Iterator[nn.Module]:
    for stack in stacks:
        for run in stack.runs:
            yield from run


Blocks = dict[nn.Module, list[Tensor]]
"""The wired blocks with the matrices of each that are lent."""


def lent_matrices(model: nn.Module) -> Blocks:
    """The matrices that ranks share out, by block. Raises RunFailed if the model has none."""
    places = Counter(id(p) for module in model.modules() for p in module._parameters.values())  # noqa: SLF001  named_parameters hides shared places
    blocks: Blocks = {
        block: [p for p in block.parameters() if p.ndim > 1 and places[id(p)] == 1]
        for block in dict.fromkeys(_wired(list(_stacks(model))))
    }
    if not any(blocks.values()):
        raise RunFailed(
            "this model has no wired blocks whose weights could be shared among the ranks; leave out train.shard"
        )
    return blocks


def owners(blocks: Blocks, world: int) -> dict[int, int]:
    """A rank for the identity of each matrix, so that all hold about as many bytes: the largest first, to who has least."""
    held, found = [0] * world, dict[int, int]()
    matrices = [p for block in blocks.values() for p in block]
    for matrix in sorted(matrices, key=lambda each: -each.nbytes):
        found[id(matrix)] = owner = held.index(min(held))
        held[owner] += matrix.nbytes
    return found


def fullest(blocks: Blocks, world: int) -> int:
    """The rank that mostly needs most memory: for what it holds, with gradients, and for the block that it lacks most of."""
    found = owners(blocks, world)

    def needs(rank: int) -> int:
        holds = sum(p.nbytes for block in blocks.values() for p in block if found[id(p)] == rank)
        lacks = (sum(p.nbytes for p in block if found[id(p)] != rank) for block in blocks.values())
        return 2 * holds + max(lacks)

    return max(range(world), key=needs)


def _numbered(groups: Sequence[Sequence[Tensor]]) -> list[list[int]]:
    """The places of the weights of each group, counted over all."""
    numbers = iter(range(sum(map(len, groups))))
    return [[next(numbers) for _ in group] for group in groups]
