"""Alone: the interface of a training to its other ranks, and the identity for a training that has none."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from torch import Tensor

Value = TypeVar("Value")


class Together(Protocol):
    """The ranks of one training, seen from one of them. Each method that exchanges something is called by all of them."""

    @property
    def rank(self) -> int:
        """Number of this rank, from 0."""

    @property
    def world(self) -> int:
        """Number of ranks."""

    @property
    def device(self) -> str:
        """The device of this rank; empty if it is the plan's."""

    @property
    def first(self) -> bool:
        """Whether this rank writes the run: its log, its checkpoints, the answers to requests."""

    def turns(self, count: int) -> Iterator[int | None]:
        """Of `count` pieces of work those of this rank, in rounds: every rank takes one; None where none is left for it."""

    def meet(self) -> None:
        """Wait for the others. Raises ElsewhereShort if one of them says `short`."""

    def short(self, why: str) -> str:
        """Say that the work before the next `meet` lacked memory here, or was broken off; returns the reasons of all."""

    def told(self, value: Value) -> Value:
        """The first rank's value."""

    def in_order(
        self, own: Sequence[Tensor], count: int, *, like: Tensor | None = None
    ) -> list[Tensor]:
        """The results of `count` pieces of work, from those of this rank, on the device of those.

        like: a tensor of the type, shape and device of each; the exchange then waits for no GPU.
        """

    def summed(self, counts: Tensor) -> Tensor:
        """The sum of whole numbers over the ranks."""

    def most(self, values: Mapping[str, float]) -> dict[str, float]:
        """The largest of each value over the ranks."""

    def clear_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Between two rounds: forget gradients that another rank carries on."""

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Set `.grad` to its sum over the ranks in their order. Raises ElsewhereShort as `meet` does."""

    def buffers(self) -> list[Tensor]:
        """What the exchanges keep from one step to the next."""


class ElsewhereShort(MemoryError):  # noqa: N818  the name says what happened
    """Another rank lacks memory for the work that all of them do."""


class Alone:
    """The only rank; see `Together`."""

    rank, world, first, device = 0, 1, True, ""

    def turns(self, count: int) -> Iterator[int | None]:
        """Every piece of work."""
        yield from range(count)

    def meet(self) -> None:
        """Nobody to wait for."""

    def short(self, why: str) -> str:
        """The reason itself."""
        return why

    def told(self, value: Value) -> Value:
        """The value itself."""
        return value

    def in_order(
        self, own: Sequence[Tensor], count: int, *, like: Tensor | None = None
    ) -> list[Tensor]:
        """The results themselves."""
        del count, like
        return list(own)

    def summed(self, counts: Tensor) -> Tensor:
        """The numbers themselves."""
        return counts

    def most(self, values: Mapping[str, float]) -> dict[str, float]:
        """The values themselves."""
        return dict(values)

    def clear_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Nobody carries them on."""

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """They are the sum."""

    def buffers(self) -> list[Tensor]:
        """None."""
        return []


ALONE = Alone()
