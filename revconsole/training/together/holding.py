"""Holding: which weights a rank holds while nobody computes with them, and the identity for a rank that holds all.

The others are lent for the time of a block; see `shards`. Whatever reads or writes weights outside of a forward pass and
its backward goes through here.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

State = dict[str, Any]


class Holding(Protocol):
    """The weights of one rank. Each method is called by all ranks."""

    @property
    def everything(self) -> bool:
        """Whether this rank holds all weights, and so can run the model by itself."""

    def here(self, weights: Iterable[Tensor]) -> list[Tensor]:
        """Those of the weights and buffers that this rank holds."""

    def everywhere(self, parameters: Sequence[Tensor]) -> list[Tensor]:
        """Those of the weights that every rank holds."""

    def going_along(self) -> AbstractContextManager[None]:
        """A context for a backward of no images of this rank, whose gradients count nothing: the others need its weights."""

    def collect(self) -> None:
        """After a backward: bring the gradients that it left here to who holds their weights."""

    def hand_out(self) -> None:
        """After the last backward of a step: set `.grad` of the weights held by this rank alone to the sums."""

    def norm(self, parameters: Sequence[Tensor]) -> Tensor:
        """The norm of the whole gradient. parameters: those that this rank updates."""

    def update_own(self, optimizer: Optimizer) -> None:
        """Leave only the weights of this rank to its optimiser, which has no state yet."""

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """All weights and buffers by name, on the first rank; empty on any other that lacks some."""

    def optimizer_state(self, optimizer: Optimizer) -> State:
        """The state of one optimiser of all weights, on the first rank; empty on any other that lacks some."""

    def load_weights(self, model: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Load what this rank holds of all weights. Raises RuntimeError for those of another model."""

    def load_optimizer(self, optimizer: Optimizer, state: State) -> None:
        """Load what this rank holds of the state of one optimiser of all weights. Raises as torch does."""


class HoldsAll:
    """A rank that holds all weights; see `Holding`."""

    everything = True

    def here(self, weights: Iterable[Tensor]) -> list[Tensor]:
        """All of them."""
        return list(weights)

    def everywhere(self, parameters: Sequence[Tensor]) -> list[Tensor]:
        """All of them."""
        return list(parameters)

    def going_along(self) -> AbstractContextManager[None]:
        """Nobody needs its weights."""
        return nullcontext()

    def collect(self) -> None:
        """They are here."""

    def hand_out(self) -> None:
        """They are set."""

    def norm(self, parameters: Sequence[Tensor]) -> Tensor:
        """As torch computes it."""
        return torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])

    def update_own(self, optimizer: Optimizer) -> None:
        """All are its own."""

    def weights(self, model: nn.Module) -> dict[str, Tensor]:
        """The model's."""
        return dict(model.state_dict())

    def optimizer_state(self, optimizer: Optimizer) -> State:
        """The optimiser's."""
        return optimizer.state_dict()

    def load_weights(self, model: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Into the model."""
        model.load_state_dict(dict(weights))

    def load_optimizer(self, optimizer: Optimizer, state: State) -> None:
        """Into the optimiser."""
        optimizer.load_state_dict(state)


HOLDS_ALL = HoldsAll()
